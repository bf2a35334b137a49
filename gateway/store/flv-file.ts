// The FLV of a recording, which exists nowhere: an index in memory, and tags that are made of the segments' samples
// while they are read.
import { createHash } from 'node:crypto';
import { LecternError } from '#shared/contract/errors.ts';
import { concatBytes } from '#shared/media/bytes.ts';
import {
  audioBody,
  audioConfigBody,
  flvHeader,
  flvTag,
  flvTimestampMs,
  frameTagBytes,
  metadataBody,
  videoBody,
  videoConfigBody,
  videoEndBody,
} from '#shared/media/flv.ts';
import { ticksToUs, timescaleOf } from '#shared/media/fmp4.ts';
import type { AudioConfig, AvcConfig } from '#shared/media/frame.ts';
import { FlvIndex, type FlvTagInfo } from './flv-index.ts';
import {
  ConfigPool,
  readAhead,
  readSegment,
  scanSegment,
  type MovieSegment,
  type MovieTrack,
  type VirtualFile,
} from './movie-source.ts';

/** Tags are handed on together, about this many bytes at once. */
const FLUSH_BYTES = 64 * 1024;

type Config = AvcConfig | AudioConfig;

/** A sample of a segment file, at its times on the timeline of the recording. */
interface Sample {
  readonly segment: number;
  readonly config: Config;
  readonly offset: number;
  readonly sizeBytes: number;
  readonly dtsUs: number;
  readonly ptsUs: number;
  readonly endUs: number;
  readonly key: boolean;
}

/** Key frames as `onMetaData` names them. */
interface Keyframes {
  readonly timesS: number[];
  readonly filePositions: number[];
}

/**
 * Computes the FLV of these tracks, at most one of each kind: metadata with the duration and where the key frames are,
 * then tags in decoding order from timestamp 0, with a sequence header wherever the configuration changes. Reads the
 * index boxes of every segment file, so keep the result while it is in use.
 * Throws LecternError `not-found` if there is no sample, and what the disk throws.
 */
export async function openFlv(tracks: readonly MovieTrack[]): Promise<VirtualFile> {
  const segments = tracks.flatMap((track) => track.segments);
  let from = 0;
  const sources = tracks.map((track) => {
    const source = readSamples(track, from);
    from += track.segments.length;
    return source;
  });
  try {
    return await planFile(segments, sources);
  } finally {
    await Promise.all(sources.map((source) => source.return()));
  }
}

async function planFile(
  segments: readonly MovieSegment[],
  sources: readonly AsyncGenerator<Sample, void, undefined>[],
): Promise<VirtualFile> {
  // The next sample of each track; the earliest of them is written.
  const heads = (await Promise.all(sources.map(nextHead))).filter((head) => head !== null);
  if (heads.length === 0)
    throw new LecternError('not-found', 'This recording holds no sound or picture yet.');
  const originUs = Math.min(...heads.map(({ sample }) => decodeUs(sample)));
  const first = heads.map(({ sample }) => sample.config);
  const video = first.find((config) => config.codec === 'h264');
  const audio = first.find((config) => config.codec !== 'h264');

  const index = new FlvIndex();
  const configs: { video?: Config; audio?: Config } = {};
  const lastMs = { video: -1, audio: -1 };
  const keyframes: Keyframes = { timesS: [], filePositions: [] };
  let endUs = originUs;
  while (heads.length > 0) {
    const head = heads.reduce((a, b) => (decodeUs(b.sample) < decodeUs(a.sample) ? b : a));
    const { sample } = head;
    const { config } = sample;
    const kind = kindOf(config);
    // Two frames of a kind at one time are one too many for demuxers.
    const timestampMs = Math.max(flvTimestampMs(decodeUs(sample) - originUs), lastMs[kind] + 1);
    lastMs[kind] = timestampMs;
    endUs = Math.max(endUs, sample.endUs);
    const isNewConfig = configs[kind] !== config;
    configs[kind] = config;
    if (kind === 'video' && sample.key) {
      keyframes.timesS.push(timestampMs / 1_000);
      keyframes.filePositions.push(index.bytes);
    }
    const compositionMs = Math.round(sample.ptsUs / 1_000) - Math.round(sample.dtsUs / 1_000);
    const tag = { ...sample, timestampMs, compositionMs, isNewConfig };
    const before = isNewConfig ? configTag(config, timestampMs).length : 0;
    index.add(tag, before + frameTagBytes(config.codec, sample.sizeBytes));
    const next = await head.source.next();
    if (next.done) heads.splice(heads.indexOf(head), 1);
    else head.sample = next.value;
  }
  const tail =
    configs.video === undefined ? new Uint8Array(0) : flvTag('video', lastMs.video, videoEndBody());

  const durationS = Math.max(0, endUs - originUs) / 1_000_000;
  const headOf = (tagsAt: number) => {
    const filePositions = keyframes.filePositions.map((position) => tagsAt + position);
    const metadata = {
      durationS,
      fileBytes: tagsAt + index.bytes + tail.length,
      ...(video && { video, keyframes: { timesS: keyframes.timesS, filePositions } }),
      ...(audio && { audio }),
    };
    return concatBytes([
      flvHeader({ audio: audio !== undefined, video: video !== undefined }),
      flvTag('script', 0, metadataBody(metadata)),
    ]);
  };
  // Numbers are of one length whatever they are, so a first draft tells where the tags begin.
  const head = headOf(headOf(0).length);
  const size = head.length + index.bytes + tail.length;
  const etag = createHash('sha256').update(head).update(index.finish()).digest('base64url');
  return {
    size,
    etag: `"${etag}"`,
    durationMs: Math.round(durationS * 1_000),
    stream(start = 0, end = size) {
      if (start < 0 || end > size || start > end) throw new RangeError('range outside of the file');
      return readRange({ head, index, segments, tail }, start, end);
    },
  };
}

