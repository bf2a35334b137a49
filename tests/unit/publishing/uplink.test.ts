// From access units to payloads of RTP and back.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { NAL, nalType, readAvcc } from '#shared/media/avc.ts';
import type { AvcConfig } from '#shared/media/frame.ts';
import { H264Depacketiser } from '../../../gateway/ingest/rtp/h264.ts';
import type { CodedVideoFrame } from '../../../gateway/ingest/rtp/depacketiser.ts';
import { MAX_PAYLOAD_BYTES, packetiseH264 } from '../../../gateway/sfu/packetise.ts';

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

function through(nals: readonly Uint8Array[]): CodedVideoFrame<AvcConfig>[] {
  const pictures: CodedVideoFrame<AvcConfig>[] = [];
  const depacketiser = new H264Depacketiser((picture) => pictures.push(picture));
  const payloads = packetiseH264(nals);
  payloads.forEach((payload, index) => {
    assert.ok(payload.length <= MAX_PAYLOAD_BYTES, `${payload.length} bytes`);
    depacketiser.addPacket({ ticks: 0, marker: index === payloads.length - 1, payload }, 0);
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
