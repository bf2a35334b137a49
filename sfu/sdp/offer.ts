// Reads an SDP offer (RFC 8866, RFC 9429) of a WHIP or WHEP client: bounded, checked, and cut down to
// what an answer needs. Pure.
import { parse } from 'sdp-transform';
import { z } from 'zod';
import { LecternError } from '#shared/contract/errors.ts';

export const MAX_SDP_BYTES = 64 * 1024;
const MAX_LINES = 2_000;
const MAX_LINE = 2_000;
/** What a browser offers with every codec it has, and some more. */
const MAX_CODECS = 128;

const Token = z.string().regex(/^[\x21-\x7e]{1,32}$/);
const token = z.union([Token, z.number().transform(String)]);
/** ICE's own alphabet and lengths (RFC 8839 §5.4); sdp-transform makes numbers of digits. */
const IceText = (min: number) =>
  z
    .union([z.string(), z.number().transform(String)])
    .pipe(z.string().regex(new RegExp(`^[A-Za-z0-9+/]{${min},256}$`)));
const Ssrc = z.number().int().min(1).max(0xffff_ffff);
const PayloadType = z.number().int().min(0).max(127);

const Transport = {
  iceUfrag: IceText(4).optional(),
  icePwd: IceText(22).optional(),
  fingerprint: z
    .object({ type: z.string().transform((type) => type.toLowerCase()), hash: z.string() })
    .pipe(
      z.object({
        type: z.enum(['sha-1', 'sha-224', 'sha-256', 'sha-384', 'sha-512']),
        hash: z.string().regex(/^[0-9A-Fa-f]{2}(:[0-9A-Fa-f]{2}){15,63}$/),
      }),
    )
    .optional(),
  setup: z.enum(['actpass', 'active', 'passive', 'holdconn']).optional(),
};

const Direction = z.enum(['sendrecv', 'sendonly', 'recvonly', 'inactive']);

const Section = z.object({
  ...Transport,
  type: z.string().max(32),
  port: z.number().int().min(0).max(65_535),
  protocol: z.string().max(64),
  payloads: z.union([z.string().max(1_000), z.number().transform(String)]).optional(),
  mid: token.optional(),
  direction: Direction.optional(),
  rtcpMux: z.string().optional(),
  rtp: z
    .array(
      z.object({
        payload: PayloadType,
        codec: z.union([z.string().regex(/^[A-Za-z0-9._-]{1,64}$/), z.number().transform(String)]),
        rate: z.number().int().positive().max(1_000_000).optional(),
        encoding: z.number().int().min(1).max(64).optional(),
      }),
    )
    .max(MAX_CODECS),
  fmtp: z
    .array(
      z.object({
        payload: PayloadType,
        config: z.union([z.string().max(500), z.number().transform(String)]),
      }),
    )
    .max(MAX_CODECS),
  ext: z
    .array(z.object({ value: z.number().int().min(1).max(255), uri: z.string().max(200) }))
    .max(64)
    .optional(),
  ssrcs: z
    .array(z.object({ id: Ssrc }))
    .max(256)
    .optional(),
  ssrcGroups: z
    .array(
      z.object({
        semantics: z.string().max(16),
        ssrcs: z.union([z.string().max(200), z.number().transform(String)]),
      }),
    )
    .max(16)
    .optional(),
  rids: z
    .array(
      z.object({
        id: z.union([z.string().regex(/^[A-Za-z0-9_-]{1,16}$/), z.number().transform(String)]),
        direction: z.enum(['send', 'recv']),
      }),
    )
    .max(8)
    .optional(),
});

const Session = z.object({
  ...Transport,
  direction: Direction.optional(),
  groups: z
    .array(z.object({ type: z.string(), mids: token.or(z.string().max(500)) }))
    .max(8)
    .optional(),
  media: z.array(Section).min(1).max(16),
});

export interface OfferedCodec {
  readonly payloadType: number;
  /** In lower case: `h264`, `opus`, `rtx`. */
  readonly name: string;
  readonly clockRate: number;
  readonly channels: number;
  /** The format parameters as they were written; empty if there are none. */
  readonly fmtp: string;
}

