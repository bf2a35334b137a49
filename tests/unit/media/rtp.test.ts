// RTP and RTCP from bytes, and to bytes.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  isRtcp,
  readFeedback,
  readSenderReports,
  writePictureLoss,
  writeReceiverReport,
  writeSenderReport,
} from '#shared/media/rtcp.ts';
import { parseRtp, peekSsrc, readCaptureTime, RTP_HEADER_BYTES, writeRtp } from '#shared/media/rtp.ts';

const HEADER = '80e51234' + '00010203' + 'cafebabe';
const hex = (text: string) => Buffer.from(text.replace(/\s/g, ''), 'hex');
const inHex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex');
/** What a packet says of when it was captured. */
const capture = (bytes: Buffer, id: number) => {
  const { extension } = parseRtp(bytes, id) ?? assert.fail();
  return extension && readCaptureTime(extension);
};
/** 2024-01-01T00:00:00.500Z as NTP. */
const NTP = 'e93c7f00' + '80000000';
const UNIX_MS = 1_704_067_200_500;

test('a plain packet', () => {
  const packet = parseRtp(hex(HEADER + 'aabb'));
  assert.ok(packet);
  assert.deepEqual(
    { ...packet, payload: inHex(packet.payload) },
    {
      payloadType: 101,
      marker: true,
      sequence: 0x1234,
      timestamp: 0x00010203,
      ssrc: 0xcafebabe,
      extension: undefined,
      payload: 'aabb',
    },
  );
});

test('padding and contributing sources are not payload', () => {
  const csrc = parseRtp(hex('81' + HEADER.slice(2) + '11111111' + 'aa'));
  assert.equal(csrc && inHex(csrc.payload), 'aa');
  const padded = parseRtp(hex('a0' + HEADER.slice(2) + 'aa' + '000003'));
  assert.equal(padded && inHex(padded.payload), 'aa');
  const probe = parseRtp(hex('a0' + HEADER.slice(2) + '00000004'));
  assert.equal(probe?.payload.length, 0);
});

test('the capture time is found in the one-byte form, behind others and padding', () => {
  // Element 1 of 3 bytes, a byte of padding, element 5 of 8 bytes; three more of padding.
  const elements = '12aabbcc' + '00' + '57' + NTP + '0000';
  const packet = hex('90' + HEADER.slice(2) + 'bede0004' + elements + 'ff');
  assert.deepEqual(capture(packet, 5), { ntpMs: UNIX_MS, offsetMs: undefined });
  assert.equal(parseRtp(packet, 5)?.payload.length, 1);
  assert.equal(capture(packet, 1), undefined, 'no time is three bytes long');
});

test('the capture time is found in the two-byte form, with its clock offset', () => {
  // -0.25 s in Q32.32.
  const elements = '0100' + '0510' + NTP + 'ffffffffc0000000';
  const packet = hex('90' + HEADER.slice(2) + '10000005' + elements);
  assert.deepEqual(capture(packet, 5), { ntpMs: UNIX_MS, offsetMs: -250 });
});

test('an extension that says it is longer than it is, is not read beyond its end', () => {
  assert.equal(parseRtp(hex('90' + HEADER.slice(2) + 'bede00ff' + '00'), 5), undefined);
  const cut = parseRtp(hex('90' + HEADER.slice(2) + 'bede0001' + '57aabbcc' + 'ff'), 5);
  assert.equal(cut?.extension, undefined);
  assert.equal(cut?.payload.length, 1);
});

test('malformed data is no packet, whatever its length', () => {
  let state = 1;
  for (let round = 0; round < 20_000; round += 1) {
    const bytes = Buffer.alloc(round % 64);
    for (let i = 0; i < bytes.length; i += 1) {
      state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
      bytes[i] = state >>> 24;
    }
    const packet = parseRtp(bytes, 3);
    if (packet?.extension !== undefined) readCaptureTime(packet.extension);
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
    inHex(writePictureLoss(0x11111111, 0x22222222)),
    '80c90001' + '11111111' + '81ce0002' + '11111111' + '22222222',
  );
});

