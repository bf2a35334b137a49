// Parameter sets by their numbers, as real encoders make them.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { test } from 'node:test';
import {
  avcConfig,
  displaySize,
  hasStartCode,
  NAL,
  nalType,
  parsePpsHead,
  parseSliceHead,
  parseSps,
  splitAnnexB,
  writeAvcc,
} from '#shared/media/avc.ts';
import { firstSlice, ParameterSets } from '#shared/media/avc-sets.ts';
import { MalformedError } from '#shared/media/bytes.ts';
import { H264Depacketiser } from '../../../gateway/ingest/rtp/h264.ts';
import type { CodedVideoFrame } from '../../../gateway/ingest/rtp/depacketiser.ts';
import { packetiseH264 } from '../../../gateway/sfu/packetise.ts';
import type { AvcConfig } from '#shared/media/frame.ts';

interface Encoded {
  readonly sps: Uint8Array;
  readonly pps: Uint8Array;
  readonly idr: Uint8Array;
  readonly other: Uint8Array;
}

/** Two pictures of x264 with parameter sets of number `id`. */
function encode(size: string, id: number, more = ''): Encoded {
  const args = `-v error -f lavfi -i testsrc2=size=${size}:rate=25 -frames:v 2 -c:v libx264 -preset ultrafast -bf 0 ${more}`;
  const params = ['-x264-params', `sps-id=${id}:keyint=50`, '-f', 'h264', 'pipe:1'];
  const nals = splitAnnexB(execFileSync('ffmpeg', [...args.trim().split(/\s+/), ...params]));
  const [sps, pps, idr, other] = [NAL.sps, NAL.pps, NAL.idr, NAL.slice].map((type) =>
    nals.find((nal) => nalType(nal) === type),
  );
  assert.ok(sps && pps && idr && other);
  return { sps, pps, idr, other };
}

const first = encode('320x180', 0);
const second = encode('320x180', 1, '-profile:v main');
const larger = encode('640x360', 2);

test('numbers are read of parameter sets and of slices', () => {
  assert.equal(parseSps(second.sps).id, 1);
  assert.deepEqual(parsePpsHead(second.pps), { id: 1, sps: 1 });
  assert.deepEqual(parseSliceHead(second.idr), { type: 'I', pps: 1 });
  assert.deepEqual(parseSliceHead(first.other), { type: 'P', pps: 0 });
});

test('a picture is described by the sets that it names; players hear of another shape alone', () => {
  const sets = new ParameterSets();
  for (const { sps, pps } of [first, second, larger]) {
    assert.ok(sets.add(sps));
    assert.ok(sets.add(pps));
    assert.equal(sets.add(sps), false);
  }
  const config = sets.configFor(first.idr);
  assert.equal(config?.width, 320);
  assert.equal(config.sets.length, 6, 'a decoder gets all of them');
  assert.equal(sets.configFor(second.idr), config);
  const large = sets.configFor(larger.idr);
  assert.equal(large?.width, 640);
  assert.equal(sets.configFor(first.idr), config, 'the same object when it comes back');
  // One of the same number takes the place of the other.
  const tall = encode('320x240', 0);
  sets.add(tall.sps);
  sets.add(tall.pps);
  assert.equal(sets.configFor(tall.idr)?.height, 240);
});

test('a picture whose sets did not come has no description', () => {
  const sets = new ParameterSets(avcConfig(first.sps, first.pps));
  assert.equal(sets.configFor(second.idr), undefined);
  sets.add(second.pps);
  assert.equal(sets.configFor(second.idr), undefined);
});

test('however many sets are sent, they are bounded', () => {
  const sets = new ParameterSets();
  for (let id = 0; id < 2_000; id += 1) {
    const pps = new Uint8Array(3_000).fill(id & 0xff);
    pps.set([0x68, 0xce, id >> 8, id & 0xff]);
    sets.add(pps);
  }
  sets.add(first.sps);
  sets.add(first.pps);
  assert.ok((sets.configFor(first.idr)?.record.length ?? Infinity) < 70_000);
  assert.throws(() => sets.add(new Uint8Array(5_000).fill(0x67)), MalformedError);
});

test('over RTP several sets arrive, and one that changes between key frames stands before its picture', () => {
  const pictures: CodedVideoFrame<AvcConfig>[] = [];
  const depacketiser = new H264Depacketiser((picture) => pictures.push(picture));
  let ticks = 0;
  const send = (...nals: Uint8Array[]) => {
    ticks += 3_600;
    const payloads = packetiseH264(nals);
    payloads.forEach((payload, at) =>
      depacketiser.addPacket({ ticks, marker: at === payloads.length - 1, payload }, 0),
    );
  };
  send(first.sps, second.sps, first.pps, second.pps, first.idr);
  send(second.idr);
  // A picture parameter set may change before any picture.
  const changed = Uint8Array.from([...first.pps, 0x80]);
  send(changed, first.other);
  send(first.other);
  assert.equal(pictures.length, 4);
  assert.equal(pictures[0]?.config.sets.length, 4);
  assert.ok(pictures.every(({ config }) => config === pictures[0]?.config));
  assert.deepEqual(pictures[2]?.data, Buffer.from(writeAvcc([changed, first.other])));
  assert.deepEqual(pictures[3]?.data, Buffer.from(writeAvcc([first.other])));
  // What it was not described by is not given out.
  send(larger.idr);
  assert.equal(pictures.length, 4);
  assert.ok(depacketiser.needsKey);
});

test('a picture that is stretched has its size from the shape of its pixels', () => {
  const wide = encode('720x576', 0, '-vf setsar=64/45');
  const config = avcConfig(wide.sps, wide.pps);
  assert.deepEqual(config.pixelAspect, [64, 45]);
  assert.deepEqual(displaySize(config), { width: 1_024, height: 576 });
  const narrow = encode('640x360', 0, '-vf setsar=10/11');
  assert.deepEqual(displaySize(avcConfig(narrow.sps, narrow.pps)), { width: 640, height: 396 });
  assert.deepEqual(displaySize(avcConfig(first.sps, first.pps)), { width: 320, height: 180 });
});

test('start codes are told from lengths', () => {
  const nals = [first.sps, first.pps, first.idr];
  assert.equal(hasStartCode(writeAvcc(nals), 4), false);
  assert.equal(hasStartCode(writeAvcc([Uint8Array.of(NAL.endOfSequence), first.idr]), 4), false);
  assert.equal(hasStartCode(writeAvcc([Uint8Array.from({ length: 300 }, () => 0x65)]), 4), false);
  for (const code of [
    [0, 0, 0, 1],
    [0, 0, 1],
  ]) {
    const bytes = Uint8Array.from(nals.flatMap((nal) => [...code, ...nal]));
    assert.equal(hasStartCode(bytes, 4), true);
  }
  assert.equal(firstSlice(nals), first.idr);
});
