// Fragmented MP4 of a single track, as HLS and Media Source Extensions take it: writing the init segment
// and fragments, and reading them back. ISO/IEC 14496-12 §8.8 and CMAF (ISO/IEC 23000-19 §7.3).
import {
  box,
  fileType,
  findBox,
  fullBox,
  mediaBox,
  movieHeader,
  parseSampleDescriptions,
  readBoxes,
  readBoxHeader,
  sampleDescriptions,
  trackHeader,
} from './boxes.ts';
import { ByteReader, ByteWriter, MalformedError } from './bytes.ts';
import { displaySize } from './avc.ts';
import type { AudioConfig, AvcConfig } from './frame.ts';

export { readBoxes } from './boxes.ts';

/** Every file holds one track. */
const TRACK_ID = 1;
export const VIDEO_TIMESCALE = 90_000;

/** Sample flags (§8.8.3.1): depends on no other; or depends on others and is no sync sample. */
const FLAGS_KEY = 0x0200_0000;
const FLAGS_INTER = 0x0101_0000;
const NOT_SYNC = 0x0001_0000;

/** `tfhd` flags (§8.8.7.1). */
const TFHD = {
  baseOffset: 1,
  description: 2,
  duration: 8,
  size: 0x10,
  flags: 0x20,
  baseIsMoof: 0x20000,
} as const;
/** `trun` flags (§8.8.8.1). */
const TRUN = {
  dataOffset: 1,
  firstFlags: 4,
  duration: 0x100,
  size: 0x200,
  flags: 0x400,
  cts: 0x800,
} as const;
/** A fragment is a few seconds; this would be several minutes. */
const MAX_FRAGMENT_SAMPLES = 20_000;

/** Ticks per second of a track: 90,000 for video, the sample rate for audio. */
export function timescaleOf(config: AvcConfig | AudioConfig): number {
  return config.codec === 'h264' ? VIDEO_TIMESCALE : config.sampleRate;
}

/**
 * A time in µs as ticks, rounded. Convert absolute times and subtract, never sum up converted
 * durations: then the error stays below half a tick forever.
 */
export function ticks(timeUs: number, timescale: number): number {
  const seconds = Math.floor(timeUs / 1_000_000);
  return seconds * timescale + Math.round(((timeUs - seconds * 1_000_000) * timescale) / 1_000_000);
}

/** Ticks as a time in µs, rounded. */
export function ticksToUs(timeTicks: number, timescale: number): number {
  const seconds = Math.floor(timeTicks / timescale);
  return seconds * 1_000_000 + Math.round(((timeTicks - seconds * timescale) * 1_000_000) / timescale);
}

/** The init segment: `ftyp` and a `moov` without samples. */
export function initSegment(config: AvcConfig | AudioConfig): Uint8Array<ArrayBuffer> {
  const video = config.codec === 'h264' ? config : null;
  const timescale = timescaleOf(config);
  const none = new ByteWriter(16).u32(0).finish(); // entry_count
  const stsz = new ByteWriter(16)
    .u32(0) // sample_size: each its own
    .u32(0); // sample_count
  const stbl = box(
    'stbl',
    sampleDescriptions([config]),
    fullBox('stts', 0, 0, none),
    fullBox('stsc', 0, 0, none),
    fullBox('stsz', 0, 0, stsz.finish()),
    fullBox('stco', 0, 0, none),
  );
  const trak = box(
    'trak',
    trackHeader(TRACK_ID, 0, video && displaySize(video)),
    mediaBox(video ? 'video' : 'audio', timescale, 0, stbl),
  );
  const trex = new ByteWriter(24)
    .u32(TRACK_ID) // track_ID
    .u32(1) // default_sample_description_index
    .u32(0) // default_sample_duration
    .u32(0) // default_sample_size
    .u32(0); // default_sample_flags
  const moov = box(
    'moov',
    movieHeader(timescale, 0, TRACK_ID + 1),
    trak,
    box('mvex', fullBox('trex', 0, 0, trex.finish())),
  );
  return new ByteWriter(1024)
    .bytes(fileType('iso6', 'cmfc', 'mp41'))
    .bytes(moov)
    .finish();
}

