// A picture that has to be converted from some moment on changes over to its converter in the midst of class:
// no picture is lost, none is shown twice, and who comes later has a key frame to begin with.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, afterEach, before, test } from 'node:test';
import { avcConfig, NAL, nalType, readAvcc } from '#shared/media/avc.ts';
import { BitReader } from '#shared/media/bytes.ts';
import {
  FlvDemuxer,
  flvHeader,
  flvTag,
  parseVideoBody,
  videoBody,
  videoConfigBody,
} from '#shared/media/flv.ts';
import type { AvcConfig } from '#shared/media/frame.ts';
import type { ConversionReason } from '#shared/contract/publisher-notice.ts';
import { makePublishKey } from '#server/publish-key.ts';
import { hasBSlice } from '../../../gateway/ingest/publication/inspect.ts';
import { decodeErrors } from '../../support/av.ts';
import { FOLDER, LESSON, pushFile, quiet, SECRET, startRig, until, writePictures, type Rig } from './rig.ts';

const RATE = 25;
let rig: Rig;
before(async () => {
  rig = await startRig();
});
after(() => rig.close());
afterEach(() => quiet(rig.rooms));

/** Pushes a film of `count` pictures that is to be converted for `reason`; returns what arrived in the room. */
async function pushed(file: string, count: number, reason: ConversionReason) {
  const { pictures, states } = rig.rooms.heard;
  const from = pictures.length;
  const channel = `channelhandover${from}`;
  const key = makePublishKey(SECRET, channel, LESSON, 0);
  const program = pushFile(file, `${rig.server}/${channel}?key=${key}`);
  await program.ended;
  await until('all pictures', () => pictures.length - from >= count).catch(() => undefined);
  assert.deepEqual(states.at(-1)?.notices, [{ code: 'converted', reasons: [reason] }]);
  const mine = pictures.slice(from);
  assert.equal(await decodeErrors(writePictures(channel, mine)), '');
  return mine;
}

/** Places where the next picture is not shown one picture later, to a millisecond of rounding each. */
const seams = (pictures: readonly { ticks: number }[]) =>
  pictures.slice(1).flatMap(({ ticks }, at) => {
    const ms = (ticks - (pictures[at]?.ticks ?? 0)) / 90;
    return Math.abs(ms - 1_000 / RATE) <= 2 ? [] : [`${at + 1}: ${ms} ms`];
  });

function film(name: string, seconds: number, args: string): string {
  const file = join(FOLDER, `${name}.flv`);
  const source = `-v error -y -f lavfi -i testsrc2=size=320x180:rate=${RATE} -t ${seconds}`;
  execFileSync('ffmpeg', [
    ...`${source} -c:v libx264 -preset ultrafast -pix_fmt yuv420p ${args}`.split(' '),
    file,
  ]);
  return file;
}

/** What is in a film: its configuration, and its pictures in decoding order. */
function pictures(file: string) {
  const flv = execFileSync('cat', [file], { maxBuffer: 64 * 1024 * 1024 });
  let config: AvcConfig | undefined;
  const frames = new FlvDemuxer().readBytes(flv).flatMap(({ type, timestampMs, body }) => {
    if (type !== 'video') return [];
    const video = parseVideoBody(body);
    if (video.type === 'config') config = video.config;
    if (video.type !== 'frame') return [];
    const { key, data } = video;
    return [
      { dtsMs: timestampMs, ptsMs: timestampMs + video.compositionMs, key, nals: readAvcc(data), data },
    ];
  });
  assert.ok(config);
  return { config, frames };
}

function write(name: string, { config, frames }: ReturnType<typeof pictures>): string {
  const tags = frames.map(({ dtsMs, ptsMs, key, data }) => {
    const frame = { kind: 'video', ptsUs: ptsMs * 1_000, dtsUs: dtsMs * 1_000, key, data, config } as const;
    return flvTag('video', dtsMs, videoBody(frame));
  });
  const file = join(FOLDER, `${name}.flv`);
  const head = [flvHeader({ audio: false, video: true }), flvTag('video', 0, videoConfigBody(config))];
  writeFileSync(file, Buffer.concat([...head, ...tags]));
  return file;
}

/** The same SPS (main profile) without its VUI, as hardware encoders write it: it promises nothing of B-frames. */
function withoutVui(sps: Uint8Array): Uint8Array {
  const bits = new BitReader(sps.subarray(1));
  bits.skip(24); // profile, constraints, level
  for (const _ of ['id', 'frame number', 'order type', 'order', 'references']) bits.ue();
  bits.skip(1);
  for (const _ of ['width', 'height']) bits.ue();
  bits.skip(2); // frames only, 8x8 inference
  if (bits.bit() === 1) for (const _ of ['left', 'right', 'top', 'bottom']) bits.ue();
  const at = sps.length * 8 - bits.bitsLeft;
  const text =
    [...sps]
      .map((byte) => byte.toString(2).padStart(8, '0'))
      .join('')
      .slice(0, at) + '01';
  return Uint8Array.from(text.match(/.{1,8}/g) ?? [], (byte) => parseInt(byte.padEnd(8, '0'), 2));
}

const INTRA_REFRESH = '-bf 0 -g 25 -x264-params intra-refresh=1';

test('intra refresh: one IDR at the start, and recovery points from then on', async () => {
  const file = film('refresh', 10, INTRA_REFRESH);
  const mine = await pushed(file, 250, 'keyframes');
  assert.equal(mine.length, 250);
  assert.deepEqual(seams(mine), []);
  const keys = mine.flatMap(({ key }, at) => (key ? [at] : []));
  assert.ok(keys.length >= 2 && (keys.at(-1) ?? 0) >= 150, `key frames at ${keys.join(' ')}`);
});

test('intra refresh without any IDR: shown from where it is whole', async () => {
  const { config, frames } = pictures(film('refresh-4', 4, INTRA_REFRESH));
  const from = frames.findIndex(({ key, nals }) => key && !nals.some((nal) => nalType(nal) === NAL.idr));
  assert.equal(from, 25);
  const file = write('no-idr', { config, frames: frames.slice(from) });
  const mine = await pushed(file, 50, 'keyframes');
  // It takes one period to be whole again.
  assert.ok(mine.length >= 50, `${mine.length} pictures`);
  assert.ok(mine[0]?.key);
  assert.deepEqual(seams(mine), []);
});

test('B-frames that are first seen in the midst of a group of pictures', async () => {
  const args = '-profile:v main -bf 2 -g 250 -x264-params b-adapt=0:scenecut=0:b-pyramid=0';
  const { config, frames } = pictures(film('b-frames', 6, args));
  const kept = frames.filter(({ nals }, at) => at >= 76 || !hasBSlice(nals));
  const firstB = kept.findIndex(({ nals }) => hasBSlice(nals));
  assert.equal(firstB, 27);
  const shown = kept.map(({ ptsMs }) => ptsMs).sort((a, b) => a - b);
  const stepMs = 1_000 / RATE;
  const timed = kept.map((frame, at) => ({
    ...frame,
    dtsMs: at * stepMs,
    ptsMs: (shown.indexOf(frame.ptsMs) + 1) * stepMs,
  }));
  const [sps = new Uint8Array(0), pps = new Uint8Array(0)] = config.sets;
  const file = write('late-b-frames', { config: avcConfig(withoutVui(sps), pps), frames: timed });
  const mine = await pushed(file, timed.length, 'b-frames');
  assert.equal(mine.length, timed.length);
  assert.deepEqual(seams(mine), []);
});
