// Downloads: the MP4 and the FLV of a recording, put together from its segments while they are read.
import assert from 'node:assert/strict';
import { appendFile, open, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { LecternError } from '#shared/contract/errors.ts';
import { avcConfig, splitAnnexB } from '#shared/media/avc.ts';
import { aacConfig } from '#shared/media/aac.ts';
import { decodeAmf0 } from '#shared/media/amf0.ts';
import { FlvDemuxer } from '#shared/media/flv.ts';
import { fragment, readBoxes, ticks } from '#shared/media/fmp4.ts';
import { openFlv } from '../../../gateway/store/flv-file.ts';
import type { MovieTrack } from '../../../gateway/store/movie-source.ts';
import { openMovie } from '../../../gateway/store/movie.ts';
import { probe } from '../../support/av.ts';
import {
  assertPlays,
  complaints,
  decodedFrames,
  dtsUs,
  framesOf,
  makeFlv,
  save,
  temporaryFolder,
  writeTracks,
} from './material.ts';

/** Writes both downloads of these tracks into the folder. */
async function download(folder: string, tracks: readonly MovieTrack[]) {
  const movie = await openMovie(tracks);
  const [mp4, flv] = [join(folder, 'class.mp4'), join(folder, 'class.flv')];
  assert.equal(await save(mp4, movie.stream()), movie.size);
  const video = await openFlv(tracks);
  assert.equal(await save(flv, video.stream()), video.size);
  return { movie, video, mp4, flv };
}

test('a class of one take: both downloads hold every frame at its time', async (context) => {
  const folder = await temporaryFolder(context);
  for (const video of [
    ['-bf', '0'],
    ['-preset', 'medium', '-bf', '2'],
  ]) {
    // The recording began in the middle of a broadcast; sound began 40 ms after the picture.
    const all = framesOf(await makeFlv({ seconds: 5, video }), 7_000_000_000);
    const frames = all.filter((frame) => frame.kind === 'video' || frame.ptsUs >= 7_000_040_000);
    const tracks = await writeTracks(folder, frames);
    const { movie, mp4, flv } = await download(folder, tracks);
    await assertPlays(mp4, frames, Math.min(...frames.map((frame) => frame.ptsUs)));
    await assertPlays(flv, frames, Math.min(...frames.map(dtsUs)));
    for (const path of [mp4, flv]) {
      const { durationS, streams } = await probe(path);
      assert.ok(Math.abs(durationS - 5) < 0.1, `${path} lasts ${durationS} s`);
      assert.deepEqual(streams.map(({ codec }) => codec).sort(), ['aac', 'h264']);
    }
    assert.ok(Math.abs(movie.durationMs - 5_000) < 100);
  }
});

test('the MP4 has its index in front, so it plays while it downloads', async (context) => {
  const folder = await temporaryFolder(context);
  const { mp4 } = await download(folder, await writeTracks(folder, framesOf(await makeFlv({ seconds: 2 }))));
  assert.deepEqual(
    readBoxes(await readFile(mp4)).map(({ type }) => type),
    ['ftyp', 'moov', 'mdat'],
  );
});

test('any range of either is the same bytes', async (context) => {
  const folder = await temporaryFolder(context);
  const { movie, video, mp4, flv } = await download(
    folder,
    await writeTracks(folder, framesOf(await makeFlv({ seconds: 3 }))),
  );
  for (const [file, path] of [
    [movie, mp4],
    [video, flv],
  ] as const) {
    const whole = await readFile(path);
    const { size } = file;
    const ranges = [
      [0, 0],
      [0, 1],
      [size - 1, size],
      [100, 5_000],
    ];
    for (let i = 1; i <= 40; i += 1)
      ranges.push([(i * 7_919) % size, Math.min(size, ((i * 7_919) % size) + i * 911)]);
    for (const [start, end] of ranges as [number, number][]) {
      const pieces: Uint8Array[] = [];
      for await (const piece of file.stream(start, end)) pieces.push(piece);
      assert.ok(Buffer.concat(pieces).equals(whole.subarray(start, end)), `${path}: ${start} to ${end}`);
    }
    assert.throws(() => file.stream(0, size + 1), RangeError);
    assert.throws(() => file.stream(5, 4), RangeError);
  }
});

test('the FLV says how long it is and where its key frames are', async (context) => {
  const folder = await temporaryFolder(context);
  const small = framesOf(await makeFlv({ size: '480x270', seconds: 20 }));
  const large = framesOf(await makeFlv({ size: '640x360', seconds: 20 }), 20_040_000);
  const { video, flv } = await download(folder, await writeTracks(folder, [...small, ...large]));
  const bytes = await readFile(flv);
  const [metadata] = new FlvDemuxer().readBytes(bytes);
  const [, said] = decodeAmf0(metadata!.body) as [string, Record<string, unknown>];
  assert.equal(said.filesize, bytes.length);
  assert.ok(Math.abs(Number(said.duration) - 40) < 0.1);
  assert.equal(Math.round(Number(said.duration) * 1_000), video.durationMs);
  const { times, filepositions } = said.keyframes as { times: number[]; filepositions: number[] };
  const keys = [...small, ...large].filter((frame) => frame.kind === 'video' && frame.key);
  assert.equal(times.length, keys.length);
  assert.equal(filepositions.length, keys.length);
  for (const [index, at] of filepositions.entries()) {
    const here = new FlvDemuxer().readBytes(Buffer.concat([bytes.subarray(0, 13), bytes.subarray(at)]))[0]!;
    assert.equal(here.type, 'video');
    assert.equal(here.timestampMs, Math.round((times[index] ?? NaN) * 1_000));
    assert.equal(here.body[0], 0x17, 'a key frame, or the configuration in front of one');
  }
  // Somebody else's program goes to a place in it.
  const late = await decodedFrames(flv, ['-read_intervals', '35%+1']);
  const first = late.find(({ type }) => type === 'video');
  assert.ok(first !== undefined && Math.abs(first.timeS - 35) < 2, JSON.stringify(first));
});

test('the picture changes its size in mid-class: all frames of both sizes come out', async (context) => {
  const folder = await temporaryFolder(context);
  const small = framesOf(await makeFlv({ size: '480x270', seconds: 2 }));
  const large = framesOf(await makeFlv({ size: '1280x720', seconds: 2 }), 2_040_000);
  const back = framesOf(await makeFlv({ size: '480x270', seconds: 2 }), 4_080_000);
  const tracks = await writeTracks(folder, [...small, ...large, ...back]);
  const { mp4, flv } = await download(folder, tracks);
  for (const path of [mp4, flv]) {
    assert.equal(await complaints(path), '');
    const found = (await decodedFrames(path)).filter(({ type }) => type === 'video');
    const sizes = found.map(({ width, height }) => `${width}x${height}`);
    assert.deepEqual(sizes, [
      ...Array<string>(60).fill('480x270'),
      ...Array<string>(60).fill('1280x720'),
      ...Array<string>(60).fill('480x270'),
    ]);
  }
});

test('a better layer that takes over before the last one ended: time goes on in both downloads', async (context) => {
  const folder = await temporaryFolder(context);
  const small = framesOf(await makeFlv({ size: '480x270', seconds: 2 }));
  const large = framesOf(await makeFlv({ size: '1280x720', seconds: 2, audio: 'none' }), 1_600_000);
  const { mp4, flv } = await download(folder, await writeTracks(folder, [...small, ...large]));
  for (const path of [mp4, flv]) {
    assert.equal(await complaints(path), '');
    const pictures = (await decodedFrames(path)).filter(({ type }) => type === 'video');
    assert.equal(pictures.length, 120);
  }
});

test('the teacher was away for ten seconds: sound and picture are still together after it', async (context) => {
  const folder = await temporaryFolder(context);
  const before = framesOf(await makeFlv({ seconds: 2 }));
  const after = framesOf(await makeFlv({ seconds: 2 }), 12_000_000);
  // One configuration object for all, as a recorder that suppresses identical ones has it.
  const tracks = await writeTracks(folder, [...before, ...after]);
  const { mp4, flv } = await download(folder, tracks);
  const originUs = Math.min(...before.map((frame) => frame.ptsUs));
  for (const path of [mp4, flv]) await assertPlays(path, [...before, ...after], originUs);
});

test('a recording that was cut off by kill -9 is playable up to its last whole fragment', async (context) => {
  const folder = await temporaryFolder(context);
  const tracks = await writeTracks(folder, framesOf(await makeFlv({ seconds: 3 })));
  const last = tracks[0]!.segments.at(-1)!.path;
  const bytes = await readFile(last);
  await writeFile(last, bytes.subarray(0, bytes.length - 100));
  await appendFile(tracks[1]!.segments.at(-1)!.path, 'nonsense');
  await rm(tracks[1]!.segments[0]!.path);
  const { mp4, flv } = await download(folder, tracks);
  for (const path of [mp4, flv]) {
    assert.equal(await complaints(path), '');
    assert.equal((await decodedFrames(path)).filter(({ type }) => type === 'video').length, 75);
  }
});

test('a power cut that left zeros at the end of a file costs nothing else', async (context) => {
  const folder = await temporaryFolder(context);
  const frames = framesOf(await makeFlv({ seconds: 2 }));
  const tracks = await writeTracks(folder, frames);
  for (const { segments } of tracks) await appendFile(segments.at(-1)!.path, new Uint8Array(4_096));
  const { mp4, flv } = await download(folder, tracks);
  for (const path of [mp4, flv]) {
    await assertPlays(path, frames, Math.min(...frames.map(dtsUs)));
  }
});

test('segments whose time goes back spoil nothing but their own times', async (context) => {
  const folder = await temporaryFolder(context);
  const late = framesOf(await makeFlv({ size: '480x270', seconds: 2 }), 5_000_000);
  const early = framesOf(await makeFlv({ size: '320x180', seconds: 2 }), 4_000_000);
  const { mp4 } = await download(folder, await writeTracks(folder, [...late, ...early]));
  const pictures = (await decodedFrames(mp4)).filter(({ type }) => type === 'video');
  assert.deepEqual(
    ['480x270', '320x180'].map(
      (size) => pictures.filter((one) => `${one.width}x${one.height}` === size).length,
    ),
    [60, 60],
  );
});

test('a recording without a sample is not found, and one without sound is a silent movie', async (context) => {
  const folder = await temporaryFolder(context);
  const notFound = (error: unknown) => error instanceof LecternError && error.code === 'not-found';
  await assert.rejects(openMovie([{ kind: 'video', segments: [] }]), notFound);
  await assert.rejects(openFlv([]), notFound);
  const silent = await writeTracks(folder, framesOf(await makeFlv({ seconds: 1, audio: 'none' })));
  const { mp4, flv } = await download(folder, [...silent, { kind: 'audio', segments: [] }]);
  for (const path of [mp4, flv]) {
    assert.equal(await complaints(path), '');
    assert.equal((await probe(path)).streams.length, 1);
  }
});

test('the validator stays while the recording does, and changes with it', async (context) => {
  const folder = await temporaryFolder(context);
  const tracks = await writeTracks(folder, framesOf(await makeFlv({ seconds: 2 })));
  const { etag } = await openMovie(tracks);
  assert.equal((await openMovie(tracks)).etag, etag);
  assert.match(etag, /^"[\w-]{43}"$/);
  const shorter = tracks.map((track) => ({ ...track, segments: track.segments.slice(0, 1) }));
  assert.notEqual((await openMovie(shorter)).etag, etag);
});

test('a download that is broken off leaves no file open', async (context) => {
  const folder = await temporaryFolder(context);
  const tracks = await writeTracks(folder, framesOf(await makeFlv({ seconds: 3 })));
  const movie = await openMovie(tracks);
  const openFiles = async () => (await import('node:fs/promises')).readdir('/proc/self/fd');
  const before = (await openFiles()).length;
  for (const bytes of [movie.stream(movie.size - 5_000), (await openFlv(tracks)).stream()]) {
    for await (const _ of bytes) break;
  }
  assert.equal((await openFiles()).length, before);
});

test('a recording beyond 4 GiB has 64-bit offsets, and its last bytes are where they say', async (context) => {
  const folder = await temporaryFolder(context);
  const [config] = framesOf(await makeFlv({ seconds: 1, audio: 'none' })).map((frame) => frame.config);
  const sampleBytes = 1_500_000_000;
  const segments = [];
  for (let i = 0; i < 3; i += 1) {
    // A sparse file: the sample is a hole with one mark at its end.
    const bytes = Buffer.from(
      fragment({
        sequence: i + 1,
        baseDecodeTime: i * 90_000,
        samples: [{ data: Buffer.of(0), durationTicks: 90_000, key: true }],
      }),
    );
    const sizes = [bytes.lastIndexOf('mdat') - 4, bytes.lastIndexOf('trun') + 20] as const;
    bytes.writeUInt32BE(8 + sampleBytes, sizes[0]);
    bytes.writeUInt32BE(sampleBytes, sizes[1]);
    const path = join(folder, `${i}.m4s`);
    const file = await open(path, 'w');
    await file.write(bytes, 0, bytes.length - 1, 0);
    await file.write(Buffer.of(65 + i), 0, 1, bytes.length - 2 + sampleBytes);
    await file.close();
    segments.push({ path, config: config! });
  }
  const movie = await openMovie([{ kind: 'video', segments }]);
  const range = async (start: number, end: number) => {
    const pieces: Uint8Array[] = [];
    for await (const piece of movie.stream(start, end)) pieces.push(piece);
    return Buffer.concat(pieces);
  };
  const head = await range(0, movie.size - 3 * sampleBytes);
  assert.deepEqual(
    readBoxes(head.subarray(0, head.length - 16)).map(({ type }) => type),
    ['ftyp', 'moov'],
  );
  assert.equal(head.readUInt32BE(head.length - 16), 1);
  assert.equal(head.readBigUInt64BE(head.length - 8), BigInt(16 + 3 * sampleBytes));
  const table = head.indexOf('co64') + 12;
  const offsets = [0, 1, 2].map((i) => Number(head.readBigUInt64BE(table + 8 * i)));
  assert.deepEqual(
    offsets,
    [0, 1, 2].map((i) => head.length + i * sampleBytes),
  );
  for (const [i, offset] of offsets.entries()) {
    const end = offset + sampleBytes;
    assert.equal((await range(end - 1, end)).toString(), 'ABC'[i]);
  }
});

test('the index of an hour is made in a moment', { timeout: 120_000 }, async (context) => {
  const folder = await temporaryFolder(context);
  const tracks = await hour(folder);
  const heapBefore = process.memoryUsage().heapUsed;
  const began = performance.now();
  const movie = await openMovie(tracks);
  const tookMs = performance.now() - began;
  assert.equal(movie.durationMs, 3_600_000);
  assert.equal((await openFlv(tracks)).durationMs, 3_600_000);
  const heapMb = (process.memoryUsage().heapUsed - heapBefore) / 1e6;
  context.diagnostic(
    `index of 1 h (108,000 pictures, 168,750 sounds, ${tracks[0]!.segments.length * 2} files) made in ${tookMs.toFixed(0)} ms, ` +
      `heap +${heapMb.toFixed(0)} MB, file of ${(movie.size / 1e6).toFixed(0)} MB`,
  );
});

/** An hour at 30 pictures a second: sizes are small, counts are real. */
async function hour(folder: string): Promise<MovieTrack[]> {
  const [sps, pps] = splitAnnexB(
    Buffer.from('000000016742c0208c8d402802dd37010d01078442350000000168ce3c80', 'hex'),
  );
  const make = async (
    kind: 'video' | 'audio',
    config: MovieTrack['segments'][number]['config'],
    timescale: number,
    perSegment: number,
    sampleUs: number,
  ) => {
    const total = Math.round(3_600_000_000 / sampleUs);
    const segments = [];
    for (let first = 0; first < total; first += perSegment) {
      const parts: Uint8Array[] = [];
      for (let at = first; at < Math.min(total, first + perSegment); at += perSegment / 4) {
        const count = Math.min(Math.ceil(perSegment / 4), total - at);
        parts.push(
          fragment({
            sequence: at + 1,
            baseDecodeTime: ticks(at * sampleUs, timescale),
            samples: Array.from({ length: count }, (_, i) => ({
              data: new Uint8Array(40),
              key: at + i === first || kind === 'audio',
              durationTicks:
                ticks((at + i + 1) * sampleUs, timescale) - ticks((at + i) * sampleUs, timescale),
            })),
          }),
        );
      }
      const path = join(folder, `${kind}-${first}.m4s`);
      await writeFile(path, Buffer.concat(parts));
      segments.push({ path, config });
    }
    return { kind, segments };
  };
  return [
    await make('video', avcConfig(sps!, pps!), 90_000, 60, 1_000_000 / 30),
    await make('audio', aacConfig(48_000, 2), 48_000, 96, 1_024_000_000 / 48_000),
  ];
}
