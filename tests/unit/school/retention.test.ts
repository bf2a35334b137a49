// Which recordings go, and when.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fateOf, goingOf, type Keepable } from '../../../school/recordings/retention.ts';

const DAY_MS = 86_400_000;
const NOW_MS = 100 * DAY_MS;
const recording = (id: string, daysAgo: number, more: Partial<Keepable> = {}): Keepable => ({
  id,
  state: 'ready',
  startedAtMs: NOW_MS - daysAgo * DAY_MS - 1_000,
  endedAtMs: NOW_MS - daysAgo * DAY_MS,
  bytes: 10,
  isKept: 0,
  ...more,
});
const going = (limits: { maxDays?: number; maxBytes?: number }, ...recordings: Keepable[]) =>
  goingOf(recordings, { maxDays: null, maxBytes: null, ...limits }, NOW_MS).map(
    ({ recording: { id }, goesAtMs: atMs }) => `${id} ${(atMs - NOW_MS) / DAY_MS}`,
  );

test('nothing goes where there is no limit', () => {
  assert.deepEqual(going({}, recording('old', 99)), []);
  const limits = { maxDays: null, maxBytes: null };
  assert.deepEqual(fateOf(recording('old', 99), limits), { mayGo: false, goesAtMs: null });
  assert.deepEqual(fateOf(recording('old', 99), { ...limits, maxBytes: 5 }), { mayGo: true, goesAtMs: null });
  const kept = recording('kept', 99, { isKept: 1 });
  assert.deepEqual(fateOf(kept, { maxDays: 1, maxBytes: 5 }), { mayGo: false, goesAtMs: null });
});

test('after its days, the soonest first, but for what is kept or not finished', () => {
  const all = [
    recording('young', 1),
    recording('due', 31),
    recording('kept', 40, { isKept: 1 }),
    recording('writing', 50, { state: 'writing', endedAtMs: null }),
    recording('failed', 35, { state: 'failed' }),
    recording('soon', 29),
  ];
  assert.deepEqual(going({ maxDays: 30 }, ...all), ['failed -5', 'due -1', 'soon 1', 'young 29']);
});

test('of too many bytes the oldest go at once, as many as it takes', () => {
  const all = [recording('a', 1), recording('b', 2), recording('c', 3), recording('d', 4)];
  assert.deepEqual(going({ maxBytes: 25 }, ...all), ['d 0', 'c 0']);
  assert.deepEqual(going({ maxBytes: 40 }, ...all), []);
});

test('what is kept takes nothing of the limit, and what goes for its days makes room', () => {
  assert.deepEqual(
    going({ maxBytes: 15 }, recording('kept', 1, { isKept: 1, bytes: 99 }), recording('old', 2)),
    [],
  );
  assert.deepEqual(going({ maxBytes: 15, maxDays: 2 }, recording('new', 1), recording('old', 3)), [
    'old -1',
    'new 1',
  ]);
});

test('however much there is, there is a day to keep it', () => {
  assert.deepEqual(going({ maxBytes: 5 }, recording('new', 0.25), recording('old', 2)), [
    'old 0',
    'new 0.75',
  ]);
});