test('a receiver report carries what it was given, within its fields', () => {
  const report = writeReceiverReport({
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
    inHex(report),
    '81c90007' + '00000001' + '00000002' + 'ff000000' + '0001ffff' + '00000007' + '00000008' + '00000009',
  );
});

test('a packet wraps its sequence number and its time', () => {
  const header = {
    payloadType: 96,
    sequence: 65_536,
    timestamp: 2 ** 32 + 5,
    ssrc: 0xffff_ffff,
    marker: true,
  };
  const written = writeRtp(Buffer.alloc(RTP_HEADER_BYTES + 3), header, Buffer.from([1, 2, 3]));
  const packet = parseRtp(written);
  assert.deepEqual(
    { ...packet, payload: [...(packet?.payload ?? [])] },
    {
      payloadType: 96,
      marker: true,
      sequence: 0,
      timestamp: 5,
      ssrc: 0xffff_ffff,
      extension: undefined,
      payload: [1, 2, 3],
    },
  );
  const early = writeRtp(Buffer.alloc(RTP_HEADER_BYTES), { ...header, timestamp: -1 }, new Uint8Array());
  assert.equal(parseRtp(early)?.timestamp, 2 ** 32 - 1);
});

test('a sender report tells which moment an RTP time is, to the millisecond', () => {
  const wallMs = Date.UTC(2031, 4, 6, 7, 8, 9, 123);
  const [report] = readSenderReports(
    writeSenderReport({ ssrc: 5, ntpMs: wallMs, rtpTimestamp: 77, packets: 2 ** 33, bytes: 9 }, 'channel123'),
  );
  assert.equal(report?.ssrc, 5);
  assert.equal(report.rtpTimestamp, 77);
  assert.ok(Math.abs(report.ntpMs - wallMs) < 0.01);
});

test('a sender report is a compound of whole words, whatever the name', () => {
  for (const cname of ['', 'a', 'ab', 'abc', 'abcd', 'channel123']) {
    const packet = Buffer.from(
      writeSenderReport({ ssrc: 5, ntpMs: 0, rtpTimestamp: 0, packets: 0, bytes: 0 }, cname),
    );
    assert.equal(packet.length % 4, 0);
    assert.equal(packet.readUInt16BE(30) * 4 + 4, packet.length - 28);
    assert.equal(packet.at(-1), 0);
  }
});

test('feedback asks for a key frame of its stream, by PLI or FIR', () => {
  assert.deepEqual(readFeedback(writePictureLoss(1, 5), 5), { keyframe: true, lost: [] });
  assert.deepEqual(readFeedback(writePictureLoss(1, 5), 6), { keyframe: false, lost: [] });
  const fir = Buffer.alloc(20);
  fir.set([0x84, 206, 0, 4]);
  fir.writeUInt32BE(5, 12);
  assert.ok(readFeedback(fir, 5).keyframe);
  assert.ok(!readFeedback(fir, 6).keyframe);
});

test('feedback names what was lost: one number, and sixteen behind it', () => {
  const nack = Buffer.alloc(16);
  nack.set([0x81, 205, 0, 3]);
  nack.writeUInt32BE(5, 8);
  nack.writeUInt16BE(65_535, 12);
  nack.writeUInt16BE(0b1000_0000_0000_0001, 14);
  assert.deepEqual(readFeedback(nack, 5).lost, [65_535, 0, 15]);
  assert.deepEqual(readFeedback(nack, 6).lost, []);
});

test('feedback that is cut short or says nonsense is read as far as it goes', () => {
  const whole = Buffer.concat([writePictureLoss(1, 5), writePictureLoss(1, 5)]);
  for (let length = 0; length < whole.length; length += 1) readFeedback(whole.subarray(0, length), 5);
  assert.deepEqual(readFeedback(Buffer.alloc(400, 0xff), 5), { keyframe: false, lost: [] });
});

test('a packet is read with its extensions and padding, and written without', () => {
  const header = { payloadType: 96, marker: true, sequence: 7, timestamp: 8, ssrc: 9 };
  const written = writeRtp(Buffer.alloc(RTP_HEADER_BYTES + 7), header, Buffer.from('payload'));
  assert.equal(written.readUInt8(1), 0x80 | 96);
  assert.equal(written.readUInt32BE(8), 9);
  const { payload, sequence, timestamp, marker } = parseRtp(written) ?? assert.fail();
  assert.deepEqual([payload.toString(), sequence, timestamp, marker], ['payload', 7, 8, true]);

  const extended = Buffer.concat([
    Buffer.from([0xb0, 111, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3]),
    Buffer.from([0xbe, 0xde, 0, 1, 0xa0, 0x85, 0, 0]),
    Buffer.from('voice'),
    Buffer.from([0, 0, 3]),
  ]);
  const voice = parseRtp(extended, 10) ?? assert.fail();
  assert.equal(voice.payload.toString(), 'voice');
  assert.equal(voice.extension?.[0], 0x85);
});

test('a packet that is cut off is none, at whatever place', () => {
  const whole = Buffer.from([0xb0, 111, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3, 0xbe, 0xde, 0, 1, 0xa0, 5, 0, 0, 1]);
  for (let length = 0; length < 16; length += 1) assert.equal(parseRtp(whole.subarray(0, length)), undefined);
  for (let byte = 0; byte < 256; byte += 1) parseRtp(Buffer.alloc(40, byte), byte);
});

test('a key frame is asked for behind a report', () => {
  const report = Buffer.from(
    writeSenderReport({ ssrc: 5, ntpMs: 1_000, rtpTimestamp: 42, packets: 0, bytes: 0 }, 'programme'),
  );
  assert.equal(report.readUInt32BE(8), 2_208_988_801);
  assert.equal(report.readUInt32BE(16), 42);
  assert.equal(readFeedback(report, 2).keyframe, false);
  const pli = Buffer.from([0x81, 206, 0, 2, 0, 0, 0, 1, 0, 0, 0, 2]);
  assert.equal(readFeedback(Buffer.concat([report, pli]), 2).keyframe, true);
  assert.equal(readFeedback(Buffer.from([1, 2, 3]), 2).keyframe, false);
});
