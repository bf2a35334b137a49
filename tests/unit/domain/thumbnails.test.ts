// At which moments of a class there are thumbnails: as many as are worth it, and the same while it grows.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { thumbnailAtS, thumbnailStepS } from '#shared/domain/thumbnails.ts';

test('a short class has one for every row, a long one no more than can be told apart', () => {
  assert.equal(thumbnailStepS(0), 2);
  assert.equal(thumbnailStepS(512), 2);
  assert.equal(thumbnailStepS(513), 4);
  for (const lengthS of [60, 600, 3_600, 7_200, 36_000, 360_000]) {
    const count = lengthS / thumbnailStepS(lengthS);
    assert.ok(count <= 256 && (count > 128 || lengthS <= 512), `${count} of ${lengthS} s`);
  }
});

test('the moment nearest to where somebody points is taken, within the class', () => {
  assert.equal(thumbnailAtS(10.9, 60), 10);
  assert.equal(thumbnailAtS(11.1, 60), 12);
  assert.equal(thumbnailAtS(-3, 60), 0);
  assert.equal(thumbnailAtS(59.9, 59.9), 58);
  assert.equal(thumbnailAtS(1_000, 7_200), 992);
  assert.equal(thumbnailAtS(5, 0), 0);
});

test('those of a class that grows are there all along, or every other of them', () => {
  const moments = (lengthS: number) => {
    const all = new Set<number>();
    for (let atS = 0; atS <= 496; atS += 1) all.add(thumbnailAtS(atS, lengthS));
    return all;
  };
  const [short, long] = [moments(512), moments(1_500)];
  assert.ok([...long].every((atS) => short.has(atS)));
});
