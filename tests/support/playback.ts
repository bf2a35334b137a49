// The verdict on a playback address, for tests of those who make one.
import type { ErrorCode } from '#shared/contract/errors.ts';
import type { PlaybackAction, PlaybackResource } from '#shared/contract/playback.ts';
import { readPlayback } from '#server/playback-sign.ts';

/** Undefined if the address is good, else why it is refused; below `minEpoch` it was revoked, as good as forged. */
export function checkPlayback(
  secret: string,
  action: PlaybackAction,
  resource: PlaybackResource,
  query: URLSearchParams,
  nowMs: number,
  minEpoch = 0,
): ErrorCode | undefined {
  const found = readPlayback(secret, action, resource, query, nowMs);
  if (typeof found === 'string') return found;
  return found.epoch < minEpoch ? 'signature-invalid' : undefined;
}