/** Reads an init segment of one track back. Throws MalformedError. */
export function readInit(bytes: Uint8Array): { config: AvcConfig | AudioConfig; timescale: number } {
  let body = findBox(readBoxes(bytes), 'moov');
  for (const type of ['trak', 'mdia']) body = findBox(readBoxes(body), type);
  const mdia = readBoxes(body);
  const mdhd = new ByteReader(findBox(mdia, 'mdhd'));
  mdhd.skip(mdhd.u8() === 1 ? 19 : 11);
  const timescale = mdhd.u32();
  if (timescale === 0) throw new MalformedError('a track without a timescale');
  body = findBox(mdia, 'minf');
  for (const type of ['stbl', 'stsd']) body = findBox(readBoxes(body), type);
  return { config: parseSampleDescriptions(body), timescale };
}

/** A sample to be written. */
export interface FragmentSample {
  readonly data: Uint8Array;
  readonly durationTicks: number;
  /** True for an IDR picture and for every audio frame. */
  readonly key: boolean;
  /** Presentation minus decoding time; may be negative. */
  readonly ctsTicks?: number;
}

/**
 * One `moof` and its `mdat`. `sequence` counts the fragments of a stream from 1; `baseDecodeTime` is
 * the decoding time of the first sample in ticks.
 */
export function fragment(options: {
  readonly sequence: number;
  readonly baseDecodeTime: number;
  readonly samples: readonly FragmentSample[];
}): Uint8Array<ArrayBuffer> {
  const { sequence, baseDecodeTime, samples } = options;
  const shifted = samples.some((sample) => (sample.ctsTicks ?? 0) !== 0);
  const bytesPerSample = shifted ? 16 : 12;
  const trunBytes = 20 + bytesPerSample * samples.length;
  // mfhd 16, tfhd 16, tfdt 20, and the headers of traf and moof.
  const trafBytes = 8 + 16 + 20 + trunBytes;
  const moofBytes = 8 + 16 + trafBytes;
  let mediaBytes = 0;
  for (const sample of samples) mediaBytes += sample.data.length;

  // Into one buffer and not box by box: this is written for every part of every rendition.
  const out = new ByteWriter(moofBytes + 8 + mediaBytes);
  out.u32(moofBytes).latin1('moof');
  out.u32(16).latin1('mfhd');
  out
    .u8(0) // version
    .u24(0) // flags
    .u32(sequence); // sequence_number
  out.u32(trafBytes).latin1('traf');
  out.u32(16).latin1('tfhd');
  out
    .u8(0) // version
    .u24(TFHD.baseIsMoof) // flags
    .u32(TRACK_ID); // track_ID
  out.u32(20).latin1('tfdt');
  out
    .u8(1) // version: 64 bits
    .u24(0) // flags
    .u64(baseDecodeTime); // baseMediaDecodeTime
  out.u32(trunBytes).latin1('trun');
  out
    .u8(1) // version: offsets may be negative
    .u24(TRUN.dataOffset | TRUN.duration | TRUN.size | TRUN.flags | (shifted ? TRUN.cts : 0)) // flags
    .u32(samples.length) // sample_count
    .u32(moofBytes + 8); // data_offset
  for (const sample of samples) {
    out
      .u32(sample.durationTicks) // sample_duration
      .u32(sample.data.length) // sample_size
      .u32(sample.key ? FLAGS_KEY : FLAGS_INTER); // sample_flags
    if (shifted) out.u32(sample.ctsTicks ?? 0); // sample_composition_time_offset
  }
  out.u32(8 + mediaBytes).latin1('mdat');
  for (const sample of samples) out.bytes(sample.data);
  return out.finish();
}

/** A sample that was read. */
export interface SampleInfo {
  readonly dtsTicks: number;
  readonly durationTicks: number;
  readonly ctsTicks: number;
  readonly key: boolean;
  /** Of its data, relative to what the fragments were read from. */
  readonly offset: number;
  readonly sizeBytes: number;
}

export interface FragmentInfo {
  readonly sequence: number;
  /** The byte range of `moof` and `mdat`; `end` is exclusive. */
  readonly start: number;
  readonly end: number;
  readonly samples: readonly SampleInfo[];
}

/**
 * Reads every whole fragment. It never throws: it stops at the first thing that is not one, be it cut
 * short by `kill -9` or malformed data, and `completeBytes` is the length up to there. Other boxes between
 * fragments (`ftyp`, `moov`, `styp`, `sidx` …) are passed over.
 */
