// H.264 parameter sets and NAL framings, against what real encoders sent.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { test } from 'node:test';
import {
  avcConfig,
  NAL,
  nalType,
  parseAvcRecord,
  parseSps,
  readAvcc,
  splitAnnexB,
  writeAvcc,
} from '#shared/media/avc.ts';
import { BitReader, MalformedError } from '#shared/media/bytes.ts';

const run = promisify(execFile);
const hex = (text: string) => new Uint8Array(Buffer.from(text, 'hex'));

// Sent by Chromium 156 over WebRTC, profile-level-id 42e01f negotiated, 1280×720 at 30/s.
const CHROME = hex('000000016742c0208c8d402802dd37010d01078442350000000168ce3c80');

test('a Chrome teacher at 720p is described as 1280×720 constrained baseline', () => {
  const [sps, pps] = splitAnnexB(CHROME);
  assert.ok(sps && pps);
  const config = avcConfig(sps, pps);
  assert.deepEqual(
    { codecString: config.codecString, width: config.width, height: config.height },
    { codecString: 'avc1.42c020', width: 1280, height: 720 },
  );
  // ISO/IEC 14496-15 §5.3.3.1.2, written out by hand.
  assert.equal(
    Buffer.from(config.record).toString('hex'),
    '0142c020ffe10012' + '6742c0208c8d402802dd37010d0107844235' + '010004' + '68ce3c80',
  );
  assert.deepEqual(parseAvcRecord(config.record), { config, lengthBytes: 4 });
});

test('a configuration outlives the packet that it was read from', () => {
  // A Buffer's own slice() would share its memory.
  const packet = Buffer.from(CHROME);
  const [sps, pps] = splitAnnexB(packet);
  const config = avcConfig(sps!, pps!);
  const before = Buffer.from(config.sps).toString('hex');
  packet.fill(0);
  assert.equal(Buffer.from(config.sps).toString('hex'), before);
});

// Each of these takes another path through the SPS; ffmpeg's own output is the judge of the size.
const ENCODERS = [
  {
    name: 'baseline',
    size: '640x360',
    codec: 'avc1.42c0',
    options: ['-profile:v', 'baseline', '-pix_fmt', 'yuv420p'],
  },
  {
    name: 'main with fields',
    size: '720x576',
    codec: 'avc1.4d',
    options: ['-profile:v', 'main', '-pix_fmt', 'yuv420p', '-flags', '+ildct+ilme'],
  },
  {
    name: 'high with cropping',
    size: '1920x1080',
    codec: 'avc1.64',
    options: ['-profile:v', 'high', '-pix_fmt', 'yuv420p'],
  },
  {
    name: 'fields with cropping',
    size: '1920x1080',
    codec: 'avc1.64',
    options: ['-pix_fmt', 'yuv420p', '-flags', '+ildct+ilme'],
  },
  { name: 'high 10', size: '322x182', codec: 'avc1.6e', options: ['-pix_fmt', 'yuv420p10le'] },
  { name: 'high 4:2:2', size: '322x181', codec: 'avc1.7a', options: ['-pix_fmt', 'yuv422p'] },
  { name: 'high 4:4:4 of odd size', size: '321x181', codec: 'avc1.f4', options: ['-pix_fmt', 'yuv444p'] },
  { name: 'monochrome', size: '322x182', codec: 'avc1.64', options: ['-pix_fmt', 'gray'] },
  {
    name: 'scaling lists',
    size: '320x180',
    codec: 'avc1.64',
    options: ['-pix_fmt', 'yuv420p', '-x264-params', 'cqm=jvt'],
  },
];

for (const { name, size, codec, options } of ENCODERS) {
  test(`x264 ${name}: ${size} is found in the SPS`, async () => {
    const { stdout } = await run(
      'ffmpeg',
      [
        '-v',
        'error',
        '-f',
        'lavfi',
        '-i',
        `testsrc=size=${size}:rate=30`,
        '-frames:v',
        '2',
        '-c:v',
        'libx264',
        ...options,
        '-f',
        'h264',
        'pipe:1',
      ],
      { encoding: 'buffer', maxBuffer: 64 * 1024 * 1024 },
    );
    const nals = splitAnnexB(stdout);
    const sps = nals.find((nal) => nalType(nal) === NAL.sps);
    const pps = nals.find((nal) => nalType(nal) === NAL.pps);
    assert.ok(sps && pps);
    const config = avcConfig(sps, pps);
    assert.equal(`${config.width}x${config.height}`, size);
    assert.ok(config.codecString.startsWith(codec), config.codecString);
    assert.deepEqual(parseAvcRecord(config.record).config, config);
  });
}

test('an SPS whose VUI is malformed data or cut off still tells the size', () => {
  const [sps] = splitAnnexB(CHROME);
  assert.ok(sps);
  const info = parseSps(sps.subarray(0, 11));
  assert.deepEqual([info.width, info.height], [1280, 720]);
});

test('start codes of three and four bytes and trailing zeros are understood', () => {
  const stream = hex('00000109f0' + '0000000165aabb' + '00000141cc0000' + '00000001419a');
  assert.deepEqual(
    splitAnnexB(stream).map((nal) => Buffer.from(nal).toString('hex')),
    ['09f0', '65aabb', '41cc', '419a'],
  );
  assert.deepEqual(splitAnnexB(hex('')), []);
  assert.deepEqual(splitAnnexB(hex('00000001')), []);
});

test('length-prefixed NAL units survive the round trip, in any width of length', () => {
  const nals = [hex('65aabb'), hex('4101')];
  assert.equal(Buffer.from(writeAvcc(nals)).toString('hex'), '0000000365aabb000000024101');
  assert.deepEqual(readAvcc(writeAvcc(nals)), nals);
  assert.deepEqual(readAvcc(hex('000365aabb00024101'), 2), nals);
  assert.throws(() => readAvcc(hex('0000000465aabb')), MalformedError);
});

test('Exp-Golomb codes read as table 9-2 and 9-3 of H.264 say', () => {
  const bits = new BitReader(Uint8Array.of(0b1_010_011_0, 0b0100_0010, 0b1_0011_000));
  assert.deepEqual([bits.ue(), bits.ue(), bits.ue(), bits.ue(), bits.ue()], [0, 1, 2, 3, 4]);
  const signed = new BitReader(Uint8Array.of(0b1_010_011_0, 0b0100_0010, 0b1_0000000));
  assert.deepEqual([signed.se(), signed.se(), signed.se(), signed.se(), signed.se()], [-0, 1, -1, 2, -2]);
});
