// From RTP payloads to whole pictures, and never to half ones.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { AvcConfig } from '#shared/media/frame.ts';
import { H264Depacketiser } from '../../../gateway/ingest/rtp/h264.ts';
import type { CodedVideoFrame } from '../../../gateway/ingest/rtp/depacketiser.ts';
import { Vp8Depacketiser, type Vp8Config } from '../../../gateway/ingest/rtp/vp8.ts';

const hex = (text: string) => Buffer.from(text.replace(/\s/g, ''), 'hex');
/** x264, constrained baseline 320×180, as ffmpeg prints them in an SDP. */
const PPS = '68ce0fc8';
const SPS_OF_FFMPEG = Buffer.from('Z0LADdoFBn58BEAAAAMAQAAADyPFCqg=', 'base64').toString('hex');
const PPS_OF_FFMPEG = Buffer.from('aM4PyA==', 'base64').toString('hex');
const IDR = '65b8aaaa';
const INTER = '41b8bbbb';

function h264() {
  const pictures: CodedVideoFrame<AvcConfig>[] = [];
  const depacketiser = new H264Depacketiser((picture) => pictures.push(picture));
  const push = (ticks: number, payload: string, marker = false, lost = 0) =>
    depacketiser.addPacket({ ticks, marker, payload: hex(payload) }, lost);
  const shown = () =>
    pictures.map(
      ({ ticks, key, data }) => `${ticks}${key ? ' key' : ''} ${Buffer.from(data).toString('hex')}`,
    );
  return { pictures, depacketiser, push, shown };
}

/** STAP-A of NAL units. */
const stap = (...nals: string[]) =>
  '78' + nals.map((nal) => (nal.length / 2).toString(16).padStart(4, '0') + nal).join('');
const PARAMETERS = stap(SPS_OF_FFMPEG, PPS_OF_FFMPEG);

test('parameter sets in a STAP-A, then a key frame and another', () => {
  const { push, shown, pictures, depacketiser } = h264();
  assert.ok(depacketiser.needsKey);
  push(0, PARAMETERS);
  push(0, IDR, true);
  push(3_000, INTER, true);
  assert.deepEqual(shown(), [`0 key 00000004${IDR}`, `3000 00000004${INTER}`]);
  assert.ok(!depacketiser.needsKey);
  assert.deepEqual([pictures[0]?.config.width, pictures[0]?.config.height], [320, 180]);
  assert.equal(pictures[0]?.config, pictures[1]?.config);
});

test('parameter sets alone, as OBS sends them; the same again make no new configuration', () => {
  const { push, pictures } = h264();
  for (const ticks of [0, 90_000]) {
    push(ticks, SPS_OF_FFMPEG);
    push(ticks, PPS_OF_FFMPEG);
    push(ticks, IDR, true);
  }
  assert.equal(pictures.length, 2);
  assert.equal(pictures[0]?.config, pictures[1]?.config);
});

test('a fragmented picture is put together, with its slices, delimiters left out', () => {
  const { push, shown } = h264();
  push(0, PARAMETERS);
  push(0, '09f0');
  push(0, '7c85' + 'b8a1');
  push(0, '7c05' + 'a2');
  push(0, '7c45' + 'a3');
  push(0, '6510aa', true);
  assert.deepEqual(shown(), ['0 key 00000005' + '65b8a1a2a3' + '00000003' + '6510aa']);
});

test('without a marker a picture ends where the next time begins', () => {
  const { push, shown } = h264();
  push(0, PARAMETERS);
  push(0, IDR);
  push(3_000, INTER);
  push(6_000, INTER);
  assert.deepEqual(shown(), [`0 key 00000004${IDR}`, `3000 00000004${INTER}`]);
});

test('empty payloads are normal', () => {
  const { push, shown } = h264();
  push(0, '');
  push(0, PARAMETERS);
  push(0, '');
  push(0, IDR, true);
  push(0, '', true);
  assert.equal(shown().length, 1);
});

test('after a loss nothing comes out until a whole key frame', () => {
  const { push, shown, depacketiser } = h264();
  push(0, PARAMETERS);
  push(0, IDR, true);
  push(3_000, INTER, true, 1);
  assert.ok(depacketiser.needsKey);
  push(6_000, INTER, true);
  // A key frame that has lost its first slice is not whole; neither is one without its middle.
  push(9_000, '6510aa', true, 2);
  push(12_000, '7c85b8a1');
  push(12_000, '7c45a3', true, 1);
  push(15_000, '7c05a2');
  push(15_000, '7c45a3', true);
  push(18_000, IDR, true);
  push(21_000, INTER, true);
  assert.deepEqual(shown(), [`0 key 00000004${IDR}`, `18000 key 00000004${IDR}`, `21000 00000004${INTER}`]);
});

