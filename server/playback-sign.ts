// Making and checking the signature of a playback address (the text is in shared/contract/playback.ts).
import { createHmac, timingSafeEqual } from 'node:crypto';
import {
  PlaybackQuery,
  playbackMessage,
  type PlaybackAction,
  type PlaybackResource,
} from '#shared/contract/playback.ts';
import type { ErrorCode } from '#shared/contract/errors.ts';

function sign(
  secret: string,
  action: PlaybackAction,
  resource: PlaybackResource,
  expires: number,
  viewer?: string,
) {
  return createHmac('sha256', secret)
    .update(playbackMessage(action, resource, expires, viewer))
    .digest();
}

/** The query string (without `?`) that opens `resource` until `expires` (seconds since 1970). */
export function signPlayback(
  secret: string,
  action: PlaybackAction,
  resource: PlaybackResource,
  expires: number,
  viewer?: string,
): string {
  const query = new URLSearchParams({ expires: String(expires) });
  query.set('sign', sign(secret, action, resource, expires, viewer).toString('base64url'));
  if (viewer !== undefined) query.set('viewer', viewer);
  return query.toString();
}

/** Checks a query against `resource`. Returns undefined if it is good, else why it is refused. */
export function checkPlayback(
  secret: string,
  action: PlaybackAction,
  resource: PlaybackResource,
  query: URLSearchParams,
  nowMs: number,
): ErrorCode | undefined {
  if (!query.has('sign') || !query.has('expires')) return 'signature-missing';
  const parsed = PlaybackQuery.safeParse(Object.fromEntries(query));
  if (!parsed.success) return 'signature-invalid';
  const { expires, viewer } = parsed.data;
  const expected = sign(secret, action, resource, expires, viewer);
  const given = Buffer.from(parsed.data.sign, 'base64url');
  if (given.length !== expected.length || !timingSafeEqual(given, expected)) return 'signature-invalid';
  return expires * 1_000 < nowMs ? 'signature-expired' : undefined;
}
