// Sound on the timeline: every sample in its place, silence where there is none, nobody waited for long.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BLOCK_SAMPLES, TimelineMixer } from '../../../gateway/audio/mixer.ts';

const PACKET = 960;
const MS = 48;

const constant = (value: number, count = PACKET) => new Float32Array(count).fill(value);

/** Takes all that is due and returns the left channel with where it begins. */
function drain(mixer: TimelineMixer, now?: number): { start: number | undefined; left: number[] } {
  const out = new Float32Array(BLOCK_SAMPLES * 2);
  let start: number | undefined;
  const left: number[] = [];
  for (;;) {
    const position = mixer.take(now, out);
    if (position === undefined) return { start, left };
    start ??= position;
    assert.equal(position, start + left.length, 'blocks follow each other');
    for (let i = 0; i < BLOCK_SAMPLES; i += 1) left.push(out[2 * i] ?? 0);
  }
}

function add(mixer: TimelineMixer, id: string, position: number, value: number): void {
  mixer.add(id, position, constant(value), constant(value), PACKET);
}

/** Positions of samples that differ from `value` by more than a thousandth. */
const others = (left: readonly number[], value: number) =>
  left.flatMap((sample, index) => (Math.abs(sample - value) > 0.001 ? [index] : []));

test('before the first sound nothing comes, however late it is', () => {
  const mixer = new TimelineMixer();
  assert.deepEqual(drain(mixer, 1_000_000).left, []);
  add(mixer, 'mic', 480_000, 0.5);
  add(mixer, 'mic', 480_960, 0.5);
  assert.equal(drain(mixer).start, 480_000);
});

test('packets that jitter by a few ms make one seamless sound', () => {
  const mixer = new TimelineMixer();
  const jitter = [0, 5, -7, 3, 9, -9, 0, 4, -4, 8];
  for (let packet = 0; packet < 50; packet += 1) {
    add(mixer, 'mic', packet * PACKET + (jitter[packet % 10] ?? 0) * MS, 0.5);
  }
  const { left } = drain(mixer);
  assert.ok(left.length > 40 * PACKET);
  assert.deepEqual(others(left.slice(MS), 0.5), [], 'no gap and no overlap behind the fade-in');
});

test('two sources are added, each where it belongs', () => {
  const mixer = new TimelineMixer();
  for (let packet = 0; packet < 10; packet += 1) {
    add(mixer, 'mic', packet * PACKET, 0.25);
    add(mixer, 'screen', packet * PACKET + 480, 0.5);
  }
  const { left } = drain(mixer);
  assert.deepEqual(others(left.slice(MS, 480), 0.25), []);
  assert.deepEqual(others(left.slice(480 + MS, 9_000), 0.75), []);
});

test('what two loud sources make together is clipped, not wrapped', () => {
  const mixer = new TimelineMixer();
  for (let packet = 0; packet < 5; packet += 1) {
    add(mixer, 'mic', packet * PACKET, 0.9);
    add(mixer, 'screen', packet * PACKET, 0.9);
  }
  assert.ok(drain(mixer).left.every((sample) => sample <= 1));
});

test('the silence that DTX and losses leave is as long as it was', () => {
  const mixer = new TimelineMixer();
  add(mixer, 'mic', 0, 0.5);
  add(mixer, 'mic', PACKET * 20, 0.5);
  add(mixer, 'mic', PACKET * 21, 0.5);
  const { left } = drain(mixer);
  assert.deepEqual(others(left.slice(PACKET, PACKET * 20), 0), []);
  assert.deepEqual(others(left.slice(PACKET * 20 + MS, PACKET * 21), 0.5), []);
});

test('a source that falls silent holds the others up by 120 ms at most', () => {
  const mixer = new TimelineMixer();
  add(mixer, 'screen', 0, 0.5);
  for (let packet = 0; packet < 50; packet += 1) add(mixer, 'mic', packet * PACKET, 0.25);
  const now = 50 * PACKET;
  const { left } = drain(mixer, now);
  assert.ok(now - left.length <= 120 * MS + BLOCK_SAMPLES, `${(now - left.length) / MS} ms behind`);
  assert.ok(now - left.length >= 100 * MS);
});

test('a source that is removed is not waited for', () => {
  const mixer = new TimelineMixer();
  add(mixer, 'screen', 0, 0.5);
  for (let packet = 0; packet < 10; packet += 1) add(mixer, 'mic', packet * PACKET, 0.25);
  assert.equal(drain(mixer).left.length, 0);
  mixer.remove('screen');
  assert.equal(drain(mixer).left.length, Math.floor((10 * PACKET) / BLOCK_SAMPLES) * BLOCK_SAMPLES);
});

test('when all are silent the sound goes on as silence, and stands still when the timeline does', () => {
  const mixer = new TimelineMixer();
  add(mixer, 'mic', 0, 0.5);
  mixer.remove('mic');
  assert.equal(drain(mixer, undefined).left.length, 0);
  const { left } = drain(mixer, 48_000);
  assert.ok(left.length > 30_000 && left.length < 48_000);
  assert.deepEqual(others(left.slice(PACKET), 0), []);
});

test('what comes too late is left out without harm to what follows', () => {
  const mixer = new TimelineMixer();
  add(mixer, 'mic', 0, 0.5);
  const taken = drain(mixer, 48_000).left.length;
  add(mixer, 'mic', PACKET, 0.5);
  add(mixer, 'mic', 48_000, 0.5);
  const { start, left } = drain(mixer, 96_000);
  assert.equal(start, taken);
  assert.deepEqual(others(left.slice(0, 48_000 - taken), 0), []);
});

test('a source whose clock is fast is brought back in time without a gap', () => {
  const mixer = new TimelineMixer();
  // 500 ppm: its packets come a little further apart on the timeline than they are long.
  const packets = 3_000;
  let taken = 0;
  let silent = 0;
  for (let packet = 0; packet < packets; packet += 1) {
    add(mixer, 'mic', packet * PACKET * 1.0005, 0.5);
    const { left } = drain(mixer);
    silent += others(taken === 0 ? left.slice(MS) : left, 0.5).length;
    taken += left.length;
  }
  assert.equal(silent, 0);
  const driftMs = (packets * PACKET * 1.0005 - taken) / MS;
  assert.ok(driftMs < 30, `${driftMs} ms behind after a minute; without correction it were 30 and a block`);
  assert.ok(taken > packets * PACKET + 24 * MS - BLOCK_SAMPLES, 'time was stretched');
});

test('positions far beyond 2^31 samples are nothing special', () => {
  const mixer = new TimelineMixer();
  const start = 2 ** 33;
  for (let packet = 0; packet < 5; packet += 1) add(mixer, 'mic', start + packet * PACKET, 0.5);
  const { start: from, left } = drain(mixer);
  assert.equal(from, start);
  assert.deepEqual(others(left.slice(MS), 0.5), []);
});
