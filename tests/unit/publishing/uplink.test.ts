// From access units to RTP and back, and RTCP in both directions.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { NAL, nalType, readAvcc } from '#shared/media/avc.ts';
import type { AvcConfig } from '#shared/media/frame.ts';
import { H264Depacketiser } from '../../../gateway/ingest/rtp/h264.ts';
import { parseRtp } from '../../../gateway/ingest/rtp/packet.ts';
import type { CodedPicture } from '../../../gateway/ingest/rtp/picture.ts';
import { pictureLoss, readSenderReports } from '../../../gateway/ingest/rtp/rtcp.ts';
import {
  MAX_PAYLOAD_BYTES,
  packetiseH264,
  rtpPacket,
  wrap32,
} from '../../../gateway/ingest/uplink/packetise.ts';
import { readWants, senderReport } from '../../../gateway/ingest/uplink/rtcp.ts';

/** x264, constrained baseline 320×180. */
const SPS = Buffer.from('Z0LADdoFBn58BEAAAAMAQAAADyPFCqg=', 'base64');
const PPS = Buffer.from('aM4PyA==', 'base64');
const nal = (head: number, bytes: number) => {
  const made = Buffer.alloc(bytes, bytes & 0xff);
  made[0] = head;
  // first_mb_in_slice 0, an I slice, and picture parameter set 0.
  made[1] = 0xb8;
  return made;
};

function through(nals: readonly Uint8Array[]): CodedPicture<AvcConfig>[] {
  const pictures: CodedPicture<AvcConfig>[] = [];
  const depacketiser = new H264Depacketiser((picture) => pictures.push(picture));
  const payloads = packetiseH264(nals);
  payloads.forEach((payload, index) => {
    assert.ok(payload.length <= MAX_PAYLOAD_BYTES, `${payload.length} bytes`);
    depacketiser.push({ ticks: 0, marker: index === payloads.length - 1, payload }, 0);
  });
  return pictures;
}

describe('an access unit', () => {
  const sizes = [
    2, 3, 100, 1_195, 1_196, 1_197, 1_198, 1_199, 1_200, 1_201, 1_202, 2_398, 2_399, 2_400, 5_000, 300_000,
  ];

  it('of any size comes out of RTP as it went in', () => {
    for (const size of sizes) {
      const idr = nal(0x65, size);
      const [picture, ...more] = through([SPS, PPS, idr]);
      assert.equal(more.length, 0);
      assert.deepEqual(
        readAvcc(picture?.data ?? new Uint8Array()).map((one) => Buffer.from(one)),
        [idr],
        `${size}`,
      );
      assert.ok(picture?.key);
    }
  });

  it('of many slices keeps them in their order', () => {
    const slices = sizes.map((size) => nal(0x65, size));
    const [picture] = through([SPS, PPS, ...slices]);
    assert.deepEqual(
      readAvcc(picture?.data ?? new Uint8Array()).map((one) => one.length),
      sizes,
    );
  });

  it('has its parameter sets before the picture in one packet, as others look for them there', () => {
    const [first] = packetiseH264([SPS, PPS, nal(0x65, 3_000)]);
    assert.equal(nalType(first ?? new Uint8Array()), NAL.stapA);
    assert.equal((first ?? [])[3], SPS[0]);
  });

  it('is not sent at all if there is nothing in it', () => {
    assert.deepEqual(packetiseH264([]), []);
    assert.deepEqual(packetiseH264([new Uint8Array()]), []);
  });
});

describe('a packet', () => {
  it('wraps its sequence number and its time', () => {
    const header = {
      payloadType: 96,
      sequence: 65_536,
      timestamp: 2 ** 32 + 5,
      ssrc: 0xffff_ffff,
      marker: true,
    };
    const packet = parseRtp(rtpPacket(header, Buffer.from([1, 2, 3])));
    assert.deepEqual(
      { ...packet, payload: [...(packet?.payload ?? [])] },
      {
        payloadType: 96,
        marker: true,
        sequence: 0,
        timestamp: 5,
        ssrc: 0xffff_ffff,
        capture: undefined,
        payload: [1, 2, 3],
      },
    );
    assert.equal(wrap32(-1), 2 ** 32 - 1);
  });
});

describe('RTCP', () => {
  it('tells which moment an RTP time is, to the millisecond', () => {
    const wallMs = Date.UTC(2031, 4, 6, 7, 8, 9, 123);
    const [report] = readSenderReports(
      senderReport({ ssrc: 5, wallMs, rtp: 77, packets: 2 ** 33, bytes: 9 }, 'channel123'),
    );
    assert.equal(report?.ssrc, 5);
    assert.equal(report.rtpTimestamp, 77);
    assert.ok(Math.abs(report.ntpMs - wallMs) < 0.01);
  });

  it('is a compound of whole words, whatever the name', () => {
    for (const cname of ['', 'a', 'ab', 'abc', 'abcd', 'channel123']) {
      const packet = senderReport({ ssrc: 5, wallMs: 0, rtp: 0, packets: 0, bytes: 0 }, cname);
      assert.equal(packet.length % 4, 0);
      assert.equal(packet.readUInt16BE(30) * 4 + 4, packet.length - 28);
      assert.equal(packet.at(-1), 0);
    }
  });

  it('asks for a key frame of its stream, by PLI or FIR', () => {
    assert.deepEqual(readWants(pictureLoss(1, 5), 5), { keyframe: true, lost: [] });
    assert.deepEqual(readWants(pictureLoss(1, 5), 6), { keyframe: false, lost: [] });
    const fir = Buffer.alloc(20);
    fir.set([0x84, 206, 0, 4]);
    fir.writeUInt32BE(5, 12);
    assert.ok(readWants(fir, 5).keyframe);
    assert.ok(!readWants(fir, 6).keyframe);
  });

  it('names what was lost: one number, and sixteen behind it', () => {
    const nack = Buffer.alloc(16);
    nack.set([0x81, 205, 0, 3]);
    nack.writeUInt32BE(5, 8);
    nack.writeUInt16BE(65_535, 12);
    nack.writeUInt16BE(0b1000_0000_0000_0001, 14);
    assert.deepEqual(readWants(nack, 5).lost, [65_535, 0, 15]);
    assert.deepEqual(readWants(nack, 6).lost, []);
  });

  it('that is cut short or says nonsense is read as far as it goes', () => {
    const whole = Buffer.concat([pictureLoss(1, 5), pictureLoss(1, 5)]);
    for (let length = 0; length < whole.length; length += 1) readWants(whole.subarray(0, length), 5);
    assert.deepEqual(readWants(Buffer.alloc(400, 0xff), 5), { keyframe: false, lost: [] });
  });
});
