// Which recordings are the parts of one class.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { partsOfReplay, replayName } from '#shared/contract/playback.ts';
import { classesOf, MAX_BREAK_MS, MAX_PARTS, type ReplayPart } from '#shared/domain/replay.ts';

const MINUTE_MS = 60_000;
const T0 = Date.parse('2026-03-02T09:00:00Z');

/** A recording that begins `atMin` minutes after nine and lasts `min` minutes. */
const recording = (id: string, atMin: number, min: number, more: Partial<ReplayPart> = {}): ReplayPart => ({
  id,
  lesson: 'lesson1234',
  startedAtMs: T0 + atMin * MINUTE_MS,
  durationMs: min * MINUTE_MS,
  endedAtMs: T0 + (atMin + min) * MINUTE_MS,
  ...more,
});

const ids = (recordings: readonly ReplayPart[]) =>
  classesOf(recordings).map((parts) => parts.map(({ id }) => id));

test('what goes on after a break is a part of the class, in whatever order the recordings are', () => {
  const parts = [recording('one', 0, 45), recording('two', 60, 30), recording('three', 92, 10)];
  assert.deepEqual(ids(parts), [['one', 'two', 'three']]);
  assert.deepEqual(ids(parts.toReversed()), [['one', 'two', 'three']]);
  assert.deepEqual(ids([]), []);
});

test('a break is at most so long, and counted from the end of a part to the beginning of the next', () => {
  const breakMin = MAX_BREAK_MS / MINUTE_MS;
  const first = recording('one', 0, 45);
  assert.deepEqual(ids([first, recording('two', 45 + breakMin, 30)]), [['one', 'two']]);
  assert.deepEqual(
    ids([
      first,
      recording('two', 45 + breakMin, 30, { startedAtMs: T0 + 45 * MINUTE_MS + MAX_BREAK_MS + 1 }),
    ]),
    [['one'], ['two']],
  );
  // Each follows the one before it, however long the whole gets.
  const day = [0, 1, 2, 3].map((n) => recording(`part${n}`, n * (breakMin + 30), 30));
  assert.equal(ids(day).length, 1);
});

test('what was paused counts to the class, and an end that was heard of late does not', () => {
  // Ten minutes were recorded of a morning, then it was paused until noon.
  const paused = recording('one', 0, 10, { endedAtMs: T0 + 180 * MINUTE_MS });
  assert.deepEqual(ids([paused, recording('two', 300, 30)]), [['one', 'two']]);
  // The school was away, and heard of Monday's end on Wednesday; of another it never did.
  const late = recording('monday', 0, 45, { endedAtMs: T0 + 2 * 1_440 * MINUTE_MS });
  assert.deepEqual(ids([late, recording('tuesday', 1_440, 45)]), [['monday'], ['tuesday']]);
  assert.deepEqual(ids([recording('one', 0, 45, { endedAtMs: null }), recording('two', 60, 30)]), [
    ['one', 'two'],
  ]);
});

test('classes at the same time are apart where they are of different lessons', () => {
  const other = { lesson: 'lesson5678' };
  const mixed = [
    recording('one', 0, 45),
    recording('other1', 10, 45, other),
    recording('two', 60, 30),
    recording('other2', 61, 30, other),
  ];
  assert.deepEqual(ids(mixed), [
    ['one', 'two'],
    ['other1', 'other2'],
  ]);
});

test('a class of very many parts goes on in another replay, and what was in the first stays there', () => {
  const many = Array.from({ length: MAX_PARTS + 2 }, (_, n) => recording(`part${n}`, n * 5, 4));
  const [first, second] = ids(many);
  assert.equal(first?.length, MAX_PARTS);
  assert.deepEqual(second, [`part${MAX_PARTS}`, `part${MAX_PARTS + 1}`]);
  assert.deepEqual(ids(many.slice(0, MAX_PARTS)), [first]);
});

test('the name of a replay says of what it is, and nothing else is such a name', () => {
  const parts = ['recording1', 'recording2'];
  assert.equal(replayName(['recording1']), 'recording1');
  assert.deepEqual(partsOfReplay('recording1'), ['recording1']);
  assert.deepEqual(partsOfReplay(replayName(parts)), parts);
  assert.deepEqual(partsOfReplay(replayName(parts.toReversed())), parts.toReversed());
  const many = Array.from({ length: MAX_PARTS + 1 }, (_, n) => `recording${n}`);
  assert.deepEqual(partsOfReplay(replayName(many.slice(1))), many.slice(1));
  for (const name of [
    ...['', 'parts', 'parts-', 'parts-recording1', 'recording1-recording2', 'parts-recording1-'],
    ...['parts-recording1-recording1', 'parts-recording1-no', 'parts-recording1-recording2.mp4'],
    ...['Parts-recording1-recording2', 'parts--recording1-recording2', replayName(many)],
  ])
    assert.equal(partsOfReplay(name), undefined, name);
  // An address of several begins like that of no single one: who looks at the beginning alone lets nobody in.
  assert.equal(partsOfReplay(/^[a-z0-9]+/.exec(replayName(parts))?.[0] ?? ''), undefined);
});
