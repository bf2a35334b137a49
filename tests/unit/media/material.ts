// Real media for these tests: ffmpeg makes it, our own demuxer reads it, segment files are cut from it.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { promisify } from 'node:util';
import {
  FlvDemuxer,
  parseAudioBody,
  parseVideoBody,
  videoFrameFromBody,
  type FlvTag,
} from '#shared/media/flv.ts';
import { fragment, ticks, timescaleOf } from '#shared/media/fmp4.ts';
import type { AudioConfig, AvcConfig, Frame } from '#shared/media/frame.ts';
import { audioFrameFromBody } from '../../support/flv-frames.ts';
import type { MovieTrack } from '../../../gateway/store/movie-source.ts';

const run = promisify(execFile);
const MAX_OUTPUT = 256 * 1024 * 1024;

export interface Recipe {
  size?: string;
  seconds?: number;
  /** Extra arguments for libx264. */
  video?: string[];
  audio?: 'aac' | 'none';
}

/** A picture that moves and a tone, as ffmpeg's own FLV. */
export async function makeFlv(recipe: Recipe = {}): Promise<Uint8Array> {
  const { size = '320x180', seconds = 4, video = ['-bf', '0'], audio = 'aac' } = recipe;
  const input = ['-f', 'lavfi', '-i', `testsrc2=size=${size}:rate=30:duration=${seconds}`];
  if (audio === 'aac')
    input.push('-f', 'lavfi', '-i', `sine=frequency=440:sample_rate=48000:duration=${seconds}`);
  const codecs = ['-c:v', 'libx264', '-preset', 'ultrafast', '-g', '30', '-pix_fmt', 'yuv420p', ...video];
  const { stdout } = await run(
    'ffmpeg',
    ['-v', 'error', '-threads', '1', ...input, ...codecs, '-c:a', 'aac', '-ac', '2', '-f', 'flv', 'pipe:1'],
    { encoding: 'buffer', maxBuffer: MAX_OUTPUT },
  );
  return new Uint8Array(stdout);
}

/** All tags of a file, pushed in pieces of an awkward size. */
export function demux(flv: Uint8Array, pieceBytes = 4_099): FlvTag[] {
  const demuxer = new FlvDemuxer();
  const tags: FlvTag[] = [];
  for (let at = 0; at < flv.length; at += pieceBytes)
    tags.push(...demuxer.readBytes(flv.subarray(at, at + pieceBytes)));
  return tags;
}

/** The frames of an FLV, moved by `offsetUs`. */
export function framesOf(flv: Uint8Array, offsetUs = 0): Frame[] {
  const frames: Frame[] = [];
  let video: AvcConfig | undefined;
  let audio: AudioConfig | undefined;
  for (const tag of demux(flv)) {
    const timeUs = tag.timestampMs * 1000 + offsetUs;
    if (tag.type === 'video') {
      const body = parseVideoBody(tag.body);
      if (body.type === 'config') video = body.config;
      if (body.type !== 'frame' || !video) continue;
      const frame = videoFrameFromBody(body, video, timeUs);
      if (frame) frames.push(frame);
    } else if (tag.type === 'audio') {
      const body = parseAudioBody(tag.body);
      if (body.type === 'config') audio = body.config;
      if (body.type === 'frame' && audio) frames.push(audioFrameFromBody(body, audio, timeUs));
    }
  }
  return frames;
}

