// Fragmented MP4: init segments and fragments that ffmpeg takes, and reading them back after a crash.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { aacConfig } from '#shared/media/aac.ts';
import { equalBytes } from '#shared/media/bytes.ts';
import {
  fragment,
  initSegment,
  readBoxes,
  readFragments,
  readInit,
  ticks,
  ticksToUs,
} from '#shared/media/fmp4.ts';
import { opusConfig, opusPacketInfo } from '#shared/media/opus.ts';
import { probe } from '../../support/av.ts';
import { complaints, decodedFrames, fragmentOf, framesOf, makeFlv, temporaryFolder } from './material.ts';

const run = promisify(execFile);

test('picture and sound of a class, remuxed, decode as the original does', async (context) => {
  const folder = await temporaryFolder(context);
  for (const video of [
    ['-bf', '0'],
    ['-preset', 'medium', '-bf', '2'],
  ]) {
    const flv = await makeFlv({ seconds: 3, video });
    const original = join(folder, 'original.flv');
    await writeFile(original, flv);
    const frames = framesOf(flv);
    const expected = await decodedFrames(original);
    for (const kind of ['video', 'audio'] as const) {
      const own = frames.filter((frame) => frame.kind === kind);
      const path = join(folder, `${kind}.mp4`);
      const half = kind === 'video' ? 30 : 70;
      await writeFile(
        path,
        Buffer.concat([
          initSegment(own[0]!.config),
          fragmentOf(own.slice(0, half), 1),
          fragmentOf(own.slice(half), 2),
        ]),
      );
      assert.equal(await complaints(path), '');
      const found = await decodedFrames(path);
      const wanted = expected.filter((frame) => frame.type === kind);
      assert.equal(found.length, wanted.length);
      for (const [i, frame] of found.entries()) {
        assert.ok(
          Math.abs(frame.timeS - wanted[i]!.timeS) < 0.0015,
          `frame ${i}: ${frame.timeS} ${wanted[i]!.timeS}`,
        );
        assert.equal(frame.key, wanted[i]!.key);
      }
      const [stream] = (await probe(path)).streams;
      assert.equal(stream?.codec, kind === 'video' ? 'h264' : 'aac');
      if (kind === 'video') assert.deepEqual([stream?.width, stream?.height], [320, 180]);
      else assert.equal(stream?.sampleRate, 48_000);
    }
  }
});

test('Opus in fMP4 decodes', async (context) => {
  const folder = await temporaryFolder(context);
  const { stdout } = await run(
    'ffmpeg',
    [
      '-v',
      'error',
      '-f',
      'lavfi',
      '-i',
      'sine=sample_rate=48000:duration=2',
      '-c:a',
      'libopus',
      '-ac',
      '2',
      '-f',
      'ogg',
      'pipe:1',
    ],
    { encoding: 'buffer' },
  );
  const packets = oggPackets(stdout).slice(2);
  const samples = packets.map((data) => ({
    data,
    key: true,
    durationTicks: ticks(opusPacketInfo(data).durationUs, 48_000),
  }));
  const path = join(folder, 'opus.mp4');
  await writeFile(
    path,
    Buffer.concat([initSegment(opusConfig(2)), fragment({ sequence: 1, baseDecodeTime: 0, samples })]),
  );
  assert.equal(await complaints(path), '');
  assert.equal((await decodedFrames(path)).length, packets.length);
  assert.equal((await probe(path)).streams[0]?.codec, 'opus');
});

test('an init segment tells its configuration again', async () => {
  const frames = framesOf(await makeFlv({ seconds: 1 }));
  const video = frames.find((frame) => frame.kind === 'video')!.config;
  assert.deepEqual(readInit(initSegment(video)), { config: video, timescale: 90_000 });
  for (const config of [aacConfig(44_100, 1), opusConfig(2)]) {
    assert.deepEqual(readInit(initSegment(config)), { config, timescale: config.sampleRate });
  }
  assert.deepEqual(
    readBoxes(initSegment(video)).map(({ type }) => type),
    ['ftyp', 'moov'],
  );
});