export interface OfferedSection {
  readonly mid: string;
  /** `audio`, `video`, or what else there is (`application`), which is never accepted. */
  readonly kind: string;
  readonly protocol: string;
  /** False if it was rejected already, or cannot be bundled with the others. */
  readonly usable: boolean;
  readonly direction: z.infer<typeof Direction>;
  /** Payload types in the order of preference. */
  readonly payloads: string;
  readonly codecs: readonly OfferedCodec[];
  readonly extensions: readonly { readonly id: number; readonly uri: string }[];
  /** The first media SSRC, with that of its retransmissions, where they are said. */
  readonly ssrc: { readonly media: number; readonly rtx: number | undefined } | undefined;
  /** Simulcast layers (RFC 8853) that are sent, as they are named. */
  readonly rids: readonly string[];
}

export interface Offer {
  readonly sections: readonly OfferedSection[];
  readonly ice: IceCredentials;
  readonly fingerprint: { readonly algorithm: string; readonly value: string };
  /** Who opens DTLS (RFC 8842): the client unless it will not. */
  readonly dtls: 'client opens' | 'server opens';
}

export interface IceCredentials {
  readonly ufrag: string;
  readonly pwd: string;
}

const malformed = (what: string) => new LecternError('bad-request', `The SDP is not well formed: ${what}.`);

/**
 * Reads the text as lines of SDP through `schema`. Throws LecternError `bad-request`.
 * sdp-transform passes over what it does not know, so what is no SDP at all is refused first.
 */
export function readSdp<T extends z.ZodType>(text: string, schema: T): z.output<T> {
  const lines = text.split(/\r\n|\n/);
  if (lines.at(-1) === '') lines.pop();
  if (lines.length > MAX_LINES) throw malformed('it has too many lines');
  const wrong = lines.findIndex((line) => line.length > MAX_LINE || !/^[a-z]=[^\0\r\n]*$/.test(line));
  if (wrong !== -1) throw malformed(`line ${wrong + 1} is none`);
  const result = schema.safeParse(parse(`${lines.join('\r\n')}\r\n`));
  if (result.success) return result.data;
  const issue = result.error.issues[0];
  throw malformed(`${issue?.path.join('.') ?? ''}: ${issue?.message ?? 'is wrong'}`.slice(0, 200));
}

/** Reads an offer. Throws LecternError `bad-request` for one that is malformed or lacks what WebRTC needs. */
export function readOffer(text: string): Offer {
  if (!text.startsWith('v=0')) throw malformed('it does not begin with v=0');
  const session = readSdp(text, Session);
  const mids = session.media.map(({ mid }) => mid);
  if (mids.some((mid) => mid === undefined)) throw malformed('a media section has no mid');
  if (new Set(mids).size !== mids.length) throw malformed('two media sections have one mid');
  const bundle = session.groups?.find(({ type }) => type === 'BUNDLE');
  const bundled = bundle === undefined ? mids.slice(0, 1) : bundle.mids.split(' ');
  // The transport is that of the first section that is bundled (RFC 9143 §7.2).
  const first = session.media.find(({ mid }) => mid === bundled[0]) ?? session.media[0];
  const ufrag = first?.iceUfrag ?? session.iceUfrag;
  const pwd = first?.icePwd ?? session.icePwd;
  const fingerprint = first?.fingerprint ?? session.fingerprint;
  if (ufrag === undefined || pwd === undefined) throw malformed('it has no ICE credentials');
  if (fingerprint === undefined) throw malformed('it has no DTLS fingerprint');
  const setup = first?.setup ?? session.setup ?? 'actpass';
  if (setup === 'holdconn') throw malformed('its setup is holdconn');
  return {
    sections: session.media.map((section) => offeredSection(section, session.direction, bundled)),
    ice: { ufrag, pwd },
    fingerprint: { algorithm: fingerprint.type, value: fingerprint.hash.toUpperCase() },
    dtls: setup === 'passive' ? 'server opens' : 'client opens',
  };
}

