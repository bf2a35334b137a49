// The signature of a playback address: what it opens, for how long, and what it does not open.
import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { describe, it } from 'node:test';
import { signPlayback } from '#server/playback-sign.ts';
import { checkPlayback } from '../../support/playback.ts';

const SECRET = 'a-secret-that-only-school-and-gateway-know';
const NOW_MS = Date.parse('2026-03-02T09:00:00Z');
const EXPIRES = NOW_MS / 1_000 + 60;
const LIVE = '/live/abcdefgh2345';

const check = (
  query: string,
  more: Partial<{ action: 'play' | 'publish'; resource: typeof LIVE; nowMs: number; secret: string }> = {},
) =>
  checkPlayback(
    more.secret ?? SECRET,
    more.action ?? 'play',
    more.resource ?? LIVE,
    new URLSearchParams(query),
    more.nowMs ?? NOW_MS,
  );

describe('a signed address', () => {
  const query = signPlayback(SECRET, 'play', LIVE, EXPIRES);

  it('is signed as docs/outputs.md says, so that a CDN can check it', () => {
    const sign = createHmac('sha256', SECRET).update(`play\n${LIVE}\n${EXPIRES}\n`).digest('base64url');
    assert.equal(query, `expires=${EXPIRES}&sign=${sign}`);
    const named = createHmac('sha256', SECRET).update(`play\n${LIVE}\n${EXPIRES}\nanna`).digest('base64url');
    assert.equal(
      signPlayback(SECRET, 'play', LIVE, EXPIRES, 'anna'),
      `expires=${EXPIRES}&sign=${named}&viewer=anna`,
    );
  });

  it('is good until it expires, to the second', () => {
    assert.equal(check(query), undefined);
    assert.equal(check(query, { nowMs: EXPIRES * 1_000 }), undefined);
    assert.equal(check(query, { nowMs: EXPIRES * 1_000 + 1 }), 'signature-expired');
  });

  it('says its end in decimal digits alone', () => {
    const sign = new URLSearchParams(query).get('sign');
    const hex = `0x${EXPIRES.toString(16)}`;
    for (const expires of [
      hex,
      `+${EXPIRES}`,
      ` ${EXPIRES}`,
      `${EXPIRES}.0`,
      `0${EXPIRES}`,
      `${EXPIRES / 1_000}e3`,
    ]) {
      const changed = new URLSearchParams({ expires, sign: sign ?? '' }).toString();
      assert.equal(check(changed), 'signature-invalid', expires);
    }
  });

  it('opens nothing else', () => {
    assert.equal(check(query, { resource: '/live/abcdefgh2346' as typeof LIVE }), 'signature-invalid');
    assert.equal(check(query, { resource: '/replay/abcdefgh2345' as typeof LIVE }), 'signature-invalid');
    assert.equal(check(query, { action: 'publish' }), 'signature-invalid');
    assert.equal(check(query, { secret: `${SECRET}x` }), 'signature-invalid');
  });

  it('says everything once: two readers could take two of one for different ones', () => {
    assert.equal(check(`expires=${EXPIRES + 9_999}&${query}`), 'signature-invalid');
    assert.equal(check(`${query}&sign=x`), 'signature-invalid');
    assert.equal(check(`${query}&viewer=anna&viewer=ben`), 'signature-invalid');
    assert.equal(check(`${query}&_HLS_msn=1&other=1&other=2`), undefined);
  });

  it('cannot be altered', () => {
    const sign = new URLSearchParams(query).get('sign') ?? '';
    const named = new URLSearchParams(signPlayback(SECRET, 'play', LIVE, EXPIRES, 'anna'));
    const cases: [string, string | undefined][] = [
      ['', 'signature-missing'],
      [`sign=${sign}`, 'signature-missing'],
      [`expires=${EXPIRES}`, 'signature-missing'],
      [`expires=${EXPIRES + 1}&sign=${sign}`, 'signature-invalid'],
      [`expires=${EXPIRES}&sign=${sign}&viewer=anna`, 'signature-invalid'],
      [`expires=${EXPIRES}&sign=${named.get('sign')}`, 'signature-invalid'],
      [`expires=${EXPIRES}&sign=${named.get('sign')}&viewer=ben`, 'signature-invalid'],
      [`expires=${EXPIRES}&sign=${sign.slice(1)}`, 'signature-invalid'],
      [`expires=${EXPIRES}&sign=${sign}A`, 'signature-invalid'],
      [`expires=${EXPIRES}&sign=`, 'signature-invalid'],
      [`expires=&sign=${sign}`, 'signature-invalid'],
      [`expires=-1&sign=${sign}`, 'signature-invalid'],
      [`expires=never&sign=${sign}`, 'signature-invalid'],
      [`expires=99999999999&sign=${sign}`, 'signature-invalid'],
      [`expires=${EXPIRES}%0Aanna&sign=${sign}`, 'signature-invalid'],
      // What others add, such as a CDN or a player, does no harm.
      [`${query}&_HLS_msn=3&utm_source=x`, undefined],
    ];
    for (const [altered, verdict] of cases) assert.equal(check(altered), verdict, altered);
  });

  it('of one viewer cannot be made to look like another’s by a line break', () => {
    const forged = new URLSearchParams(query);
    forged.set('viewer', 'anna\nben');
    assert.equal(check(forged.toString()), 'signature-invalid');
  });
});
