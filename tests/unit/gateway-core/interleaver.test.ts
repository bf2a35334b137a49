// Sound and picture in one order, whatever way they came by.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { AudioFrame } from '#shared/media/frame.ts';
import { soundConfig } from '../../support/sound-config.ts';
import { Interleaver, type PlacedVideoFrame } from '../../../gateway/channel/interleaver.ts';

const PICTURE_MS = 40;
const SOUND_MS = 20;

/** A source whose time begins at 0: what is captured at `ms` is handed in at `ms` and what its way takes. */
function rig(expected: ('audio' | 'video')[] = ['audio', 'video'], isEncoder = false) {
  const out: string[] = [];
  const late: number[] = [];
  let nowMs = 0;
  let reachedUs = -Infinity;
  const note = (kind: string, ptsUs: number) => {
    out.push(`${kind}${ptsUs / 1_000}`);
    // How far an earlier moment comes behind a later one.
    late.push(Math.max(0, reachedUs - ptsUs) / 1_000);
    reachedUs = Math.max(reachedUs, ptsUs);
  };
  const interleaver = new Interleaver({
    captureMs: (ptsUs) => ptsUs / 1_000,
    onVideo: ({ ptsUs }) => note('v', ptsUs),
    onAudio: ({ ptsUs }) => note('a', ptsUs),
    audioCodec: 'aac',
  });
  interleaver.expect(new Set(expected), isEncoder, 0);
  const picture = (ms: number) => interleaver.queueVideo({ ptsUs: ms * 1_000 } as PlacedVideoFrame, nowMs);
  const sound = (ms: number) =>
    interleaver.queueAudio(
      { ptsUs: ms * 1_000, durationUs: SOUND_MS * 1_000, config: soundConfig('aac') } as AudioFrame,
      nowMs,
    );
  /** Lets everything happen that arrives from `fromMs` up to `untilMs`. */
  const run = (fromMs: number, untilMs: number, arrives: (kind: 'a' | 'v', ms: number) => number) => {
    const all = [
      ...range(0, untilMs, PICTURE_MS).map((ms) => ({ kind: 'v' as const, ms, atMs: arrives('v', ms) })),
      ...range(0, untilMs, SOUND_MS).map((ms) => ({ kind: 'a' as const, ms, atMs: arrives('a', ms) })),
    ].filter(({ atMs }) => atMs >= fromMs && atMs < untilMs);
    all.sort((x, y) => x.atMs - y.atMs);
    for (const { kind, ms, atMs } of all) {
      nowMs = atMs;
      if (kind === 'v') picture(ms);
      else sound(ms);
    }
    nowMs = untilMs;
    interleaver.tick(nowMs);
  };
  return { out, late, run, interleaver };
}

const range = (from: number, to: number, step: number) =>
  Array.from({ length: Math.ceil((to - from) / step) }, (_, index) => from + index * step);
const count = (out: readonly string[], kind: string) => out.filter((one) => one.startsWith(kind)).length;

