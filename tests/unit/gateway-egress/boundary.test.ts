// Which key frames begin a row.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { RowClock } from '../../../gateway/egress/hls/boundary.ts';

const ms = (value: number) => value * 1_000;

test('a key frame that comes late begins no row that the one it was made of did not begin', () => {
  const row = new RowClock(2, 0, false);
  assert.equal(row.advance(ms(1_800), true), false);
  // The source's own at 1,800 ms came before anybody asked, so it is in the middle of the row.
  assert.equal(row.isOpenToCut(ms(1_800)), false);
  assert.equal(row.advance(ms(1_900), true), true);
  assert.equal(row.isOpenToCut(ms(1_800)), false, 'made of it, it comes now');
  assert.equal(row.isOpenToCut(ms(1_933)), true, 'what was asked for');
});

test('at the boundary every key frame begins the next row, a little before it too', () => {
  const row = new RowClock(2, 0, false);
  row.end(ms(1_000), 'key');
  assert.equal(row.isOpenToCut(ms(1_000)), true);
  assert.equal(row.isOpenToCut(ms(970)), true, 'that of another layer');
  assert.equal(row.isOpenToCut(ms(400)), false, 'that of long before');
});