interface Layout {
  readonly head: Uint8Array;
  readonly index: FlvIndex;
  readonly segments: readonly MovieSegment[];
  readonly tail: Uint8Array;
}

async function* readRange(
  { head, index, segments, tail }: Layout,
  start: number,
  end: number,
): AsyncGenerator<Uint8Array, void, undefined> {
  let pending: Uint8Array[] = [];
  let pendingBytes = 0;
  /** Takes what of `piece`, which begins at the byte `at`, is asked for. */
  const put = (piece: Uint8Array, at: number) => {
    const asked = piece.subarray(Math.max(0, start - at), Math.max(0, end - at));
    pending.push(asked);
    pendingBytes += asked.length;
  };
  const flush = () => {
    const bytes = concatBytes(pending);
    pending = [];
    pendingBytes = 0;
    return bytes;
  };

  put(head, 0);
  const files = new LastSegments(segments);
  const begun = index.before(Math.max(0, start - head.length));
  let at = head.length + begun.position;
  for (let i = begun.index; i < index.count && at < end; i += 1) {
    const tag = index.at(i);
    const { config } = files.segmentOf(tag);
    const before = tag.isNewConfig ? configTag(config, tag.timestampMs) : undefined;
    if (before !== undefined) {
      put(before, at);
      at += before.length;
    }
    const bytes = frameTagBytes(config.codec, tag.sizeBytes);
    if (at + bytes > start && at < end) put(frameTag(config, tag, await files.dataOf(tag)), at);
    at += bytes;
    if (pendingBytes >= FLUSH_BYTES) yield flush();
  }
  put(tail, head.length + index.bytes);
  yield flush();
}

/** The segment file of each kind that was read last: tags of sound and picture alternate. */
class LastSegments {
  readonly #segments: readonly MovieSegment[];
  readonly #last = new Map<'video' | 'audio', { segment: number; bytes: Uint8Array }>();

  constructor(segments: readonly MovieSegment[]) {
    this.#segments = segments;
  }

  segmentOf({ segment }: FlvTagInfo): MovieSegment {
    const found = this.#segments[segment];
    if (found === undefined) throw new RangeError(`there is no segment ${segment}`);
    return found;
  }

  /** Throws if the file is gone or became shorter. */
  async dataOf(tag: FlvTagInfo): Promise<Uint8Array> {
    const { path, config } = this.segmentOf(tag);
    const kind = kindOf(config);
    let last = this.#last.get(kind);
    if (last?.segment !== tag.segment) {
      last = { segment: tag.segment, bytes: (await readSegment(path)) ?? new Uint8Array(0) };
      this.#last.set(kind, last);
    }
    const data = last.bytes.subarray(tag.offset, tag.offset + tag.sizeBytes);
    if (data.length < tag.sizeBytes) throw new Error(`segment file became shorter: ${path}`);
    return data;
  }
}

async function nextHead(source: AsyncGenerator<Sample, void, undefined>) {
  const first = await source.next();
  return first.done ? null : { source, sample: first.value };
}

/** The samples of a track in decoding order, from one segment file after another, the first being `from` of all. */
async function* readSamples(track: MovieTrack, from: number): AsyncGenerator<Sample, void, undefined> {
  const pool = new ConfigPool();
  const segments = track.segments.map((segment, index) => ({ ...segment, index: from + index }));
  for await (const { item, result } of readAhead(segments, ({ path }) => scanSegment(path))) {
    const config = pool.intern(item.config);
    const timescale = timescaleOf(config);
    const { earlierUs = 0 } = item;
    const toUs = (ticks: number) => ticksToUs(ticks, timescale) - earlierUs;
    for (const { samples } of result) {
      for (const { offset, sizeBytes, dtsTicks, ctsTicks, durationTicks, key } of samples) {
        yield {
          segment: item.index,
          config,
          offset,
          sizeBytes,
          dtsUs: toUs(dtsTicks),
          ptsUs: toUs(dtsTicks + ctsTicks),
          endUs: toUs(dtsTicks + durationTicks),
          key,
        };
      }
    }
  }
}

const kindOf = ({ codec }: Config): 'video' | 'audio' => (codec === 'h264' ? 'video' : 'audio');

const decodeUs = ({ config, dtsUs, ptsUs }: Sample): number => (config.codec === 'h264' ? dtsUs : ptsUs);

const configTag = (config: Config, timestampMs: number): Uint8Array =>
  config.codec === 'h264'
    ? flvTag('video', timestampMs, videoConfigBody(config))
    : flvTag('audio', timestampMs, audioConfigBody(config));

function frameTag(
  config: Config,
  { timestampMs, compositionMs, key }: FlvTagInfo,
  data: Uint8Array,
): Uint8Array {
  if (config.codec === 'h264') {
    const ptsUs = compositionMs * 1_000;
    return flvTag('video', timestampMs, videoBody({ kind: 'video', ptsUs, dtsUs: 0, key, data, config }));
  }
  return flvTag('audio', timestampMs, audioBody({ kind: 'audio', ptsUs: 0, durationUs: 0, data, config }));
}
