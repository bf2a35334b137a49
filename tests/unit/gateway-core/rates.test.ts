// How fast a channel's figures grow.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Rates, type Counts } from '../../../gateway/monitor/rates.ts';

const counts = (over: Partial<Counts> = {}): Counts => ({
  inBytes: 0,
  outBytes: 0,
  videoFrames: 0,
  packets: 0,
  lost: 0,
  slow: 0,
  ...over,
});

test('a channel that just began has no rates yet', () => {
  const rates = new Rates();
  assert.equal(rates.now().inBps, 0);
  rates.update(counts({ inBytes: 1_000_000 }), 0);
  assert.equal(rates.now().inBps, 0, 'what came before the first look is no rate');
});

test('bit rates and pictures are those of the last five seconds', () => {
  const rates = new Rates();
  for (let s = 0; s <= 20; s += 1) {
    // 1 Mbit/s until the tenth second, 3 Mbit/s after.
    const inBytes = s <= 10 ? s * 125_000 : 1_250_000 + (s - 10) * 375_000;
    rates.update(counts({ inBytes, outBytes: inBytes * 2, videoFrames: s * 30 }), s * 1_000);
  }
  const { inBps, outBps, fps } = rates.now();
  assert.deepEqual({ inBps, outBps, fps }, { inBps: 3_000_000, outBps: 6_000_000, fps: 30 });
});

test('losses and slow readers are those of the last half minute, and are forgotten', () => {
  const rates = new Rates();
  for (let s = 0; s <= 10; s += 1)
    rates.update(counts({ packets: s * 90, lost: s * 10, slow: s }), s * 1_000);
  assert.ok(Math.abs(rates.now().lossRatio - 0.1) < 1e-9);
  assert.equal(rates.now().slow, 10);
  for (let s = 11; s <= 45; s += 1)
    rates.update(counts({ packets: 900 + (s - 10) * 90, lost: 100, slow: 10 }), s * 1_000);
  assert.deepEqual([rates.now().lossRatio, rates.now().slow], [0, 0]);
});
