// The MP4 of a recording, which exists nowhere: an index in memory, and byte ranges of segment files.
// A progressive file with its `moov` in front (ISO/IEC 14496-12), so it plays while it downloads.
import { createHash } from 'node:crypto';
import { open, type FileHandle } from 'node:fs/promises';
import { LecternError } from '#shared/contract/errors.ts';
import { displaySize, writeAvcc } from '#shared/media/avc.ts';
import { box, fileType, fullBox, mediaBox, movieHeader, trackHeader } from '#shared/media/boxes.ts';
import { ByteWriter, concatBytes } from '#shared/media/bytes.ts';
import { ticks, ticksToUs, timescaleOf, VIDEO_TIMESCALE, type FragmentInfo } from '#shared/media/fmp4.ts';
import { needsWideOffsets, SampleTable } from '#shared/media/sample-table.ts';
import {
  ConfigPool,
  readAhead,
  scanSegment,
  type MovieSegment,
  type MovieTrack,
  type VirtualFile,
} from './movie-source.ts';

/** Of movie header and edit lists: fine enough for an offset between sound and picture. */
const MOVIE_TIMESCALE = VIDEO_TIMESCALE;
/** The largest piece that is read and handed on at once. */
const READ_BYTES = 256 * 1024;

/** A run of bytes of the media data: one chunk of one track. */
interface Extent {
  readonly startUs: number;
  /** What stands before the file's bytes: parameter sets in front of a key frame. */
  readonly prefix: Uint8Array | null;
  readonly path: string;
  readonly offset: number;
  readonly fileBytes: number;
}

interface ScannedTrack {
  readonly kind: 'video' | 'audio';
  readonly timescale: number;
  readonly size: { width: number; height: number } | null;
  readonly table: SampleTable;
  readonly extents: readonly Extent[];
  /** Where each extent begins in the media data; filled in once all tracks are known. */
  readonly chunkOffsets: number[];
  /** Presentation time of the first sample. */
  readonly startUs: number;
}

/**
 * Computes the MP4 of these tracks. The timeline starts at 0 with the earliest sample; gaps stay gaps;
 * each distinct configuration is a sample description, and where there are several, parameter sets
 * stand in front of the key frames too, for players that know only the first description. Reads the
 * index boxes of every segment file, so keep the result while it is in use.
 * Throws LecternError `not-found` if there is no sample at all.
 */
export async function openMovie(tracks: readonly MovieTrack[]): Promise<VirtualFile> {
  const scanned = (await Promise.all(tracks.map(scanTrack))).filter((track) => track !== null);
  if (scanned.length === 0)
    throw new LecternError('not-found', 'This recording holds no sound or picture yet.');
  const originUs = Math.min(...scanned.map((track) => track.startUs));

  // Chunks of all tracks in the order of time, so that a player needs no seeking.
  const placed = scanned
    .flatMap((track) => track.extents.map((extent) => ({ track, extent })))
    .sort((a, b) => a.extent.startUs - b.extent.startUs);
  const positions: number[] = [];
  let mediaBytes = 0;
  for (const { track, extent } of placed) {
    positions.push(mediaBytes);
    track.chunkOffsets.push(mediaBytes);
    mediaBytes += extentBytes(extent);
  }

  const writers = scanned.map((track, index) => trackWriter(track, index + 1, originUs));
  const durationTicks = Math.max(...writers.map((writer) => writer.durationTicks));
  const header = movieHeader(MOVIE_TIMESCALE, durationTicks, writers.length + 1);
  const writeMovie = (mediaStart: number, wide: boolean) =>
    box('moov', header, ...writers.map((writer) => writer.write(mediaStart, wide)));

  const ftyp = fileType('isom', 'iso2', 'avc1', 'mp41');
  // The index's length depends on the width of its offsets alone, so a first draft tells where media starts.
  const narrowStart = ftyp.length + writeMovie(0, false).length + 8;
  const wide = needsWideOffsets(narrowStart + mediaBytes);
  const mediaStart = wide ? ftyp.length + writeMovie(0, true).length + 16 : narrowStart;
  const moov = writeMovie(mediaStart, wide);
  const mdat = new ByteWriter(16).u32(wide ? 1 : mediaBytes + 8).latin1('mdat');
  if (wide) mdat.u64(mediaBytes + 16);
  const head = concatBytes([ftyp, moov, mdat.finish()]);

  const size = head.length + mediaBytes;
  const extents = placed.map(({ extent }) => extent);
  return {
    size,
    etag: `"${createHash('sha256').update(head).digest('base64url')}"`,
    durationMs: Math.round((durationTicks * 1000) / MOVIE_TIMESCALE),
    stream(start = 0, end = size) {
      if (start < 0 || end > size || start > end) throw new RangeError('range outside of the file');
      return readRange(head, extents, positions, start, end);
    },
  };
}