test('what is read of a fragment is what was written', () => {
  const samples = [
    { data: Uint8Array.of(1, 2, 3), durationTicks: 3_000, key: true, ctsTicks: 6_000 },
    { data: Uint8Array.of(4), durationTicks: 3_003, key: false, ctsTicks: -3_000 },
  ];
  const base = 2 ** 33 + 5;
  const bytes = fragment({ sequence: 7, baseDecodeTime: base, samples });
  const { fragments, completeBytes } = readFragments(bytes);
  assert.equal(completeBytes, bytes.length);
  const [found] = fragments;
  assert.deepEqual([found?.sequence, found?.start, found?.end], [7, 0, bytes.length]);
  assert.deepEqual(
    found?.samples.map(({ dtsTicks, durationTicks, ctsTicks, key }) => ({
      dtsTicks,
      durationTicks,
      ctsTicks,
      key,
    })),
    [
      { dtsTicks: base, durationTicks: 3_000, ctsTicks: 6_000, key: true },
      { dtsTicks: base + 3_000, durationTicks: 3_003, ctsTicks: -3_000, key: false },
    ],
  );
  for (const [i, { offset, sizeBytes }] of found.samples.entries()) {
    assert.ok(equalBytes(bytes.subarray(offset, offset + sizeBytes), samples[i]!.data));
  }
});

test("ffmpeg's fragments are read too", async (context) => {
  const path = join(await temporaryFolder(context), 'ffmpeg.mp4');
  await run('ffmpeg', [
    '-v',
    'error',
    '-f',
    'lavfi',
    '-i',
    'testsrc2=size=320x180:rate=30:duration=2',
    '-c:v',
    'libx264',
    '-g',
    '30',
    '-bf',
    '2',
    '-movflags',
    '+frag_keyframe+empty_moov+default_base_moof',
    '-f',
    'mp4',
    path,
  ]);
  const bytes = await readFile(path);
  assert.deepEqual(readInit(bytes.subarray(0, readBoxes(bytes)[1]!.end)).config.codec, 'h264');
  const { fragments } = readFragments(bytes);
  const samples = fragments.flatMap((one) => one.samples);
  assert.equal(samples.length, 60);
  assert.equal(samples.filter((sample) => sample.key).length, 2);
});

test('a file cut off at any byte is recovered up to its last whole fragment', () => {
  const one = (sequence: number) =>
    fragment({
      sequence,
      baseDecodeTime: sequence * 3_000,
      samples: [{ data: new Uint8Array(20).fill(sequence), durationTicks: 3_000, key: true }],
    });
  const whole = Buffer.concat([one(1), one(2), one(3)]);
  const length = one(1).length;
  for (let cut = 0; cut <= whole.length; cut += 1) {
    const { fragments, completeBytes } = readFragments(whole.subarray(0, cut));
    assert.equal(fragments.length, Math.floor(cut / length));
    assert.equal(completeBytes, Math.floor(cut / length) * length);
  }
  const zeros = Buffer.concat([one(1), new Uint8Array(500)]);
  assert.equal(readFragments(zeros).completeBytes, length);
});

test('AAC frames whose times were rounded to microseconds last 1024 ticks each, a whole day long', () => {
  let previous = 0;
  for (let i = 1; i <= 4_050_000; i += 1) {
    const at = ticks(Math.round((i * 1_024_000_000) / 48_000), 48_000);
    if (at - previous !== 1024) assert.fail(`frame ${i} lasts ${at - previous}`);
    previous = at;
  }
  for (const timeUs of [1, 33_333, 3_600_000_001, 86_400_000_000_000]) {
    assert.ok(Math.abs(ticksToUs(ticks(timeUs, 90_000), 90_000) - timeUs) <= 6);
  }
});

/** The packets of an Ogg stream (RFC 3533 §6). */
function oggPackets(ogg: Uint8Array): Uint8Array[] {
  const packets: Uint8Array[] = [];
  let parts: Uint8Array[] = [];
  for (let page = 0; page < ogg.length;) {
    const count = ogg[page + 26]!;
    let at = page + 27 + count;
    for (const lacing of ogg.subarray(page + 27, page + 27 + count)) {
      parts.push(ogg.subarray(at, at + lacing));
      at += lacing;
      if (lacing === 255) continue;
      packets.push(Buffer.concat(parts));
      parts = [];
    }
    page = at;
  }
  return packets;
}