function offeredSection(
  section: z.infer<typeof Section>,
  direction: z.infer<typeof Direction> | undefined,
  bundled: readonly (string | undefined)[],
): OfferedSection {
  const { mid = '', type, port, protocol, payloads = '', rtp, fmtp, ext = [], rids = [] } = section;
  const order = payloads.split(' ').map(Number);
  // An offer may have sections of no port of their own (bundle-only), which are not rejected.
  const rejected = port === 0 && mid === bundled[0];
  return {
    mid,
    kind: type,
    protocol,
    usable:
      !rejected && bundled.includes(mid) && /^(UDP|TCP)\/(TLS|DTLS)\/RTP\/SAVPF$|^RTP\/SAVPF$/.test(protocol),
    direction: section.direction ?? direction ?? 'sendrecv',
    payloads,
    codecs: rtp
      .map(({ payload, codec, rate = 0, encoding = 1 }) => ({
        payloadType: payload,
        name: codec.toLowerCase(),
        clockRate: rate,
        channels: encoding,
        fmtp: fmtp.find((one) => one.payload === payload)?.config ?? '',
      }))
      .filter(({ payloadType }) => order.includes(payloadType))
      .sort((a, b) => order.indexOf(a.payloadType) - order.indexOf(b.payloadType)),
    extensions: ext.map(({ value, uri }) => ({ id: value, uri: uri.split(' ', 1)[0] ?? '' })),
    ssrc: ssrcOf(section),
    rids: rids.filter((rid) => rid.direction === 'send').map(({ id }) => id),
  };
}

function ssrcOf({ ssrcs = [], ssrcGroups = [] }: z.infer<typeof Section>): OfferedSection['ssrc'] {
  const media = ssrcs[0]?.id;
  if (media === undefined) return undefined;
  const pairs = ssrcGroups
    .filter(({ semantics }) => semantics === 'FID')
    .map((group) => group.ssrcs.split(' ').map(Number));
  const rtx = pairs.find(([first]) => first === media)?.[1];
  return { media, rtx: Ssrc.safeParse(rtx).success ? rtx : undefined };
}

/** The format parameters of a codec by name, in lower case; without a value it is empty. */
export function formatParameters(fmtp: string): ReadonlyMap<string, string> {
  const pairs = fmtp.split(';').map((part) => {
    const [name = '', ...value] = part.trim().split('=');
    return [name.toLowerCase(), value.join('=')] as const;
  });
  return new Map(pairs.filter(([name]) => name !== ''));
}

/** Constrained baseline first, for it is what the room speaks; then what a decoder of it takes as well. */
const PROFILES = ['42e0', '42c0', '4200', '4d', '64'];

/** Opus is always written with two channels (RFC 7587 §7). */
const isOpus = ({ name, clockRate, channels }: OfferedCodec): boolean =>
  name === 'opus' && clockRate === 48_000 && channels === 2;

/** The rank of an H.264 codec: lower is better. Packetization mode 1 (RFC 6184) is the one that is used. */
function h264Rank({ fmtp }: OfferedCodec): number {
  const parameters = formatParameters(fmtp);
  if (parameters.get('packetization-mode') !== '1') return Infinity;
  const profile = (parameters.get('profile-level-id') ?? '42000a').toLowerCase();
  const found = PROFILES.findIndex((prefix) => profile.startsWith(prefix));
  return found === -1 ? PROFILES.length : found;
}

/**
 * The codec of a section that a room can use: H.264 before VP8, and Opus; `only` allows one of them.
 * Undefined if there is none.
 */
export function usableCodec(
  { kind, codecs }: OfferedSection,
  only?: 'h264' | 'vp8',
): OfferedCodec | undefined {
  if (kind === 'audio') return codecs.find(isOpus);
  const video = codecs.filter(({ clockRate }) => clockRate === 90_000);
  const [h264] = video
    .filter((codec) => codec.name === 'h264' && h264Rank(codec) < Infinity)
    .sort((a, b) => h264Rank(a) - h264Rank(b));
  const vp8 = video.find(({ name }) => name === 'vp8');
  if (only === 'vp8') return vp8;
  return h264 ?? (only === 'h264' ? undefined : vp8);
}

/** The retransmissions (RFC 4588) of this codec, where they are offered. */
export function rtxOf({ codecs }: OfferedSection, payloadType: number): OfferedCodec | undefined {
  return codecs.find(
    ({ name, fmtp }) => name === 'rtx' && formatParameters(fmtp).get('apt') === String(payloadType),
  );
}
