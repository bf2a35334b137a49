import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Calm, LatencyTarget, steer, type View } from '../../../web/engine/player/latency.ts';
import { HandClock } from './hand-player.ts';

const view = (behindS: number, more: Partial<View> = {}): View => ({
  positionS: 100,
  ranges: [{ startS: 90, endS: 100 + behindS }],
  rate: 1,
  waiting: false,
  first: false,
  ...more,
});

test('near the target nothing is done', () => {
  assert.deepEqual(steer(view(0.45), 0.4), { kind: 'rate', rate: 1 });
});

test('behind, it plays faster, never so fast that it is heard', () => {
  for (const behindS of [0.6, 1, 2.5]) {
    const move = steer(view(behindS), 0.4);
    assert.ok(move.kind === 'rate' && move.rate > 1 && move.rate <= 1.1, String(behindS));
  }
});

test('it stays fast until the target is reached, so that the speed does not flutter', () => {
  const move = steer(view(0.45, { rate: 1.05 }), 0.4);
  assert.ok(move.kind === 'rate' && move.rate > 1);
  assert.deepEqual(steer(view(0.39, { rate: 1.05 }), 0.4), { kind: 'rate', rate: 1 });
});

test('far behind, it jumps', () => {
  assert.deepEqual(steer(view(20), 0.5), { kind: 'jump', toS: 119.5 });
});

test('with almost nothing left it slows down a little', () => {
  const move = steer(view(0.05), 0.4);
  assert.ok(move.kind === 'rate' && move.rate < 1);
});

test('a gap in the stream is jumped over, but only once what plays has run out', () => {
  const ranges = [
    { startS: 90, endS: 101 },
    { startS: 102, endS: 102.8 },
  ];
  assert.equal(steer(view(0, { ranges }), 2).kind, 'rate');
  const move = steer(view(0, { ranges, positionS: 101, waiting: true }), 2);
  assert.ok(move.kind === 'jump' && move.toS > 102 && move.toS < 102.8);
});

test('a stream whose clock starts elsewhere is found', () => {
  const move = steer(view(0, { positionS: 0, ranges: [{ startS: 3_600, endS: 3_601 }] }), 0.4);
  assert.ok(move.kind === 'jump' && move.toS >= 3_600);
});

test('without media there is nothing to do', () => {
  assert.deepEqual(steer(view(0, { ranges: [] }), 0.4), { kind: 'rate', rate: 1 });
});

/** Lets `ms` pass in steps of 200 ms, with `leftS` to play at the emptiest moments; returns the target. */
function pass(target: LatencyTarget, fromMs: number, ms: number, leftS: (targetS: number) => number): number {
  let targetS = target.at(fromMs, 1);
  for (let at = 0; at <= ms; at += 200) targetS = target.at(fromMs + at, leftS(targetS));
  return targetS;
}

test('each stall asks for a larger store, quiet minutes give it back, both within bounds', () => {
  const target = new LatencyTarget(0);
  const first = target.at(0, 0.4);
  for (let stall = 0; stall < 50; stall += 1) target.stalled(1_000);
  const most = target.at(1_000, 0.4);
  assert.ok(most > first && most <= 3);
  const smooth = (targetS: number) => targetS - 0.05;
  assert.ok(pass(target, 1_000, 60_000, smooth) < most);
  assert.equal(pass(target, 61_000, 1_000_000, smooth), 0.2);
});

test('a steady network is followed closely within a quarter of a minute', () => {
  const targetS = pass(new LatencyTarget(0), 0, 15_000, (now) => now - 0.05);
  assert.ok(Math.abs(targetS - 0.2) < 1e-9, String(targetS));
});

test('one that brings media in bursts keeps the store that these need', () => {
  const targetS = pass(new LatencyTarget(0), 0, 600_000, (now) => now - 0.2);
  assert.ok(targetS >= 0.3 - 1e-9, String(targetS));
});

/** Plays for `ms` in steps of 200 ms as the player does; returns how far behind it ends, and what it did. */
function playOn(behindS: number, targetS: number, ms: number) {
  let nowS = behindS;
  let rate = 1;
  const rates: number[] = [];
  const jumps: number[] = [];
  for (let passed = 0; passed < ms; passed += 200) {
    const move = steer(view(nowS, { rate, first: passed === 0 }), targetS);
    if (move.kind === 'jump') {
      nowS = 100 + nowS - move.toS;
      jumps.push(passed);
    } else rate = move.rate;
    rates.push(rate);
    nowS -= 0.2 * (rate - 1);
  }
  return { behindS: nowS, rates, jumps };
}

test('whatever a fast start brought, it is at the live edge within five seconds', () => {
  for (const startS of [0.4, 0.7, 0.9, 1.5, 2, 2.9, 6]) {
    const { behindS, rates, jumps } = playOn(startS, 0.4, 5_000);
    assert.ok(behindS <= 0.4 + 0.125, `${startS} s became ${behindS.toFixed(2)} s`);
    assert.ok(rates.every((rate) => rate >= 0.95 && rate <= 1.1));
    assert.ok(
      jumps.every((atMs) => atMs === 0),
      'only where it begins is chosen',
    );
  }
});

test('once it plays there is no jump while it is less than three seconds behind', () => {
  for (const targetS of [0.4, 1, 2.5]) {
    assert.equal(steer(view(2.95), targetS).kind, 'rate');
  }
  assert.equal(steer(view(3.2), 0.4).kind, 'jump');
  // A network that needs a large store is given it.
  assert.equal(steer(view(4), 2.5).kind, 'rate');
});

test('a player that stepped back comes forward thirty seconds after the last stall', () => {
  const clock = new HandClock();
  let restored = 0;
  const calm = new Calm(clock, () => (restored += 1));
  calm.stalled();
  clock.pass(20_000);
  calm.stalled();
  clock.pass(20_000);
  assert.equal(restored, 0);
  clock.pass(10_000);
  assert.equal(restored, 1);
  calm.stalled();
  calm.close();
  assert.equal(clock.pending, 0);
});
