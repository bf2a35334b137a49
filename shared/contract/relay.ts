// Relays: a class sent on to servers outside, and a picture taken from a source outside.
import { z } from 'zod';
import { ErrorCode } from './errors.ts';
import { LessonId, LessonTitle } from './ids.ts';

/** More than these servers at once is a typing mistake. */
export const MAX_PUSHES = 16;

export const RelayId = z.string().regex(/^[a-z0-9]{8,24}$/);

/** An address of plain visible characters, so that all who read it read the same. */
const address = (protocol: RegExp, schemes: string) =>
  z
    .string()
    .trim()
    .max(1_000)
    .regex(/^[\x21-\x7e]+$/, 'must be an address without spaces')
    .refine((text) => {
      const url = URL.parse(text);
      return url !== null && protocol.test(url.protocol) && url.hostname !== '' && url.pathname.length > 1;
    }, `must be an address such as ${schemes}`);

export const PushUrl = address(/^rtmps?:$/, 'rtmp://live.example.com/app/key or rtmps://…');
export const PullUrl = address(
  /^(rtmps?|https?):$/,
  'rtmp://…, https://example.com/live.flv or https://example.com/live.m3u8',
);

/** One that is there is kept by its id, as nobody is told its whole address again. */
const kept = z.strictObject({ id: RelayId });

/** `PUT /api/v1/lessons/:id/relays`: all that there should be from now on. */
export const RelaysWanted = z.strictObject({
  push: z.array(z.union([kept, z.strictObject({ url: PushUrl })])).max(MAX_PUSHES),
  pull: z.union([kept, z.strictObject({ url: PullUrl })]).nullable(),
});
export type RelaysWanted = z.infer<typeof RelaysWanted>;

/** The same from the school to the gateway. */
export const RelaysPut = z.object({ lesson: LessonId, title: LessonTitle, wanted: RelaysWanted });
export type RelaysPut = z.infer<typeof RelaysPut>;

/**
 * `idle`: there is nothing to send now. `retrying`: it is tried again by itself. `failed`: only a change
 * can help; it is not tried again.
 */
export const RelayState = z.enum(['idle', 'connecting', 'running', 'retrying', 'failed']);
export type RelayState = z.infer<typeof RelayState>;

/**
 * Why one is not running; a page says it in its reader's language.
 * - `connection-refused`, `connection-closed`, `no-answer`, `unreachable`: of the connection to the server.
 *   `name-unknown`: its name was not found. `private-address`: it leads to a machine of the inner network.
 * - `takes-nothing`, `sends-nothing`: it is connected, and nothing moves. `source-ended`; `unreadable`: what came
 *   makes no sense.
 * - `no-ffmpeg`: there is no such program. `program`: `detail` is what it, or the system, says.
 */
export const RelayTrouble = z.enum([
  'connection-refused',
  'connection-closed',
  'no-answer',
  'unreachable',
  'name-unknown',
  'private-address',
  'takes-nothing',
  'sends-nothing',
  'source-ended',
  'unreadable',
  'no-ffmpeg',
  'program',
]);
export type RelayTrouble = z.infer<typeof RelayTrouble>;

export const MAX_DETAIL_LENGTH = 300;

export const RelayReason = z.object({
  /** One of a relay, or of the class that refuses the source. */
  code: z.union([RelayTrouble, ErrorCode]),
  /** In English, without what may be secret. */
  detail: z.string().max(MAX_DETAIL_LENGTH).nullable(),
});
export type RelayReason = z.infer<typeof RelayReason>;

export const RelayInfo = z.object({
  id: RelayId,
  /** Without what may be secret in it: {@link redactRelay}. */
  url: z.string(),
  state: RelayState,
  /** Why it is not running. */
  reason: RelayReason.nullable(),
  /** Since when it is in this state, in ms since 1970. */
  sinceMs: z.number(),
  /** When it is tried again, in ms since 1970. */
  retryAtMs: z.number().nullable(),
});
export type RelayInfo = z.infer<typeof RelayInfo>;

/** The answer to all of it. */
export const RelaysInfo = z.object({ push: z.array(RelayInfo), pull: RelayInfo.nullable() });
export type RelaysInfo = z.infer<typeof RelaysInfo>;

/** An address as it may be shown: the server and the application, and stars for all that may be a key. */
export function redactRelay(url: string): string {
  const { protocol, host, pathname, search, hash } = new URL(url);
  const [first = '', ...rest] = pathname.split('/').slice(1);
  const hidden = rest.join('') !== '' || search !== '' || hash !== '';
  // With one part alone, that part may be the key.
  const shown = rest.length > 0 ? `/${first}` : '';
  return `${protocol}//${host}${shown}${hidden || shown === '' ? '/***' : ''}`;
}