async function scanTrack(track: MovieTrack): Promise<ScannedTrack | null> {
  const pool = new ConfigPool();
  const segments: MovieSegment[] = track.segments.map((segment) => ({
    ...segment,
    config: pool.intern(segment.config),
  }));
  const [first] = segments;
  if (!first) return null;
  const timescale = timescaleOf(first.config);
  const table = new SampleTable(track.kind);
  const extents: Extent[] = [];
  const size = { width: 0, height: 0 };
  let startUs: number | null = null;
  for await (const { item, result } of readAhead(segments, ({ path }) => scanSegment(path))) {
    const { path, config, earlierUs = 0 } = item;
    const own = timescaleOf(config);
    const scale = (value: number) => (own === timescale ? value : ticks(ticksToUs(value, own), timescale));
    const earlierTicks = ticks(earlierUs, timescale);
    let prefix = config.codec === 'h264' && pool.size > 1 ? writeAvcc(config.sets) : null;
    if (config.codec === 'h264') {
      const shown = displaySize(config);
      size.width = Math.max(size.width, shown.width);
      size.height = Math.max(size.height, shown.height);
    }
    for (const run of contiguousRuns(result)) {
      const [head] = run;
      const last = run.at(-1);
      if (!head || !last) continue;
      startUs ??= ticksToUs(head.dtsTicks + head.ctsTicks, own) - earlierUs;
      if (!head.key) prefix = null;
      table.startChunk(config);
      for (const sample of run) {
        table.add({
          dtsTicks: scale(sample.dtsTicks) - earlierTicks,
          durationTicks: scale(sample.durationTicks),
          ctsTicks: scale(sample.ctsTicks),
          key: sample.key,
          sizeBytes: sample.sizeBytes + (sample === head && prefix ? prefix.length : 0),
        });
      }
      extents.push({
        // Never back, or the chunks of a track would lie in another order than its table has them.
        startUs: Math.max(ticksToUs(head.dtsTicks, own) - earlierUs, extents.at(-1)?.startUs ?? -Infinity),
        prefix,
        path,
        offset: head.offset,
        fileBytes: last.offset + last.sizeBytes - head.offset,
      });
      prefix = null;
    }
  }
  if (startUs === null) return null;
  return {
    kind: track.kind,
    timescale,
    size: track.kind === 'video' ? size : null,
    table,
    extents,
    chunkOffsets: [],
    startUs,
  };
}

/** Samples that lie one behind the other, as they do within a fragment. */
function contiguousRuns(fragments: readonly FragmentInfo[]): FragmentInfo['samples'][] {
  const runs: FragmentInfo['samples'][number][][] = [];
  for (const { samples } of fragments) {
    let expected = -1;
    for (const sample of samples) {
      const run = runs.at(-1);
      if (run && sample.offset === expected) run.push(sample);
      else runs.push([sample]);
      expected = sample.offset + sample.sizeBytes;
    }
  }
  return runs;
}

