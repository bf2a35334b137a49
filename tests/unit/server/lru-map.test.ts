// What is used is kept, and there is an end to it.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { LruMap } from '#shared/lru-map.ts';

test('the entry that was used longest ago is forgotten', () => {
  const map = new LruMap<string, number>(2);
  map.set('a', 1);
  map.set('b', 2);
  assert.equal(map.get('a'), 1);
  map.set('c', 3);
  assert.deepEqual([map.get('a'), map.get('b'), map.get('c')], [1, undefined, 3]);
});

test('an entry that is set again, or was deleted, pushes nothing out', () => {
  const map = new LruMap<string, number>(2);
  map.set('a', 1);
  map.set('b', 2);
  map.set('a', 3);
  assert.deepEqual([map.get('a'), map.get('b')], [3, 2]);
  map.delete('a');
  map.set('c', 4);
  assert.deepEqual([map.get('a'), map.get('b'), map.get('c')], [undefined, 2, 4]);
});

test('entries may differ in size, and as many go as one that is set needs', () => {
  const map = new LruMap<string, string>(6, ({ length }) => length);
  map.set('a', 'xx');
  map.set('b', 'xx');
  map.set('a', 'x');
  map.set('c', 'xxx');
  assert.deepEqual([map.get('a'), map.get('b'), map.get('c')], ['x', 'xx', 'xxx']);
  map.set('d', 'xxx');
  assert.deepEqual(
    ['a', 'b', 'c', 'd'].map((key) => map.get(key)),
    [undefined, undefined, 'xxx', 'xxx'],
  );
  map.delete('c');
  map.set('e', 'xxx');
  assert.equal(map.get('d'), 'xxx');
});
