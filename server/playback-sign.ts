// Making and checking the signature of a playback address (the text is in shared/contract/playback.ts).
import { createHmac, timingSafeEqual } from 'node:crypto';
import {
  PlaybackQuery,
  playbackMessage,
  type PlaybackAction,
  type PlaybackResource,
} from '#shared/contract/playback.ts';

function sign(
  secret: string,
  action: PlaybackAction,
  resource: PlaybackResource,
  expires: number,
  viewer?: string,
  epoch = 0,
) {
  return createHmac('sha256', secret)
    .update(playbackMessage(action, resource, expires, viewer, epoch))
    .digest();
}

/**
 * The query string (without `?`) that opens `resource` until `expires` (seconds since 1970), or until the
 * addresses of `epoch` are revoked.
 */
export function signPlayback(
  secret: string,
  action: PlaybackAction,
  resource: PlaybackResource,
  expires: number,
  viewer?: string,
  epoch = 0,
): string {
  const query = new URLSearchParams({ expires: String(expires) });
  query.set('sign', sign(secret, action, resource, expires, viewer, epoch).toString('base64url'));
  if (viewer !== undefined) query.set('viewer', viewer);
  if (epoch > 0) query.set('epoch', String(epoch));
  return query.toString();
}

/** A parameter that is there twice means one thing to one reader and another to the next (a CDN, a proxy). */
export const isRepeated = (query: URLSearchParams, names: readonly string[]): boolean =>
  names.some((name) => query.getAll(name).length > 1);

/** When a signature ends, in seconds since 1970, its epoch and whom it was made for; or why it is refused. */
export type SignCheck =
  | { readonly expires: number; readonly epoch: number; readonly viewer?: string | undefined }
  | 'signature-missing'
  | 'signature-invalid'
  | 'signature-expired';

/** Checks a query against `resource`, and reads what was signed. */
export function readPlayback(
  secret: string,
  action: PlaybackAction,
  resource: PlaybackResource,
  query: URLSearchParams,
  nowMs: number,
): SignCheck {
  if (!query.has('sign') || !query.has('expires')) return 'signature-missing';
  if (isRepeated(query, Object.keys(PlaybackQuery.shape))) return 'signature-invalid';
  const parsed = PlaybackQuery.safeParse(Object.fromEntries(query));
  if (!parsed.success) return 'signature-invalid';
  const { expires, viewer, epoch = 0 } = parsed.data;
  const expected = sign(secret, action, resource, expires, viewer, epoch);
  const given = Buffer.from(parsed.data.sign, 'base64url');
  if (given.length !== expected.length || !timingSafeEqual(given, expected)) return 'signature-invalid';
  return expires * 1_000 < nowMs ? 'signature-expired' : { expires, epoch, viewer };
}
