// From one span of a replay to what each of its parts has to show.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { trimsOf, untrimsOf } from '../../../web/engine/player/trims.ts';

const part = (id: string, startedAtMs: number, trim: { fromMs: number; toMs: number } | null = null) => ({
  id,
  startedAtMs,
  trim,
});
const PARTS = [part('one', 1_000), part('two', 5_000), part('three', 9_000)];
const LATEST = 8.64e15;

test('a replay of one part shows the span', () => {
  const span = { fromMs: 2_000, toMs: 7_000 };
  assert.deepEqual(trimsOf([part('one', 1_000)], span), [{ id: 'one', trim: span }]);
});

test('an end that is not chosen stays where it is', () => {
  const one = [part('one', 1_000)];
  assert.deepEqual(trimsOf(one, { fromMs: null, toMs: 7_000 }), [
    { id: 'one', trim: { fromMs: 1_000, toMs: 7_000 } },
  ]);
  assert.deepEqual(trimsOf(one, { fromMs: 2_000, toMs: null }), [
    { id: 'one', trim: { fromMs: 2_000, toMs: LATEST } },
  ]);
  const cut = [part('one', 1_000, { fromMs: 2_000, toMs: 6_000 })];
  assert.deepEqual(trimsOf(cut, { fromMs: null, toMs: 5_000 }), [
    { id: 'one', trim: { fromMs: 2_000, toMs: 5_000 } },
  ]);
});

test('of several those are cut that an end of the span is in', () => {
  assert.deepEqual(trimsOf(PARTS, { fromMs: 2_000, toMs: 10_000 }), [
    { id: 'one', trim: { fromMs: 2_000, toMs: 5_000 } },
    { id: 'three', trim: { fromMs: 9_000, toMs: 10_000 } },
  ]);
  assert.deepEqual(trimsOf(PARTS, { fromMs: null, toMs: null }), []);
  const cut = [part('one', 1_000, { fromMs: 2_000, toMs: 4_000 }), PARTS[1]!, PARTS[2]!];
  assert.deepEqual(trimsOf(cut, { fromMs: 3_000, toMs: null }), [
    { id: 'one', trim: { fromMs: 3_000, toMs: 4_000 } },
  ]);
});

test('a part of which nothing would be left is not cut', () => {
  assert.throws(() => trimsOf(PARTS, { fromMs: 5_500, toMs: null }), { code: 'conflict' });
  assert.throws(() => trimsOf(PARTS, { fromMs: null, toMs: 8_000 }), { code: 'conflict' });
});

test('all of it again is all of the parts that were cut', () => {
  const cut = [PARTS[0]!, part('two', 5_000, { fromMs: 6_000, toMs: 7_000 })];
  assert.deepEqual(untrimsOf(cut), [{ id: 'two', trim: null }]);
});
