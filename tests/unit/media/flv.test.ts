// FLV: ffmpeg writes and we read, we write and ffmpeg reads.
import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { decodeAmf0, isAmfObject } from '#shared/media/amf0.ts';
import { MalformedError } from '#shared/media/bytes.ts';
import {
  audioBody,
  audioConfigBody,
  FlvDemuxer,
  flvHeader,
  flvTag,
  flvTimestampMs,
  metadataBody,
  parseAudioBody,
  parseVideoBody,
  videoBody,
  videoConfigBody,
  videoEndBody,
} from '#shared/media/flv.ts';
import type { Frame } from '#shared/media/frame.ts';
import { opusConfig } from '#shared/media/opus.ts';
import { probe } from '../../support/av.ts';
import { complaints, decodedFrames, demux, dtsUs, framesOf, makeFlv, temporaryFolder } from './material.ts';

/** A file of these frames, as a viewer of HTTP-FLV receives it. */
function mux(frames: readonly Frame[]): Uint8Array {
  const pieces = [flvHeader({ audio: true, video: true })];
  const video = frames.find((frame) => frame.kind === 'video')?.config;
  const audio = frames.find((frame) => frame.kind === 'audio')?.config;
  pieces.push(
    flvTag('script', 0, metadataBody({ frameRate: 30, ...(video && { video }), ...(audio && { audio }) })),
  );
  const sent = new Set<unknown>();
  for (const frame of frames) {
    const timestampMs = flvTimestampMs(dtsUs(frame));
    if (!sent.has(frame.config)) {
      sent.add(frame.config);
      if (frame.kind === 'video') pieces.push(flvTag('video', timestampMs, videoConfigBody(frame.config)));
      else pieces.push(flvTag('audio', timestampMs, audioConfigBody(frame.config)));
    }
    if (frame.kind === 'video') pieces.push(flvTag('video', timestampMs, videoBody(frame)));
    else pieces.push(flvTag('audio', timestampMs, audioBody(frame)));
  }
  pieces.push(flvTag('video', flvTimestampMs(dtsUs(frames.at(-1)!)), videoEndBody()));
  return Buffer.concat(pieces);
}

test("ffmpeg's FLV is read whole, whatever pieces it arrives in", async () => {
  const flv = await makeFlv({ seconds: 2 });
  const whole = demux(flv, flv.length);
  for (const pieceBytes of [1, 7, 1_000]) assert.deepEqual(demux(flv, pieceBytes), whole);
  const frames = framesOf(flv);
  const video = frames.filter((frame) => frame.kind === 'video');
  assert.equal(video.length, 60);
  assert.deepEqual(
    video.flatMap((frame, i) => (frame.key ? [i] : [])),
    [0, 30],
  );
  assert.deepEqual([video[0]?.config.width, video[0]?.config.height], [320, 180]);
  // Two seconds in frames of 1024, and the encoder's delay.
  assert.equal(frames.length - video.length, Math.ceil(96_000 / 1024) + 1);
});

test('what we write, ffmpeg decodes without a word, B-frames included', async (context) => {
  const folder = await temporaryFolder(context);
  for (const video of [
    ['-bf', '0'],
    ['-preset', 'medium', '-bf', '2'],
  ]) {
    const original = await makeFlv({ seconds: 3, video });
    const frames = framesOf(original);
    const [source, copy] = [join(folder, 'source.flv'), join(folder, 'copy.flv')];
    await writeFile(source, original);
    await writeFile(copy, mux(frames));
    assert.equal(await complaints(copy), '');
    assert.deepEqual(await decodedFrames(copy), await decodedFrames(source));
    const { streams } = await probe(copy);
    assert.deepEqual(
      streams
        .map(({ codec, width, height, sampleRate }) => ({ codec, width, height, sampleRate }))
        .sort((a, b) => a.codec.localeCompare(b.codec)),
      [
        { codec: 'aac', width: undefined, height: undefined, sampleRate: 48_000 },
        { codec: 'h264', width: 320, height: 180, sampleRate: undefined },
      ],
    );
  }
});

test('a resolution that changes in mid-stream is announced, and every picture comes out', async (context) => {
  const folder = await temporaryFolder(context);
  const small = framesOf(await makeFlv({ size: '480x270', seconds: 2, audio: 'none' }));
  const large = framesOf(await makeFlv({ size: '1280x720', seconds: 2, audio: 'none' }), 2_000_000);
  const path = join(folder, 'change.flv');
  await writeFile(path, mux([...small, ...large]));
  assert.equal(await complaints(path), '');
  const sizes = (await decodedFrames(path)).map(({ width, height }) => `${width}x${height}`);
  assert.equal(sizes.filter((size) => size === '480x270').length, 60);
  assert.equal(sizes.filter((size) => size === '1280x720').length, 60);
});

test('metadata tells players what to prepare for', async () => {
  const frames = framesOf(await makeFlv({ seconds: 1 }));
  const video = frames.find((frame) => frame.kind === 'video')!.config;
  const audio = frames.find((frame) => frame.kind === 'audio')!.config;
  const [name, values] = decodeAmf0(metadataBody({ video, audio, durationS: 12.5, frameRate: 30 }));
  assert.equal(name, 'onMetaData');
  assert.ok(isAmfObject(values));
  assert.deepEqual(
    { ...values },
    {
      duration: 12.5,
      width: 320,
      height: 180,
      framerate: 30,
      videocodecid: 7,
      audiocodecid: 10,
      audiosamplerate: 48_000,
      stereo: true,
    },
  );
});

test('Opus travels as enhanced FLV', () => {
  const config = opusConfig(2);
  assert.deepEqual(parseAudioBody(audioConfigBody(config)), { type: 'config', config });
  const frame = {
    kind: 'audio',
    ptsUs: 0,
    durationUs: 20_000,
    data: Uint8Array.of(0xfc, 1, 2),
    config,
  } as const;
  assert.deepEqual(Buffer.from(audioBody(frame)).toString('latin1'), '\x91Opus\xfc\x01\x02');
  const body = parseAudioBody(audioBody(frame));
  assert.deepEqual(body, { type: 'frame', codec: 'opus', data: frame.data });
});

test('composition times may be negative, and other codecs are set aside', () => {
  const body = parseVideoBody(Uint8Array.of(0x27, 1, 0xff, 0xff, 0xf6, 9));
  assert.ok(body.type === 'frame');
  assert.deepEqual([body.key, body.compositionMs, [...body.data]], [false, -10, [9]]);
  assert.equal(parseVideoBody(Uint8Array.of(0x12, 0)).type, 'other');
  assert.equal(parseVideoBody(Uint8Array.of(0x90, 0x68, 0x76, 0x63, 0x31)).type, 'other');
  assert.equal(parseAudioBody(Uint8Array.of(0x2f, 0)).type, 'other');
});

test('a tag larger than allowed is refused as soon as its header is seen', () => {
  const demuxer = new FlvDemuxer({ maxTagBytes: 1_000 });
  demuxer.readBytes(flvHeader({ audio: false, video: true }));
  assert.equal(demuxer.readBytes(flvTag('video', 0, new Uint8Array(1_000))).length, 1);
  assert.throws(
    () => demuxer.readBytes(flvTag('video', 0, new Uint8Array(1_001)).subarray(0, 15)),
    MalformedError,
  );
});