describe('sound and picture', () => {
  it('are handed on at once where they come as they should', () => {
    const { run, interleaver } = rig();
    run(0, 2_000, (kind, ms) => ms + (kind === 'a' ? 90 : 30));
    // The newest picture is not held, though its sound is not here yet.
    assert.ok(interleaver.releasedUs >= 1_920_000, `${interleaver.releasedUs}`);
  });

  it('have other tracks once the pictures of those before are handed on', () => {
    const { run, out, interleaver } = rig();
    run(0, 400, (kind, ms) => (kind === 'a' ? Infinity : ms));
    interleaver.afterVideo(() => out.push('tracks'));
    assert.ok(!out.includes('tracks'), 'pictures of the tracks before wait for their sound');
    interleaver.tick(Infinity);
    assert.deepEqual(out.slice(-2), ['v360', 'tracks']);
    interleaver.afterVideo(() => out.push('more'));
    assert.equal(out.at(-1), 'more', 'nothing waits, nothing is waited for');
  });

  for (const [late, byMs] of [
    ['a', 600],
    ['a', 2_500],
    ['a', 4_500],
    ['v', 600],
    ['v', 2_500],
    ['v', 4_500],
  ] as const) {
    it(`stay together where ${late === 'a' ? 'sound' : 'picture'} is ${byMs} ms longer on its way`, () => {
      const { run, out, late: behind } = rig();
      // The start of a broadcast waits for both kinds: all that came until then is handed in at once.
      run(0, 12_000, (kind, ms) => Math.max(byMs, ms + (kind === late ? byMs : 20)));
      assert.ok(Math.max(...behind) <= 300, `${Math.max(...behind)} ms apart`);
      assert.ok(count(out, 'a') >= (12_000 - byMs) / SOUND_MS - 1);
    });
  }

  for (const firstKind of ['a', 'v'] as const) {
    it(`are whole and in order after a stall of eight seconds, ${firstKind === 'a' ? 'sound' : 'picture'} first`, () => {
      const { run, out, late } = rig();
      // One kind comes all at once, and the other a little later.
      const backMs = (kind: 'a' | 'v') => (kind === firstKind ? 12_000 : 12_080);
      run(0, 20_000, (kind, ms) => (ms < 4_000 ? ms + 30 : Math.max(ms + 30, backMs(kind))));
      assert.equal(count(out, 'v'), range(0, 19_970, PICTURE_MS).length);
      assert.equal(count(out, 'a'), range(0, 19_970, SOUND_MS).length);
      assert.ok(Math.max(...late) <= 600, `${Math.max(...late)} ms apart`);
    });
  }

  it('are together after a stall of a program whose sound has to be converted', () => {
    const { run, late } = rig(['audio', 'video'], true);
    const backMs = { v: 12_000, a: 14_500 };
    run(0, 20_000, (kind, ms) => (ms < 4_000 ? ms + 30 : Math.max(ms + 30, backMs[kind])));
    assert.ok(Math.max(...late) <= 600, `${Math.max(...late)} ms apart`);
  });

  it('wait a moment for a kind that begins later', () => {
    const { run, out, late, interleaver } = rig(['video']);
    const arrives = (kind: 'a' | 'v', ms: number) => (kind === 'a' ? Math.max(3_900, ms + 400) : ms + 20);
    run(0, 3_100, (kind, ms) => (kind === 'a' ? Infinity : arrives(kind, ms)));
    // It is said that sound is on its way, from 3 s on; it is there 0.8 s later.
    interleaver.expect(new Set(['audio', 'video']), false, 3_100);
    run(3_100, 8_000, (kind, ms) => (kind === 'a' && ms < 3_000 ? Infinity : arrives(kind, ms)));
    assert.ok(count(out, 'a') > 200);
    assert.ok(Math.max(...late) <= 300, `${Math.max(...late)} ms apart`);
  });

  it('do not wait for a kind that nobody sends', () => {
    const { run, interleaver } = rig(['video']);
    run(0, 3_000, (kind, ms) => (kind === 'a' ? Infinity : ms + 20));
    assert.ok(interleaver.releasedUs >= 2_920_000);
  });

  it('do not wait long for a kind that stops, though it should be there', () => {
    const { run, interleaver } = rig();
    run(0, 5_000, (kind, ms) => (kind === 'a' && ms > 2_000 ? Infinity : ms + 20));
    assert.ok(interleaver.releasedUs >= 4_500_000, `${interleaver.releasedUs}`);
  });

  it('are all handed on when the source is gone', () => {
    const { run, out, interleaver } = rig();
    run(0, 4_000, (kind, ms) => (kind === 'a' ? ms + 2_500 : ms + 20));
    interleaver.interrupt();
    assert.equal(count(out, 'v'), range(0, 3_980, PICTURE_MS).length);
  });
});