test('a key frame whose parameter sets are lost is not taken by the old ones', () => {
  const { push, shown, depacketiser } = h264();
  push(0, PARAMETERS);
  push(0, IDR, true);
  push(3_000, IDR, true, 1);
  assert.ok(depacketiser.needsKey);
  push(6_000, PARAMETERS, false, 1);
  push(6_000, IDR, true);
  assert.deepEqual(shown(), [`0 key 00000004${IDR}`, `6000 key 00000004${IDR}`]);
});

test('a sender that tells its parameter sets only once is believed after a loss', () => {
  const { push, shown } = h264();
  push(0, PARAMETERS);
  push(0, IDR, true);
  push(3_000, IDR, true);
  push(6_000, IDR, true, 1);
  assert.equal(shown().length, 3);
});

test('a loss between two pictures that were whole themselves still breaks the chain', () => {
  const { push, shown } = h264();
  push(0, PARAMETERS);
  push(0, IDR, true);
  push(6_000, INTER, true, 1);
  assert.equal(shown().length, 1);
});

test('a new resolution is a new configuration from its key frame on', () => {
  const { push, pictures } = h264();
  push(0, PARAMETERS);
  push(0, IDR, true);
  // The same stream at 640×360.
  const other = Buffer.from('Z0LAHtoCgL/lwFqAgICgAAADACAAAAeR4sXU', 'base64').toString('hex');
  push(3_000, stap(other, PPS));
  push(3_000, IDR, true);
  assert.equal(pictures.length, 2);
  assert.notEqual(pictures[0]?.config, pictures[1]?.config);
  assert.equal(pictures[1]?.config.width, 640);
});

test('without parameter sets there is nothing to decode, and broken ones are not kept', () => {
  const { push, shown, depacketiser } = h264();
  push(0, IDR, true);
  push(3_000, stap('67', PPS));
  push(3_000, IDR, true);
  assert.deepEqual(shown(), []);
  assert.ok(depacketiser.needsKey);
  push(6_000, PARAMETERS);
  push(6_000, IDR, true);
  assert.equal(shown().length, 1);
});

test('malformed data in the payload never throws and never makes a picture of a broken chain', () => {
  const { push, shown } = h264();
  push(0, PARAMETERS);
  push(0, IDR, true);
  for (const [index, payload] of [
    '78',
    '780005aa',
    '7c',
    '7c85',
    '7c05aa',
    'ff',
    '00',
    '18ff',
    '1cff',
  ].entries()) {
    push(3_000 * (index + 1), payload, true);
  }
  assert.equal(shown().length, 1);
});

function vp8() {
  const pictures: CodedVideoFrame<Vp8Config>[] = [];
  const depacketiser = new Vp8Depacketiser((picture) => pictures.push(picture));
  const push = (ticks: number, payload: string, marker = false, lost = 0) =>
    depacketiser.addPacket({ ticks, marker, payload: hex(payload) }, lost);
  return { pictures, depacketiser, push };
}

const VP8_KEY = 'f062009d012a4001b400';

test('VP8: descriptors of every length are taken off, and the size is read from the key frame', () => {
  const { push, pictures } = vp8();
  push(0, '10' + VP8_KEY);
  push(0, '00aabb', true);
  push(3_000, '9080' + '05' + 'd1cc', true);
  push(6_000, '9080' + '8005' + 'd1cc', true);
  push(9_000, '90e0' + '8005' + '07' + '40' + 'd1cc', true);
  assert.deepEqual(
    pictures.map(({ key, data }) => `${key} ${Buffer.from(data).toString('hex')}`),
    [`true ${VP8_KEY}aabb`, 'false d1cc', 'false d1cc', 'false d1cc'],
  );
  assert.deepEqual(pictures[0]?.config, { width: 320, height: 180 });
});

test('VP8: after a loss only a whole key frame is of use', () => {
  const { push, pictures, depacketiser } = vp8();
  push(0, '10d1cc', true);
  assert.equal(pictures.length, 0);
  push(3_000, '10' + VP8_KEY, true);
  push(6_000, '10d1', false);
  push(9_000, '10d1cc', true);
  assert.ok(depacketiser.needsKey, 'the frame before had no end');
  push(12_000, '00aa', true);
  push(15_000, '10' + VP8_KEY, true, 3);
  push(18_000, '10d1cc', true);
  assert.deepEqual(
    pictures.map(({ ticks }) => ticks),
    [3_000, 15_000, 18_000],
  );
});
