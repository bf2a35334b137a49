// Signed playback addresses. The signature covers a resource and everything below it, so that one
// query string serves a playlist, its segments and the FLV of the same channel. A CDN can check it:
//   sign = base64url(HMAC-SHA256(secret, `<action>\n<resource>\n<expires>\n<viewer>`))
// After a lesson's addresses were revoked its epoch is above 0: then `\n<epoch>` follows in the text, and
// `&epoch=` in the query. docs/access.md has it in full, with the MD5 forms that CDNs use.
import { z } from 'zod';
import { MAX_PARTS } from '../domain/replay.ts';
import { RecordingId } from './ids.ts';

/** What a signature permits: to watch the resource, or to publish to it. */
export type PlaybackAction = 'play' | 'publish';

/** `/live/<channel>`, `/replay/<recording>`, or `/replay/parts-<recording>-<recording>` and so on. */
export type PlaybackResource = `/live/${string}` | `/replay/${string}`;

/** How often the addresses of one lesson can be revoked. */
export const MAX_EPOCH = 999_999;

/** Who an address was made for. */
export const Viewer = z.string().regex(/^[A-Za-z0-9_-]{1,40}$/);

/** The query parameters of a signed address. Unknown ones are ignored. */
export const PlaybackQuery = z.object({
  /** When it stops being valid, in seconds since 1970. */
  expires: z
    .string()
    .regex(/^[1-9]\d{0,9}$/)
    .transform(Number),
  sign: z.string().regex(/^[A-Za-z0-9_-]{43}$/),
  /** Who it was made for; may be left out. */
  viewer: Viewer.optional(),
  /** Counts the revocations of the lesson's addresses; left out while there was none. */
  epoch: z
    .string()
    .regex(/^[1-9]\d{0,5}$/)
    .transform(Number)
    .optional(),
});
export type PlaybackQuery = z.infer<typeof PlaybackQuery>;

/** The exact text that is signed. */
export function playbackMessage(
  action: PlaybackAction,
  resource: PlaybackResource,
  expires: number,
  viewer = '',
  epoch = 0,
): string {
  const text = `${action}\n${resource}\n${expires}\n${viewer}`;
  return epoch > 0 ? `${text}\n${epoch}` : text;
}

/** Where each output of a channel is found, relative to the door or to the gateway. */
export const livePaths = (channel: string) => ({
  hls: `/live/${channel}/index.m3u8`,
  dvr: `/live/${channel}/dvr.m3u8`,
  flv: `/live/${channel}.flv`,
  whep: `/whep/${channel}`,
});

/** Shorter than any id, so that no prefix of such an address is that of one recording. */
const JOINED = 'parts';

/** What a replay of `recordings` is called in its address, which a signature covers: it opens these and no others. */
export const replayName = (recordings: readonly string[]): string =>
  recordings.length > 1 ? [JOINED, ...recordings].join('-') : recordings.join('');

/** The recordings that a replay of this name plays, in their order; undefined if there can be none. */
export function partsOfReplay(name: string): readonly string[] | undefined {
  const [head = '', ...rest] = name.split('-');
  const parts = rest.length > 1 && head === JOINED ? rest : [name];
  const isSound = parts.length <= MAX_PARTS && new Set(parts).size === parts.length;
  return isSound && parts.every((part) => RecordingId.safeParse(part).success) ? parts : undefined;
}

/** Where each form of a recording is found; of several that are joined there is `hls` alone. */
export const replayPaths = (recording: string) => ({
  hls: `/replay/${recording}/index.m3u8`,
  mp4: `/replay/${recording}.mp4`,
  flv: `/replay/${recording}.flv`,
  still: `/replay/${recording}/still.jpg`,
});

/** Where one of the files is that a recording was cut into, by its number from 1. */
export const piecePath = (recording: string, number: number, format: 'mp4' | 'flv') =>
  `/replay/${recording}/piece-${number}.${format}`;

/** A small picture of what is shown at second `atS` of `index.m3u8` or `dvr.m3u8`, which lies next to it. */
export const thumbnailFile = (atS: number) => `thumb-${atS}.jpg`;
/** The second that a file name names. */
export function parseThumbnailFile(name: string): number | undefined {
  const atS = /^thumb-(\d{1,6})\.jpg$/.exec(name)?.[1];
  return atS === undefined ? undefined : Number(atS);
}