/** Prepares a `trak`; its duration is in the movie's timescale. */
function trackWriter(track: ScannedTrack, trackId: number, originUs: number) {
  const { table, timescale } = track;
  const toMovie = (value: number) => ticks(ticksToUs(value, timescale), MOVIE_TIMESCALE);
  const delayTicks = ticks(track.startUs - originUs, MOVIE_TIMESCALE);
  const shownTicks = toMovie(table.shownTicks);
  const durationTicks = delayTicks + shownTicks;
  const makeTable = table.finish();
  // §8.6.6: an empty edit delays the track, the other leaves out what lies before its first picture.
  const edits = new ByteWriter(64).u32(delayTicks > 0 ? 2 : 1); // entry_count
  if (delayTicks > 0) {
    edits
      .u64(delayTicks) // segment_duration
      .u32(-1) // media_time: -1, of 64 bits
      .u32(-1)
      .u16(1) // media_rate_integer
      .u16(0); // media_rate_fraction
  }
  edits
    .u64(shownTicks) // segment_duration
    .u64(Math.max(0, table.startShiftTicks)) // media_time
    .u16(1) // media_rate_integer
    .u16(0); // media_rate_fraction
  const elst = fullBox('elst', 1, 0, edits.finish());
  return {
    durationTicks,
    write: (mediaStart: number, wide: boolean) => {
      const chunkOffsets = track.chunkOffsets.map((offset) => mediaStart + offset);
      return box(
        'trak',
        trackHeader(trackId, durationTicks, track.size),
        box('edts', elst),
        mediaBox(track.kind, timescale, table.durationTicks, makeTable(chunkOffsets, wide)),
      );
    },
  };
}

function extentBytes(extent: Extent): number {
  return (extent.prefix?.length ?? 0) + extent.fileBytes;
}

async function* readRange(
  head: Uint8Array,
  extents: readonly Extent[],
  positions: readonly number[],
  start: number,
  end: number,
): AsyncGenerator<Uint8Array, void, undefined> {
  const files = new OpenFiles();
  try {
    for (let at = start; at < Math.min(end, head.length); at += READ_BYTES) {
      yield head.subarray(at, Math.min(end, head.length, at + READ_BYTES));
    }
    const mediaStart = Math.max(0, start - head.length);
    const mediaEnd = end - head.length;
    for (let index = lastAtOrBefore(positions, mediaStart); index < extents.length; index += 1) {
      const extent = extents[index];
      const position = positions[index];
      if (!extent || position === undefined || position >= mediaEnd) break;
      const from = Math.max(0, mediaStart - position);
      const to = Math.min(extentBytes(extent), mediaEnd - position);
      if (from < to) yield* readExtent(files, extent, from, to);
    }
  } finally {
    await files.close();
  }
}

async function* readExtent(
  files: OpenFiles,
  extent: Extent,
  from: number,
  to: number,
): AsyncGenerator<Uint8Array> {
  const prefixBytes = extent.prefix?.length ?? 0;
  if (extent.prefix && from < prefixBytes) yield extent.prefix.subarray(from, Math.min(to, prefixBytes));
  let at = extent.offset + Math.max(0, from - prefixBytes);
  const end = extent.offset + to - prefixBytes;
  while (at < end) {
    const file = await files.open(extent.path);
    const buffer = new Uint8Array(Math.min(READ_BYTES, end - at));
    const { bytesRead } = await file.read(buffer, 0, buffer.length, at);
    if (bytesRead === 0) throw new Error(`segment file became shorter: ${extent.path}`);
    yield buffer.subarray(0, bytesRead);
    at += bytesRead;
  }
}

/** The files in use: chunks of sound and picture alternate, so the last few stay open. */
class OpenFiles {
  static readonly #LIMIT = 4;
  readonly #files = new Map<string, FileHandle>();

  async open(path: string): Promise<FileHandle> {
    const known = this.#files.get(path);
    if (known) return known;
    const [oldest] = this.#files;
    if (oldest && this.#files.size >= OpenFiles.#LIMIT) {
      this.#files.delete(oldest[0]);
      await oldest[1].close();
    }
    const file = await open(path, 'r');
    this.#files.set(path, file);
    return file;
  }

  async close(): Promise<void> {
    const files = [...this.#files.values()];
    this.#files.clear();
    await Promise.allSettled(files.map((file) => file.close()));
  }
}

/** The index of the last of rising `positions` that is at or before `at`; 0 if none is. */
function lastAtOrBefore(positions: readonly number[], at: number): number {
  let low = 0;
  let high = positions.length - 1;
  while (low < high) {
    const middle = Math.ceil((low + high) / 2);
    if ((positions[middle] ?? 0) <= at) low = middle;
    else high = middle - 1;
  }
  return low;
}
