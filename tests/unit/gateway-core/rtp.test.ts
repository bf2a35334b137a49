// RTP and RTCP from bytes, and back in order.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isRtcp, parseRtp, peekSsrc } from '../../../gateway/ingest/rtp/packet.ts';
import { ReorderBuffer } from '../../../gateway/ingest/rtp/reorder.ts';
import { pictureLoss, readSenderReports, receiverReport } from '../../../gateway/ingest/rtp/rtcp.ts';

const HEADER = '80e51234' + '00010203' + 'cafebabe';
const hex = (text: string) => Buffer.from(text.replace(/\s/g, ''), 'hex');
/** 2024-01-01T00:00:00.500Z as NTP. */
const NTP = 'e93c7f00' + '80000000';
const UNIX_MS = 1_704_067_200_500;

test('a plain packet', () => {
  const packet = parseRtp(hex(HEADER + 'aabb'));
  assert.ok(packet);
  assert.deepEqual(
    { ...packet, payload: Buffer.from(packet.payload).toString('hex') },
    {
      payloadType: 101,
      marker: true,
      sequence: 0x1234,
      timestamp: 0x00010203,
      ssrc: 0xcafebabe,
      capture: undefined,
      payload: 'aabb',
    },
  );
});

test('padding and contributing sources are not payload', () => {
  const csrc = parseRtp(hex('81' + HEADER.slice(2) + '11111111' + 'aa'));
  assert.equal(csrc && Buffer.from(csrc.payload).toString('hex'), 'aa');
  const padded = parseRtp(hex('a0' + HEADER.slice(2) + 'aa' + '000003'));
  assert.equal(padded && Buffer.from(padded.payload).toString('hex'), 'aa');
  const probe = parseRtp(hex('a0' + HEADER.slice(2) + '00000004'));
  assert.equal(probe?.payload.length, 0);
});

test('the capture time is found in the one-byte form, behind others and padding', () => {
  // Element 1 of 3 bytes, a byte of padding, element 5 of 8 bytes; three more of padding.
  const elements = '12aabbcc' + '00' + '57' + NTP + '0000';
  const packet = parseRtp(hex('90' + HEADER.slice(2) + 'bede0004' + elements + 'ff'), 5);
  assert.deepEqual(packet?.capture, { ntpMs: UNIX_MS, offsetMs: undefined });
  assert.equal(packet?.payload.length, 1);
});

test('the capture time is found in the two-byte form, with its clock offset', () => {
  // -0.25 s in Q32.32.
  const elements = '0100' + '0510' + NTP + 'ffffffffc0000000';
  const packet = parseRtp(hex('90' + HEADER.slice(2) + '10000005' + elements), 5);
  assert.deepEqual(packet?.capture, { ntpMs: UNIX_MS, offsetMs: -250 });
});

test('an extension that says it is longer than it is, is not read beyond its end', () => {
  assert.equal(parseRtp(hex('90' + HEADER.slice(2) + 'bede00ff' + '00'), 5), undefined);
  const cut = parseRtp(hex('90' + HEADER.slice(2) + 'bede0001' + '57aabbcc' + 'ff'), 5);
  assert.equal(cut?.capture, undefined);
  assert.equal(cut?.payload.length, 1);
});

test('rubbish is no packet, whatever its length', () => {
  let state = 1;
  for (let round = 0; round < 20_000; round += 1) {
    const bytes = Buffer.alloc(round % 64);
    for (let i = 0; i < bytes.length; i += 1) {
      state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
      bytes[i] = state >>> 24;
    }
    const packet = parseRtp(bytes, 3);
    if (packet !== undefined) assert.ok(packet.payload.length <= bytes.length - 12);
    assert.ok(readSenderReports(bytes).length <= 2);
  }
  assert.equal(peekSsrc(hex('80')), undefined);
});

test('RTCP is told from RTP by its type', () => {
  assert.ok(isRtcp(hex('80c80006')));
  assert.ok(!isRtcp(hex(HEADER)));
});

test('sender reports are read out of a compound packet', () => {
  const report = '80c80006' + 'cafebabe' + NTP + '00010203' + '00000001' + '00000002';
  const description = '81ca0002' + 'cafebabe' + '00000000';
  const found = readSenderReports(hex(description + report));
  assert.deepEqual(found, [
    { ssrc: 0xcafebabe, ntpMs: UNIX_MS, rtpTimestamp: 0x00010203, compactNtp: 0x7f008000 },
  ]);
  // Cut short, it is not a report.
  assert.deepEqual(readSenderReports(hex(report).subarray(0, 20)), []);
  // A sender without a clock says nothing of use.
  assert.deepEqual(readSenderReports(hex(report.replace(NTP, '0'.repeat(16)))), []);
});

test('a picture loss indication is a compound packet as RFC 4585 has it', () => {
  assert.equal(
    pictureLoss(0x11111111, 0x22222222).toString('hex'),
    '80c90001' + '11111111' + '81ce0002' + '11111111' + '22222222',
  );
});

test('a receiver report carries what it was given, within its fields', () => {
  const report = receiverReport({
    own: 1,
    ssrc: 2,
    fractionLost: 300,
    totalLost: -5,
    highestSequence: 0x1_0001_ffff,
    jitter: 7,
    lastReport: 8,
    sinceLastReport: 9,
  });
  assert.equal(
    report.toString('hex'),
    '81c90007' + '00000001' + '00000002' + 'ff000000' + '0001ffff' + '00000007' + '00000008' + '00000009',
  );
});

/** Pushes sequence numbers, 10 ms apart; returns what came out as `number` or `number after lost`. */
function reorder(sequences: readonly number[], waitMs = 100) {
  const out: string[] = [];
  const buffer = new ReorderBuffer<{ sequence: number }>({
    waitMs,
    deliver: ({ sequence }, lost) => out.push(lost > 0 ? `${sequence} after ${lost}` : String(sequence)),
  });
  let nowMs = 0;
  for (const sequence of sequences) {
    buffer.push({ sequence }, nowMs);
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
  for (const [sequence, nowMs] of [[3, 0], [5, 100], [2, 140]] as const) buffer.push({ sequence }, nowMs); // prettier-ignore
  buffer.tick(200);
  buffer.push({ sequence: 4 }, 210);
  assert.deepEqual(out, ['1', '2', '3', '4', '5']);
  buffer.push({ sequence: 7 }, 220);
  buffer.tick(380);
  assert.deepEqual(out.slice(5), ['7 after 1']);
});

test('what is missing is waited for, then given up, and too late it is dropped', () => {
  const { out, buffer, nowMs } = reorder([1, 3, 4]);
  assert.deepEqual(out, ['1']);
  buffer.tick(nowMs + 200);
  assert.deepEqual(out, ['1', '3 after 1', '4']);
  buffer.push({ sequence: 2 }, nowMs + 210);
  assert.deepEqual(out.length, 3);
  assert.equal(buffer.late, 1);
  assert.equal(buffer.lost, 1);
});

test('two gaps are each given up at their own time', () => {
  const { out, buffer } = reorder([1, 3]);
  buffer.push({ sequence: 5 }, 60);
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
  buffer.push({ sequence: 30_000 }, 100);
  buffer.push({ sequence: 30_001 }, 110);
  buffer.push({ sequence: 30_002 }, 120);
  assert.deepEqual(out, ['1', '2', '30000 after 1', '30001', '30002']);
});
