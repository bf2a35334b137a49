// A publisher's clock, which may do anything, on a timeline that never goes back.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { PublisherClock, Seamless } from '../../../gateway/ingest/publication/clock.ts';

const S = 1_000_000;

describe('the timeline', () => {
  it('begins where time is, and goes on as the publisher says', () => {
    const clock = new PublisherClock();
    assert.equal(clock.map('video', 500 * S, 3 * S), 3 * S);
    assert.equal(clock.map('audio', 500 * S + 7, 3.1 * S), 3 * S + 7);
    assert.equal(clock.map('video', 501 * S, 3.2 * S), 4 * S);
    assert.equal(clock.aheadUs(3.2 * S), 0.8 * S);
  });

  it('goes on after the one before it, though that ran ahead of time', () => {
    const clock = new PublisherClock(9 * S);
    assert.equal(clock.map('video', 0, 8 * S), 9 * S);
  });

  for (const [what, jumpUs] of [
    ['back', -400 * S],
    ['back to zero', -1_000 * S],
    ['ahead', 400 * S],
  ] as const) {
    it(`keeps sound and picture together over a clock that was set ${what}`, () => {
      const clock = new PublisherClock();
      clock.map('video', 1_000 * S, 0);
      clock.map('audio', 1_000 * S, 0);
      const before = clock.map('video', 1_001 * S, S);
      clock.map('audio', 1_001 * S, S);
      // The picture jumps first; sound of the old time is still on its way.
      const video = clock.map('video', 1_001.04 * S + jumpUs, 1.04 * S);
      const old = clock.map('audio', 1_001.02 * S, 1.04 * S);
      const audio = clock.map('audio', 1_001.04 * S + jumpUs, 1.05 * S);
      assert.ok(video > before && video - before < 0.1 * S, `${video - before}`);
      assert.ok(Math.abs(old - 1.02 * S) < 1);
      assert.ok(Math.abs(audio - video) < 1, 'they say the same time, and are put at the same');
      assert.equal(clock.jumps, 1);
    });
  }

  it('does not take a pause for a jump', () => {
    const clock = new PublisherClock();
    clock.map('video', 0, 0);
    assert.equal(clock.map('video', 60 * S, 60 * S), 60 * S);
    assert.equal(clock.jumps, 0);
  });
});

describe('sound', () => {
  it('that is rounded to milliseconds has no seams', () => {
    const seamless = new Seamless();
    const durationUs = 20_000;
    for (let index = 0; index < 5_000; index += 1) {
      const rounded = Math.round((index * 20.0001) / 1) * 1_000;
      assert.equal(seamless.place(rounded, durationUs), index * durationUs);
    }
  });

  it('has its gaps, and leaves out what is too much', () => {
    const seamless = new Seamless();
    assert.equal(seamless.place(0, 20_000), 0);
    assert.equal(seamless.place(60_000, 20_000), 60_000);
    assert.equal(seamless.place(59_000, 20_000), undefined);
    assert.equal(seamless.place(79_000, 20_000), 80_000);
  });

  it('never drifts from its timestamps by more than 20 ms', () => {
    const seamless = new Seamless();
    for (let index = 0; index < 50_000; index += 1) {
      const ptsUs = index * 20_011;
      const atUs = seamless.place(ptsUs, 20_000);
      if (atUs !== undefined) assert.ok(Math.abs(atUs - ptsUs) <= 20_000);
    }
  });

  it('begins behind what was there before it', () => {
    const seamless = new Seamless(50_000);
    assert.equal(seamless.place(40_000, 20_000), undefined);
    assert.equal(seamless.place(60_000, 20_000), 60_000);
  });
});
