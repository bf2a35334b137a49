// Settings: LECTERN_* environment variables with working defaults, read once at start.
import { resolve } from 'node:path';
import { z } from 'zod';
import { MAX_TIMER_MS } from '#shared/domain/timers.ts';

const port = (fallback: number) => z.coerce.number().int().min(0).max(65_535).default(fallback);
/** An address that paths are put behind. */
const address = z
  .url({ protocol: /^https?$/, error: 'must be an address such as https://class.example.org' })
  .transform((url) => url.replace(/\/$/, ''));
/** An address without a path. */
const ORIGIN = /^https?:\/\/[^/?#@]+$/i;
/** So many servers that play the same are enough; each viewer asks some of them at once. */
const MAX_PLAY_ORIGINS = 8;
const ms = (fallback: number) => z.coerce.number().int().min(0).max(MAX_TIMER_MS).default(fallback);

const AllSettings = z.object({
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
  /** Where the other services reach the gateway. */
  LECTERN_GATEWAY_URL: address.default('http://127.0.0.1:8081'),
  LECTERN_SCHOOL_PORT: port(8082),
  LECTERN_SCHOOL_URL: address.default('http://127.0.0.1:8082'),
  LECTERN_SFU_PORT: port(8083),
  LECTERN_SFU_URL: address.default('http://127.0.0.1:8083'),
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
  LECTERN_API_KEY: z.string().min(16).optional(),
  LECTERN_LOG: z.enum(['debug', 'info', 'warn', 'error', 'silent']).default('info'),
  LECTERN_LOG_FORMAT: z.enum(['pretty', 'json']).default('pretty'),
  /** How long an interrupted broadcast waits for its teacher before it ends. */
  LECTERN_RESUME_MS: ms(120_000),
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
  /** Whether relays may go to addresses inside this network; by default they reach public ones alone. */
  LECTERN_RELAY_PRIVATE: z.enum(['0', '1']).default('0'),
  /** Proxies (comma-separated addresses) whose X-Forwarded-* headers are believed. */
  LECTERN_TRUSTED_PROXIES: z.string().default('127.0.0.1,::1'),
});
const Settings = AllSettings.refine(
  (all) => (all.LECTERN_TLS_CERT === undefined) === (all.LECTERN_TLS_KEY === undefined),
  { path: ['LECTERN_TLS_KEY'], error: 'set it together with LECTERN_TLS_CERT' },
);
export type Settings = z.output<typeof AllSettings>;

/**
 * Reads the settings from `env`. Empty values count as unset.
 * Throws an Error whose message names each wrong variable, for a person to read.
 */
export function readSettings(env: NodeJS.ProcessEnv = process.env): Settings {
  const given = Object.fromEntries(Object.entries(env).filter(([, value]) => value !== ''));
  const result = Settings.safeParse(given);
  if (result.success) return result.data;
  const wrong = result.error.issues.map((issue) => `${issue.path.join('.')}: ${issue.message}`);
  throw new Error(`Wrong settings:\n  ${wrong.join('\n  ')}`);
}

/** The origin that links to people are made with, without a trailing slash. */
export function publicUrl(
  settings: Pick<Settings, 'LECTERN_PUBLIC_URL' | 'LECTERN_PORT' | 'LECTERN_TLS_CERT'>,
): string {
  const protocol = settings.LECTERN_TLS_CERT === undefined ? 'http' : 'https';
  return settings.LECTERN_PUBLIC_URL ?? `${protocol}://localhost:${settings.LECTERN_PORT}`;
}
