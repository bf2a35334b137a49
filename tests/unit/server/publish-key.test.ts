// The key that publishes: what it opens, how it is replaced, and what it does not open.
import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { describe, it } from 'node:test';
import { publishPaths } from '#shared/contract/publish.ts';
import { checkPublishKey, makePublishKey } from '#server/publish-key.ts';
import { redact } from '#server/redact.ts';
import { signPlayback } from '#server/playback-sign.ts';
import { checkPlayback } from '../../support/playback.ts';

const SECRET = 'a-secret-that-only-school-and-gateway-know';
const CHANNEL = 'channel2345';
const LESSON = 'lesson2345';

describe('a stream key', () => {
  const key = makePublishKey(SECRET, CHANNEL, LESSON, 3);
  const check = (given: string, more: { channel?: string; secret?: string; min?: number } = {}) =>
    checkPublishKey(more.secret ?? SECRET, more.channel ?? CHANNEL, given, more.min ?? 0);

  it('is signed as docs/publishing.md says', () => {
    const text = `publish\n/live/${CHANNEL}\n${LESSON}\n3`;
    assert.equal(key, `${LESSON}.3.${createHmac('sha256', SECRET).update(text).digest('base64url')}`);
  });

  it('names the lesson, also when it was pasted with spaces around it', () => {
    assert.deepEqual(check(key), { lesson: LESSON });
    assert.deepEqual(check(` ${key}\n`), { lesson: LESSON });
  });

  it('is good until a newer one is made', () => {
    assert.deepEqual(check(key, { min: 3 }), { lesson: LESSON });
    assert.equal(check(key, { min: 4 }), 'publish-key-invalid');
    assert.deepEqual(check(makePublishKey(SECRET, CHANNEL, LESSON, 4), { min: 4 }), { lesson: LESSON });
  });

  it('opens no other channel, lesson or version, and no other school', () => {
    const sign = key.split('.')[2] ?? '';
    assert.equal(check(key, { channel: 'channel2346' }), 'publish-key-invalid');
    assert.equal(check(key, { secret: `${SECRET}x` }), 'publish-key-invalid');
    const altered = [
      '',
      'key',
      sign,
      `lesson2346.3.${sign}`,
      `${LESSON}.4.${sign}`,
      `${LESSON}.03.${sign}`,
      `${LESSON}.-3.${sign}`,
      `${LESSON}.3.${sign.slice(1)}`,
      `${LESSON}.3.${sign}A`,
      `${LESSON}.3.${sign}.${sign}`,
      `${LESSON}\n.3.${sign}`,
      `${LESSON}.3.${'A'.repeat(43)}`,
      key.repeat(1_000),
    ];
    for (const given of altered) assert.equal(check(given), 'publish-key-invalid', given);
  });

  it('is no playback signature, and no playback signature is a key', () => {
    const query = signPlayback(SECRET, 'publish', `/live/${CHANNEL}`, 9_999_999);
    const sign = new URLSearchParams(query).get('sign') ?? '';
    assert.equal(check(`${LESSON}.9999999.${sign}`), 'publish-key-invalid');
    const forged = new URLSearchParams({ expires: '9999999', sign: key.split('.')[2] ?? '' });
    assert.equal(checkPlayback(SECRET, 'publish', `/live/${CHANNEL}`, forged, 0), 'signature-invalid');
  });

  it('passes through a query unescaped, and stays out of logs', () => {
    const { rtmpStreamKey, webcodecs } = publishPaths(CHANNEL, key);
    const query = new URLSearchParams(rtmpStreamKey.split('?')[1]);
    assert.equal(query.get('key'), key);
    assert.equal(redact(webcodecs), `/publish/${CHANNEL}?key=***`);
  });
});
