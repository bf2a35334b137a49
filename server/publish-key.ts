// Making and checking the key that publishes to a channel (its form is in shared/contract/publish.ts).
import { createHmac, timingSafeEqual } from 'node:crypto';
import type { ErrorCode } from '#shared/contract/errors.ts';
import { parsePublishKey, publishMessage } from '#shared/contract/publish.ts';

function sign(secret: string, channel: string, lesson: string, version: number): Buffer {
  return createHmac('sha256', secret)
    .update(publishMessage(channel, lesson, version))
    .digest();
}

/** The key of `channel`. `secret` is the playback secret, `version` counts the lesson's keys from 0. */
export function makePublishKey(secret: string, channel: string, lesson: string, version: number): string {
  return `${lesson}.${version}.${sign(secret, channel, lesson, version).toString('base64url')}`;
}

/**
 * Checks `key` for `channel`. Returns the lesson that it publishes to, or why it is refused: a key below
 * `minVersion` was replaced by a newer one, and is as good as a wrong one.
 */
export function checkPublishKey(
  secret: string,
  channel: string,
  key: string,
  minVersion: number,
): { readonly lesson: string } | ErrorCode {
  const parts = parsePublishKey(key);
  if (parts === undefined) return 'publish-key-invalid';
  const { lesson, version } = parts;
  const given = Buffer.from(parts.sign, 'base64url');
  const expected = sign(secret, channel, lesson, version);
  if (given.length !== expected.length || !timingSafeEqual(given, expected)) return 'publish-key-invalid';
  return version < minVersion ? 'publish-key-invalid' : { lesson };
}
