// RTP packets, back in order.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ReorderBuffer } from '../../../gateway/ingest/rtp/reorder.ts';

/** Pushes sequence numbers, 10 ms apart; returns what came out as `number` or `number after lost`. */
function reorder(sequences: readonly number[], waitMs = 100) {
  const out: string[] = [];
  const buffer = new ReorderBuffer<{ sequence: number }>({
    waitMs,
    deliver: ({ sequence }, lost) => out.push(lost > 0 ? `${sequence} after ${lost}` : String(sequence)),
  });
  let nowMs = 0;
  for (const sequence of sequences) {
    buffer.addPacket({ sequence }, nowMs);
    buffer.tick(nowMs);
    nowMs += 10;
  }
  return { out, buffer, nowMs };
}

test('packets in the wrong order come out in the right one', () => {
  assert.deepEqual(reorder([1, 3, 2, 4, 6, 7, 5]).out, ['1', '2', '3', '4', '5', '6', '7']);
});

test('numbers wrap at 2^16, in order and out of it', () => {
  assert.deepEqual(reorder([65_534, 65_535, 0, 1]).out, ['65534', '65535', '0', '1']);
  assert.deepEqual(reorder([65_534, 0, 65_535, 1]).out, ['65534', '65535', '0', '1']);
});

test('of two gaps each is waited for as long as the other', () => {
  const { out, buffer } = reorder([1], 150);
  for (const [sequence, nowMs] of [[3, 0], [5, 100], [2, 140]] as const) buffer.addPacket({ sequence }, nowMs); // prettier-ignore
  buffer.tick(200);
  buffer.addPacket({ sequence: 4 }, 210);
  assert.deepEqual(out, ['1', '2', '3', '4', '5']);
  buffer.addPacket({ sequence: 7 }, 220);
  buffer.tick(380);
  assert.deepEqual(out.slice(5), ['7 after 1']);
});

test('what is missing is waited for, then given up, and too late it is dropped', () => {
  const { out, buffer, nowMs } = reorder([1, 3, 4]);
  assert.deepEqual(out, ['1']);
  buffer.tick(nowMs + 200);
  assert.deepEqual(out, ['1', '3 after 1', '4']);
  buffer.addPacket({ sequence: 2 }, nowMs + 210);
  assert.deepEqual(out.length, 3);
  assert.equal(buffer.late, 1);
  assert.equal(buffer.lost, 1);
});

test('two gaps are each given up at their own time', () => {
  const { out, buffer } = reorder([1, 3]);
  buffer.addPacket({ sequence: 5 }, 60);
  buffer.tick(115);
  assert.deepEqual(out, ['1', '3 after 1']);
  buffer.tick(165);
  assert.deepEqual(out, ['1', '3 after 1', '5 after 1']);
});

test('duplicates come out once', () => {
  const { out, buffer } = reorder([1, 1, 3, 3, 2]);
  assert.deepEqual(out, ['1', '2', '3']);
  assert.equal(buffer.duplicates + buffer.late, 2);
});

test('one packet from far away is not believed, two in a row are', () => {
  const { out, buffer } = reorder([1, 30_000, 2]);
  assert.deepEqual(out, ['1', '2']);
  buffer.addPacket({ sequence: 30_000 }, 100);
  buffer.addPacket({ sequence: 30_001 }, 110);
  buffer.addPacket({ sequence: 30_002 }, 120);
  assert.deepEqual(out, ['1', '2', '30000 after 1', '30001', '30002']);
});
