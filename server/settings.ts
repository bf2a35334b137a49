// Settings: LECTERN_* environment variables with working defaults, read once at start. What reads and hands on the
// environment knows them by these names; everything else by the group of what they are for.
import { resolve } from 'node:path';
import { z } from 'zod';
import { RecordingMode } from '#shared/domain/recording.ts';
import { MAX_TIMER_MS } from '#shared/domain/timers.ts';

const port = (fallback: number) => z.coerce.number().int().min(0).max(65_535).default(fallback);
/** An address that paths are put behind. */
const address = z
  .url({ protocol: /^https?$/, error: 'must be an address such as https://class.example.org' })
  .transform((url) => url.replace(/\/$/, ''));
/** One or several at which the same service answers, as text: it is handed on to the services as it is. */
const addresses = z
  .string()
  .transform((list) =>
    list
      .split(',')
      .map((one) => one.trim().replace(/\/$/, ''))
      .join(','),
  )
  .refine((list) => addressesIn(list).every((one) => address.safeParse(one).success), {
    error: 'must be an address such as http://10.0.0.5:8083, or several separated by commas',
  });
/** An address without a path. */
const ORIGIN = /^https?:\/\/[^/?#@]+$/i;
/** So many servers that play the same are enough; each viewer asks some of them at once. */
const MAX_PLAY_ORIGINS = 8;
const ms = (fallback: number) => z.coerce.number().int().min(0).max(MAX_TIMER_MS).default(fallback);

const AllVariables = z.object({
  /** The front door: page, API, signalling and playback on one origin. */
  LECTERN_PORT: port(8080),
  /** Where the door listens. */
  LECTERN_HOST: z.string().default('0.0.0.0'),
  /** A certificate and its key (PEM files): then the door and the gateway's port speak HTTPS and HTTP/2. */
  LECTERN_TLS_CERT: z.string().optional(),
  LECTERN_TLS_KEY: z.string().optional(),
  /** The address people use, e.g. https://class.example.org; by default the door's own. */
  LECTERN_PUBLIC_URL: address
    .refine((url) => ORIGIN.test(url), 'must have no path, query or password')
    .optional(),
  /** Where viewers take HTTP-FLV from: origins of CDNs or edges (comma-separated) that carry it on. */
  LECTERN_PLAY_ORIGINS: z
    .string()
    .default('')
    .transform((list) =>
      list
        .split(',')
        .map((origin) => origin.trim().replace(/\/$/, ''))
        .filter((origin) => origin !== ''),
    )
    .refine((list) => list.every((origin) => ORIGIN.test(origin)) && list.length <= MAX_PLAY_ORIGINS, {
      error: `must be at most ${MAX_PLAY_ORIGINS} addresses such as https://cdn.example.org, without a path`,
    }),
  /** The gateway's own HTTP port, for CDNs. */
  LECTERN_GATEWAY_PORT: port(8081),
  /** Where the other services reach the gateway; so it is with the other two. */
  LECTERN_GATEWAY_URL: addresses.default('http://127.0.0.1:8081'),
  LECTERN_SCHOOL_PORT: port(8082),
  LECTERN_SCHOOL_URL: addresses.default('http://127.0.0.1:8082'),
  LECTERN_SFU_PORT: port(8083),
  LECTERN_SFU_URL: addresses.default('http://127.0.0.1:8083'),
  LECTERN_RTMP_PORT: port(1935),
  /** UDP port on which the gateway takes RTP from the SFU. */
  LECTERN_INGEST_PORT: port(8084),
  /** The address at which the SFU finds that port. */
  LECTERN_INGEST_IP: z.ipv4().default('127.0.0.1'),
  /** WebRTC over UDP and TCP: this port plus the worker's index. */
  LECTERN_RTC_PORT: port(44_400),
  /** The address browsers reach WebRTC at, where it differs from the machine's own (NAT, cloud). */
  LECTERN_RTC_IP: z.string().optional(),
  /**
   * STUN and TURN servers that WHIP and WHEP clients are told of, separated by commas; a TURN server with
   * its user and password after it: `stun:stun.example.org, turn:turn.example.org?transport=udp user secret`.
   */
  LECTERN_ICE_SERVERS: z.string().max(4_000).optional(),
  /** mediasoup workers; by default one for each core. */
  LECTERN_WORKERS: z.coerce.number().int().min(1).max(128).optional(),
  LECTERN_DATA: z
    .string()
    .default('data')
    .transform((path) => resolve(path)),
  /** The school's database on PostgreSQL; by default it is a file in LECTERN_DATA. */
  LECTERN_DATABASE_URL: z
    .url({
      protocol: /^postgres(ql)?$/,
      error: 'must be an address such as postgres://lectern:password@db.example.org/lectern',
    })
    .optional(),
  LECTERN_API_KEY: z.string().min(16).optional(),
  LECTERN_LOG: z.enum(['debug', 'info', 'warn', 'error', 'silent']).default('info'),
  LECTERN_LOG_FORMAT: z.enum(['pretty', 'json']).default('pretty'),
  /** How long an interrupted broadcast waits for its teacher before it ends. */
  LECTERN_RESUME_MS: ms(120_000),
  /** Whether broadcasts of new lessons are recorded: `always`, `automatic` (until somebody stops it) or `manual`. */
  LECTERN_RECORDING: RecordingMode.default('automatic'),
  /** Recordings are deleted after so many days, and the oldest where all take more than so many GB; 0: never. */
  LECTERN_RECORDING_SPLIT_MINUTES: z.coerce.number().int().min(0).max(1_440).default(0),
  LECTERN_RECORDING_SPLIT_MB: z.coerce
    .number()
    .int()
    .max(10_000_000)
    .refine((mb) => mb === 0 || mb >= 10, { error: 'must be 0 or at least 10' })
    .default(0),
  LECTERN_RECORDINGS_MAX_DAYS: z.coerce.number().int().min(0).max(36_500).default(0),
  LECTERN_RECORDINGS_MAX_GB: z.coerce.number().min(0).max(1_000_000).default(0),
  /** How long a signed playback address is good. */
  LECTERN_PLAYBACK_TTL_S: z.coerce
    .number()
    .int()
    .min(10)
    .default(12 * 3_600),
  /** Whether HLS segments are encrypted, with a key for each broadcast. */
  LECTERN_HLS_ENCRYPTION: z.enum(['none', 'aes-128']).default('none'),
  /**
   * What HLS and recordings carry: AAC, which all devices play, or Opus as it came, which needs no encoder but
   * leaves out older phones.
   */
  LECTERN_HLS_SOUND: z.enum(['aac', 'opus']).default('aac'),
  LECTERN_FFMPEG: z.string().optional(),
  /** Of how many classes at a time smaller renditions are made; by default one less than there are cores. */
  LECTERN_LADDERS: z.coerce.number().int().min(0).max(128).optional(),
  /** A MaxMind DB file (.mmdb) that tells countries by address, for rules by region. */
  LECTERN_GEOIP: z
    .string()
    .transform((path) => resolve(path))
    .optional(),
  /** Shared with a CDN that signs addresses by MD5; without it those are refused. */
  LECTERN_CDN_KEY: z
    .string()
    .regex(/^[A-Za-z0-9_-]{16,128}$/, 'must be 16 to 128 letters, digits, - or _')
    .optional(),
  /** Hosts (comma-separated, with or without a port) that may be asked for leave though they are private. */
  LECTERN_CALLBACK_HOSTS: z.string().default(''),
  /** What is told when a recording is ready, and what that is signed with. */
  LECTERN_WEBHOOK_URL: z
    .url({ protocol: /^https?$/ })
    .max(2_000)
    .refine((url) => new URL(url).username === '' && new URL(url).password === '', 'must have no user name')
    .optional(),
  LECTERN_WEBHOOK_SECRET: z
    .string()
    .min(16)
    .max(500)
    .refine((secret) => !secret.startsWith('whsec_') || /^whsec_[A-Za-z0-9+/]{22,}={0,2}$/.test(secret), {
      error: 'must be base64 behind whsec_',
    })
    .optional(),
  /** Whether relays may go to addresses inside this network; by default they reach public ones alone. */
  LECTERN_RELAY_PRIVATE: z.enum(['0', '1']).default('0'),
  /** Proxies (comma-separated addresses) whose X-Forwarded-* headers are believed. */
  LECTERN_TRUSTED_PROXIES: z.string().default('127.0.0.1,::1'),
});
const CheckedVariables = AllVariables.refine(
  (all) => (all.LECTERN_TLS_CERT === undefined) === (all.LECTERN_TLS_KEY === undefined),
  { path: ['LECTERN_TLS_KEY'], error: 'set it together with LECTERN_TLS_CERT' },
).refine((all) => all.LECTERN_WEBHOOK_URL === undefined || all.LECTERN_WEBHOOK_SECRET !== undefined, {
  path: ['LECTERN_WEBHOOK_SECRET'],
  error: 'set it together with LECTERN_WEBHOOK_URL',
});
export type Variables = z.output<typeof AllVariables>;

/**
 * Reads the variables of `env`. Empty values count as unset.
 * Throws an Error whose message names each wrong one, for a person to read.
 */
export function readVariables(env: NodeJS.ProcessEnv = process.env): Variables {
  const given = Object.fromEntries(Object.entries(env).filter(([, value]) => value !== ''));
  const result = CheckedVariables.safeParse(given);
  if (result.success) return result.data;
  const wrong = result.error.issues.map((issue) => `${issue.path.join('.')}: ${issue.message}`);
  throw new Error(`Wrong settings:\n  ${wrong.join('\n  ')}`);
}

/** The addresses of one service in a variable such as LECTERN_SFU_URL, the first to be tried first. */
const addressesIn = (list: string): readonly string[] => list.split(',');

export type Settings = ReturnType<typeof settingsOf>;

/** The settings in groups, each as its variable says above. */
export function settingsOf(all: Variables) {
  const protocol = all.LECTERN_TLS_CERT === undefined ? 'http' : 'https';
  return {
    dataDir: all.LECTERN_DATA,
    log: { level: all.LECTERN_LOG, format: all.LECTERN_LOG_FORMAT },
    tls: { certFile: all.LECTERN_TLS_CERT, keyFile: all.LECTERN_TLS_KEY },
    /** Whose X-Forwarded-* headers are believed. */
    trustedProxies: all.LECTERN_TRUSTED_PROXIES,
    door: {
      port: all.LECTERN_PORT,
      host: all.LECTERN_HOST,
      publicUrl: all.LECTERN_PUBLIC_URL,
      /** The origin that links to people are made with, without a trailing slash. */
      origin: all.LECTERN_PUBLIC_URL ?? `${protocol}://localhost:${all.LECTERN_PORT}`,
      playOrigins: all.LECTERN_PLAY_ORIGINS,
    },
    school: {
      port: all.LECTERN_SCHOOL_PORT,
      addresses: addressesIn(all.LECTERN_SCHOOL_URL),
      databaseUrl: all.LECTERN_DATABASE_URL,
      apiKey: all.LECTERN_API_KEY,
      playbackTtlS: all.LECTERN_PLAYBACK_TTL_S,
      recordingMode: all.LECTERN_RECORDING,
      /** Of new lessons. */
      split: {
        splitMs: all.LECTERN_RECORDING_SPLIT_MINUTES * 60_000 || null,
        splitBytes: all.LECTERN_RECORDING_SPLIT_MB * 1_000_000 || null,
      },
      /** Null for nobody. */
      webhook:
        all.LECTERN_WEBHOOK_URL === undefined || all.LECTERN_WEBHOOK_SECRET === undefined
          ? null
          : { url: all.LECTERN_WEBHOOK_URL, secret: all.LECTERN_WEBHOOK_SECRET },
      /** Null for without end. */
      retention: {
        maxDays: all.LECTERN_RECORDINGS_MAX_DAYS || null,
        maxBytes: all.LECTERN_RECORDINGS_MAX_GB * 1_000_000_000 || null,
      },
    },
    gateway: {
      port: all.LECTERN_GATEWAY_PORT,
      addresses: addressesIn(all.LECTERN_GATEWAY_URL),
      rtmpPort: all.LECTERN_RTMP_PORT,
      resumeMs: all.LECTERN_RESUME_MS,
      hls: { encryption: all.LECTERN_HLS_ENCRYPTION, sound: all.LECTERN_HLS_SOUND },
      ffmpeg: all.LECTERN_FFMPEG,
      ladders: all.LECTERN_LADDERS,
      geoip: all.LECTERN_GEOIP,
      cdnKey: all.LECTERN_CDN_KEY,
      callbackHosts: all.LECTERN_CALLBACK_HOSTS,
      relaysMayBePrivate: all.LECTERN_RELAY_PRIVATE === '1',
    },
    /** Where the gateway takes RTP from the SFU. */
    ingest: { port: all.LECTERN_INGEST_PORT, ip: all.LECTERN_INGEST_IP },
    sfu: {
      port: all.LECTERN_SFU_PORT,
      addresses: addressesIn(all.LECTERN_SFU_URL),
      rtc: { port: all.LECTERN_RTC_PORT, ip: all.LECTERN_RTC_IP },
      iceServers: all.LECTERN_ICE_SERVERS ?? '',
      workers: all.LECTERN_WORKERS,
    },
  };
}

/** Reads the settings from `env`. Throws as {@link readVariables}. */
export const readSettings = (env: NodeJS.ProcessEnv = process.env): Settings =>
  settingsOf(readVariables(env));
