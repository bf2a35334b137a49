// The FLV of a recording, written while it is read: its segments' samples as tags, in one pass.
import { LecternError } from '#shared/contract/errors.ts';
import { concatBytes } from '#shared/media/bytes.ts';
import {
  audioBody,
  audioConfigBody,
  flvHeader,
  flvTag,
  flvTimestampMs,
  metadataBody,
  videoBody,
  videoConfigBody,
  videoEndBody,
} from '#shared/media/flv.ts';
import { readFragments, ticksToUs, timescaleOf } from '#shared/media/fmp4.ts';
import type { AudioConfig, AvcConfig, Frame } from '#shared/media/frame.ts';
import { ConfigPool, readAhead, readSegment, scanSegment, type MovieTrack } from './movie-source.ts';

/** Tags are handed on together, about this many bytes at once. */
const FLUSH_BYTES = 64 * 1024;
/** Segments are read whole, so only the next one of each track is read ahead. */
const READ_AHEAD = 2;

/**
 * Writes the FLV of these tracks, at most one of each kind: metadata, then tags in decoding order from
 * timestamp 0, with a sequence header wherever the configuration changes. Throws LecternError
 * `not-found` if there is no sample, and what the disk throws.
 */
export async function* flvFile(tracks: readonly MovieTrack[]): AsyncGenerator<Uint8Array, void, undefined> {
  const sources = tracks.map(readFrames);
  try {
    yield* writeTags(sources, tracks);
  } finally {
    await Promise.all(sources.map((source) => source.return()));
  }
}

async function* writeTags(
  sources: readonly AsyncGenerator<Frame, void, undefined>[],
  tracks: readonly MovieTrack[],
): AsyncGenerator<Uint8Array, void, undefined> {
  // The next frame of each track; the earliest of them is written.
  const heads = (await Promise.all(sources.map(nextHead))).filter((head) => head !== null);
  if (heads.length === 0)
    throw new LecternError('not-found', 'This recording holds no sound or picture yet.');
  const originUs = Math.min(...heads.map(({ frame }) => decodeUs(frame)));
  const endUs = Math.max(...(await Promise.all(tracks.map(trackEndUs))));
  let pending: Uint8Array[] = [];
  let pendingBytes = 0;
  const put = (piece: Uint8Array) => {
    pending.push(piece);
    pendingBytes += piece.length;
  };
  const flush = () => {
    const bytes = concatBytes(pending);
    pending = [];
    pendingBytes = 0;
    return bytes;
  };

  const video = heads.map(({ frame }) => frame).find((frame) => frame.kind === 'video')?.config;
  const audio = heads.map(({ frame }) => frame).find((frame) => frame.kind === 'audio')?.config;
  put(flvHeader({ audio: audio !== undefined, video: video !== undefined }));
  const durationS = Math.max(0, endUs - originUs) / 1_000_000;
  put(flvTag('script', 0, metadataBody({ durationS, ...(video && { video }), ...(audio && { audio }) })));

  const configs: { video?: AvcConfig; audio?: AudioConfig } = {};
  const lastMs = { video: -1, audio: -1 };
  while (heads.length > 0) {
    const head = heads.reduce((a, b) => (decodeUs(b.frame) < decodeUs(a.frame) ? b : a));
    const { frame } = head;
    // Two frames of a kind at one time are one too many for demuxers.
    const timestampMs = Math.max(flvTimestampMs(decodeUs(frame) - originUs), lastMs[frame.kind] + 1);
    lastMs[frame.kind] = timestampMs;
    if (frame.kind === 'video') {
      if (configs.video !== frame.config) put(flvTag('video', timestampMs, videoConfigBody(frame.config)));
      configs.video = frame.config;
      put(flvTag('video', timestampMs, videoBody(frame)));
    } else {
      if (configs.audio !== frame.config) put(flvTag('audio', timestampMs, audioConfigBody(frame.config)));
      configs.audio = frame.config;
      put(flvTag('audio', timestampMs, audioBody(frame)));
    }
    if (pendingBytes >= FLUSH_BYTES) yield flush();
    const next = await head.source.next();
    if (next.done) heads.splice(heads.indexOf(head), 1);
    else head.frame = next.value;
  }
  if (configs.video) put(flvTag('video', Math.max(0, lastMs.video), videoEndBody()));
  yield flush();
}

async function nextHead(source: AsyncGenerator<Frame, void, undefined>) {
  const first = await source.next();
  return first.done ? null : { source, frame: first.value };
}

/** The frames of a track in decoding order, from one segment file after another. */
async function* readFrames(track: MovieTrack): AsyncGenerator<Frame, void, undefined> {
  const pool = new ConfigPool();
  for await (const { item, result } of readAhead(
    track.segments,
    ({ path }) => readSegment(path),
    READ_AHEAD,
  )) {
    if (!result) continue;
    const config = pool.intern(item.config);
    const timescale = timescaleOf(config);
    const { earlierUs = 0 } = item;
    for (const { samples } of readFragments(result).fragments) {
      for (const sample of samples) {
        const dtsUs = ticksToUs(sample.dtsTicks, timescale) - earlierUs;
        const ptsUs = ticksToUs(sample.dtsTicks + sample.ctsTicks, timescale) - earlierUs;
        const data = result.subarray(sample.offset, sample.offset + sample.sizeBytes);
        if (config.codec === 'h264') {
          yield { kind: 'video', ptsUs, dtsUs, key: sample.key, data, config };
        } else {
          const durationUs = ticksToUs(sample.durationTicks, timescale);
          yield { kind: 'audio', ptsUs, durationUs, data, config };
        }
      }
    }
  }
}

/** Where a track ends, from its last segment that is there; 0 for an empty one. */
async function trackEndUs(track: MovieTrack): Promise<number> {
  for (const { path, config, earlierUs = 0 } of track.segments.toReversed()) {
    const last = (await scanSegment(path)).at(-1)?.samples.at(-1);
    if (last) return ticksToUs(last.dtsTicks + last.durationTicks, timescaleOf(config)) - earlierUs;
  }
  return 0;
}

function decodeUs(frame: Frame): number {
  return frame.kind === 'video' ? frame.dtsUs : frame.ptsUs;
}