/** A folder that is gone after the test. */
export async function temporaryFolder(context: TestContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'lectern-media-'));
  context.after(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

/** One fragment of these frames of one track; the last one's duration is that of the one before. */
export function fragmentOf(frames: readonly Frame[], sequence: number, nextDtsUs?: number): Uint8Array {
  const timescale = timescaleOf(frames[0]!.config);
  const starts = frames.map((frame) => ticks(dtsUs(frame), timescale));
  const end = nextDtsUs === undefined ? undefined : ticks(nextDtsUs, timescale);
  return fragment({
    sequence,
    baseDecodeTime: starts[0]!,
    samples: frames.map((frame, i) => ({
      data: frame.data,
      key: frame.kind === 'audio' || frame.key,
      durationTicks: (starts[i + 1] ?? end ?? 2 * starts[i]! - (starts[i - 1] ?? starts[i]!)) - starts[i]!,
      ctsTicks: frame.kind === 'audio' ? 0 : ticks(frame.ptsUs, timescale) - starts[i]!,
    })),
  });
}

/** Writes the frames as the recorder does: segments from key frame to key frame, two fragments in each. */
export async function writeTracks(
  folder: string,
  frames: readonly Frame[],
  name = 's',
): Promise<MovieTrack[]> {
  const tracks: MovieTrack[] = [];
  for (const kind of ['video', 'audio'] as const) {
    const own = frames.filter((frame) => frame.kind === kind);
    const groups: Frame[][] = [];
    for (const frame of own) {
      const group = groups.at(-1);
      const cut = frame.kind === 'video' ? frame.key : (group?.length ?? 0) >= 94;
      if (!group || cut || group[0]!.config !== frame.config) groups.push([frame]);
      else group.push(frame);
    }
    const segments = [];
    for (const [i, group] of groups.entries()) {
      const path = join(folder, `${name}-${kind}-${i}.m4s`);
      const half = Math.max(1, Math.floor(group.length / 2));
      const parts = [group.slice(0, half), group.slice(half)].filter((part) => part.length > 0);
      const after = groups[i + 1]?.[0];
      const next = after && after.config === group[0]!.config ? dtsUs(after) : undefined;
      const bytes = parts.map((part, k) => {
        const following = parts[k + 1]?.[0];
        return fragmentOf(part, 2 * i + k + 1, following ? dtsUs(following) : next);
      });
      await writeFile(path, Buffer.concat(bytes));
      segments.push({ path, config: group[0]!.config });
    }
    if (segments.length > 0) tracks.push({ kind, segments });
  }
  return tracks;
}

/** Puts all that comes into a file. */
export async function save(path: string, bytes: AsyncIterable<Uint8Array>): Promise<number> {
  const pieces: Uint8Array[] = [];
  for await (const piece of bytes) pieces.push(piece);
  const all = Buffer.concat(pieces);
  await writeFile(path, all);
  return all.length;
}

/**
 * What ffmpeg complains about while it decodes all of `input`. Frames keep their times: its default
 * rounds them to a guessed frame rate and then complains about its own rounding.
 */
export async function complaints(input: string): Promise<string> {
  const { stderr } = await run(
    'ffmpeg',
    ['-v', 'error', '-i', input, '-fps_mode', 'passthrough', '-enc_time_base', '-1', '-f', 'null', '-'],
    { maxBuffer: MAX_OUTPUT },
  );
  return stderr.trim();
}

/** Asserts that exactly these frames come out of `input`, each at its time after `originUs`. */
export async function assertPlays(input: string, frames: readonly Frame[], originUs: number): Promise<void> {
  assert.equal(await complaints(input), '');
  const found = await decodedFrames(input);
  for (const kind of ['video', 'audio'] as const) {
    const times = found.filter((frame) => frame.type === kind).map((frame) => frame.timeS);
    const wanted = frames
      .filter((frame) => frame.kind === kind)
      .map((frame) => (frame.ptsUs - originUs) / 1_000_000)
      .sort((a, b) => a - b);
    assert.equal(times.length, wanted.length, `frames of ${kind} in ${input}`);
    for (const [i, time] of times.entries()) {
      // FLV counts in milliseconds, and so does what ffprobe makes of it.
      assert.ok(Math.abs(time - wanted[i]!) < 0.0021, `${input} ${kind} ${i}: ${time} is not ${wanted[i]!}`);
    }
  }
}

export interface DecodedFrame {
  type: 'video' | 'audio';
  timeS: number;
  key: boolean;
  width?: number;
  height?: number;
}

/** Every frame that comes out of ffmpeg's decoders. */
export async function decodedFrames(input: string, more: readonly string[] = []): Promise<DecodedFrame[]> {
  const { stdout } = await run(
    'ffprobe',
    [
      '-v',
      'error',
      '-show_entries',
      'frame=media_type,pts_time,best_effort_timestamp_time,key_frame,width,height',
      ...more,
      '-of',
      'json',
      input,
    ],
    { maxBuffer: MAX_OUTPUT },
  );
  const { frames } = JSON.parse(stdout) as {
    frames: {
      media_type: 'video' | 'audio';
      best_effort_timestamp_time?: string;
      key_frame: number;
      width?: number;
      height?: number;
    }[];
  };
  return frames.map((frame) => ({
    type: frame.media_type,
    timeS: Number(frame.best_effort_timestamp_time),
    key: frame.key_frame === 1,
    ...(frame.width === undefined ? {} : { width: frame.width, height: frame.height ?? 0 }),
  }));
}

export function dtsUs(frame: Frame): number {
  return frame.kind === 'video' ? frame.dtsUs : frame.ptsUs;
}