export function readFragments(bytes: Uint8Array): { fragments: FragmentInfo[]; completeBytes: number } {
  const fragments: FragmentInfo[] = [];
  let completeBytes = 0;
  try {
    let at = 0;
    while (at < bytes.length) {
      const header = readBoxHeader(bytes, at);
      if (!header || at + header.sizeBytes > bytes.length) break;
      const end = at + header.sizeBytes;
      if (header.type === 'moof') {
        const media = readBoxHeader(bytes, end);
        if (!media || media.type !== 'mdat' || end + media.sizeBytes > bytes.length) break;
        const found = readMoof(bytes.subarray(at, end), at, media.sizeBytes);
        fragments.push(found);
        at = found.end;
        completeBytes = at;
      } else {
        at = end;
        if (header.type !== 'mdat') completeBytes = at;
      }
    }
  } catch (error) {
    if (!(error instanceof MalformedError)) throw error;
  }
  return { fragments, completeBytes };
}

/**
 * Reads one `moof` of a single track; `start` is where it lies in its file and `mdatBytes` the size of
 * the `mdat` box that follows it. Throws MalformedError, also if a sample lies outside of that box.
 */
export function readMoof(moof: Uint8Array, start: number, mdatBytes: number): FragmentInfo {
  const [outer] = readBoxes(moof);
  if (outer?.type !== 'moof') throw new MalformedError('not a moof box');
  const boxes = readBoxes(outer.body);
  const sequence = new ByteReader(findBox(boxes, 'mfhd').subarray(4)).u32();
  const traf = readBoxes(findBox(boxes, 'traf'));
  const defaults = readTrackFragmentHeader(findBox(traf, 'tfhd'));
  const tfdt = new ByteReader(findBox(traf, 'tfdt'));
  const wide = tfdt.u8() === 1;
  tfdt.skip(3);
  let dtsTicks = wide ? tfdt.u64() : tfdt.u32();
  const mediaStart = start + outer.end;
  const end = mediaStart + mdatBytes;
  let offset = mediaStart + 8;
  const samples: SampleInfo[] = [];
  for (const { type, body } of traf) {
    if (type !== 'trun') continue;
    const run = new ByteReader(body);
    const version = run.u8();
    const flags = run.u24();
    const count = run.u32();
    if (samples.length + count > MAX_FRAGMENT_SAMPLES) throw new MalformedError('too many samples');
    if ((flags & TRUN.dataOffset) !== 0) offset = start + run.i32();
    let firstFlags = (flags & TRUN.firstFlags) !== 0 ? run.u32() : null;
    for (let i = 0; i < count; i += 1) {
      const durationTicks = (flags & TRUN.duration) !== 0 ? run.u32() : defaults.durationTicks;
      const sizeBytes = (flags & TRUN.size) !== 0 ? run.u32() : defaults.sizeBytes;
      const own = (flags & TRUN.flags) !== 0 ? run.u32() : defaults.flags;
      const shifted = (flags & TRUN.cts) !== 0;
      const ctsTicks = !shifted ? 0 : version === 0 ? run.u32() : run.i32();
      if (offset < mediaStart + 8 || offset + sizeBytes > end)
        throw new MalformedError('a sample outside of mdat');
      const key = ((firstFlags ?? own) & NOT_SYNC) === 0;
      samples.push({ dtsTicks, durationTicks, ctsTicks, key, offset, sizeBytes });
      firstFlags = null;
      dtsTicks += durationTicks;
      offset += sizeBytes;
    }
  }
  return { sequence, start, end, samples };
}

function readTrackFragmentHeader(body: Uint8Array): {
  durationTicks: number;
  sizeBytes: number;
  flags: number;
} {
  const reader = new ByteReader(body);
  reader.skip(1);
  const flags = reader.u24();
  reader.skip(4);
  if ((flags & TFHD.baseOffset) !== 0) throw new MalformedError('absolute data offsets are not supported');
  if ((flags & TFHD.description) !== 0) reader.skip(4);
  const durationTicks = (flags & TFHD.duration) !== 0 ? reader.u32() : 0;
  const sizeBytes = (flags & TFHD.size) !== 0 ? reader.u32() : 0;
  const sampleFlags = (flags & TFHD.flags) !== 0 ? reader.u32() : 0;
  return { durationTicks, sizeBytes, flags: sampleFlags };
}
