// ISO base media boxes: writing and finding them, and the sample entries of our codecs, which both the
// fragments and the downloadable files need. ISO/IEC 14496-12.
import { ByteReader, ByteWriter, concatBytes, MalformedError } from './bytes.ts';
import { readAacConfig } from './aac.ts';
import { parseAvcRecord } from './avc.ts';
import type { AudioConfig, AvcConfig } from './frame.ts';
import { opusConfig, parseDops } from './opus.ts';

/** The identity matrix of `mvhd` and `tkhd` (§8.2.2). */
export const MATRIX = [0x10000, 0, 0, 0, 0x10000, 0, 0, 0, 0x40000000] as const;
/** `und`, three letters of five bits (§8.4.2). */
const LANGUAGE_UNDETERMINED = 0x55c4;

/** A box of the given parts. Throws RangeError if it does not fit 32 bits. */
export function box(type: string, ...parts: Uint8Array[]): Uint8Array<ArrayBuffer> {
  const body = concatBytes(parts);
  return new ByteWriter(8 + body.length)
    .u32(8 + body.length)
    .latin1(type)
    .bytes(body)
    .finish();
}

/** A box with version and flags in front (§4.2). */
export function fullBox(
  type: string,
  version: number,
  flags: number,
  ...parts: Uint8Array[]
): Uint8Array<ArrayBuffer> {
  return box(type, new ByteWriter(16).u8(version).u24(flags).finish(), ...parts);
}

/** Where a box lies. */
export interface Box {
  readonly type: string;
  /** Of its header, relative to the bytes that were read. */
  readonly start: number;
  /** Of its payload. */
  readonly bodyStart: number;
  /** One past its last byte. */
  readonly end: number;
  /** The payload, a view. */
  readonly body: Uint8Array;
}

/**
 * Reads the header of the box at `offset`; null if it is cut short. `end` may lie beyond `bytes`.
 * Throws MalformedError for a size that cannot be.
 */
export function readBoxHeader(
  bytes: Uint8Array,
  offset: number,
): { type: string; headerBytes: number; sizeBytes: number } | null {
  if (bytes.length - offset < 8) return null;
  const reader = new ByteReader(bytes.subarray(offset, offset + 16));
  let sizeBytes = reader.u32();
  const type = reader.latin1(4);
  let headerBytes = 8;
  if (sizeBytes === 1) {
    if (reader.remaining < 8) return null;
    sizeBytes = reader.u64();
    headerBytes = 16;
  }
  // Size 0, "to the end of the file", is for nothing that we read, and for zeros after a power cut.
  if (sizeBytes < headerBytes) throw new MalformedError('a box smaller than its header');
  return { type, headerBytes, sizeBytes };
}

/** Reads the boxes that follow each other in `bytes`. Throws MalformedError if the last is cut short. */
export function readBoxes(bytes: Uint8Array): Box[] {
  const boxes: Box[] = [];
  let start = 0;
  while (start < bytes.length) {
    const header = readBoxHeader(bytes, start);
    if (!header || start + header.sizeBytes > bytes.length) throw new MalformedError('a box is cut short');
    const bodyStart = start + header.headerBytes;
    const end = start + header.sizeBytes;
    boxes.push({ type: header.type, start, bodyStart, end, body: bytes.subarray(bodyStart, end) });
    start = end;
  }
  return boxes;
}

/** The payload of the first box of that type. Throws MalformedError if there is none. */
export function findBox(boxes: readonly Box[], type: string): Uint8Array {
  const found = boxes.find((one) => one.type === type);
  if (!found) throw new MalformedError(`no ${type} box`);
  return found.body;
}

export function fileType(major: string, ...compatible: string[]): Uint8Array<ArrayBuffer> {
  const writer = new ByteWriter(32).latin1(major).u32(0x200);
  for (const brand of [major, ...compatible]) writer.latin1(brand);
  return box('ftyp', writer.finish());
}

/** `mvhd`, version 1 (§8.2.2). */
export function movieHeader(
  timescale: number,
  durationTicks: number,
  nextTrackId: number,
): Uint8Array<ArrayBuffer> {
  const writer = new ByteWriter(128).u64(0).u64(0).u32(timescale).u64(durationTicks);
  writer.u32(0x10000).u16(0x100).zeros(10);
  for (const value of MATRIX) writer.u32(value);
  return fullBox('mvhd', 1, 0, writer.zeros(24).u32(nextTrackId).finish());
}

/** `tkhd`, version 1, enabled and in the movie (§8.3.2). The size is in pixels, 0 for sound. */
export function trackHeader(
  trackId: number,
  durationTicks: number,
  size: { width: number; height: number } | null,
): Uint8Array<ArrayBuffer> {
  const writer = new ByteWriter(128).u64(0).u64(0).u32(trackId).u32(0).u64(durationTicks);
  writer
    .zeros(8)
    .u16(0)
    .u16(0)
    .u16(size ? 0 : 0x100)
    .u16(0);
  for (const value of MATRIX) writer.u32(value);
  writer.u32((size?.width ?? 0) * 0x10000).u32((size?.height ?? 0) * 0x10000);
  return fullBox('tkhd', 1, 3, writer.finish());
}

/** `mdia` around a sample table (§8.4). */
export function mediaBox(
  kind: 'video' | 'audio',
  timescale: number,
  durationTicks: number,
  sampleTable: Uint8Array,
): Uint8Array<ArrayBuffer> {
  const mdhd = new ByteWriter(32).u64(0).u64(0).u32(timescale).u64(durationTicks);
  mdhd.u16(LANGUAGE_UNDETERMINED).u16(0);
  const [handler, name] = kind === 'video' ? ['vide', 'Video'] : ['soun', 'Sound'];
  const hdlr = new ByteWriter(40).u32(0).latin1(handler).zeros(12).latin1(name).u8(0);
  const mediaHeader =
    kind === 'video' ? fullBox('vmhd', 0, 1, new Uint8Array(8)) : fullBox('smhd', 0, 0, new Uint8Array(4));
  const dref = fullBox('dref', 0, 0, new ByteWriter(16).u32(1).finish(), fullBox('url ', 0, 1));
  return box(
    'mdia',
    fullBox('mdhd', 1, 0, mdhd.finish()),
    fullBox('hdlr', 0, 0, hdlr.finish()),
    box('minf', mediaHeader, box('dinf', dref), sampleTable),
  );
}

/** `stsd` with one entry per configuration (§8.5.2). */
export function sampleDescriptions(configs: readonly (AvcConfig | AudioConfig)[]): Uint8Array<ArrayBuffer> {
  const count = new ByteWriter(16).u32(configs.length).finish();
  return fullBox('stsd', 0, 0, count, ...configs.map(sampleEntry));
}

/** Reads the one entry of an `stsd` payload that we could have written. Throws MalformedError. */
export function parseSampleDescriptions(body: Uint8Array): AvcConfig | AudioConfig {
  const reader = new ByteReader(body);
  reader.skip(8);
  const [entry] = readBoxes(reader.rest());
  if (!entry) throw new MalformedError('no sample entry');
  const inside = new ByteReader(entry.body);
  if (entry.type === 'avc1' || entry.type === 'avc3') {
    inside.skip(78);
    return parseAvcRecord(findBox(readBoxes(inside.rest()), 'avcC')).config;
  }
  if (entry.type !== 'mp4a' && entry.type !== 'Opus')
    throw new MalformedError(`codec ${entry.type} is not supported`);
  inside.skip(28);
  const boxes = readBoxes(inside.rest());
  if (entry.type === 'Opus') {
    const { channels, preSkip } = parseDops(findBox(boxes, 'dOps'));
    return opusConfig(channels, preSkip);
  }
  const asc = decoderSpecificInfo(findBox(boxes, 'esds'));
  return readAacConfig(asc);
}

function sampleEntry(config: AvcConfig | AudioConfig): Uint8Array<ArrayBuffer> {
  if (config.codec === 'h264') {
    // VisualSampleEntry, §12.1.3.2.
    const entry = new ByteWriter(80).zeros(6).u16(1).zeros(16).u16(config.width).u16(config.height);
    entry.u32(0x480000).u32(0x480000).u32(0).u16(1).zeros(32).u16(24).u16(0xffff);
    const [across, down] = config.pixelAspect;
    // §12.1.4. Square pixels need no word.
    const aspect = across === down ? [] : [box('pasp', new ByteWriter(16).u32(across).u32(down).finish())];
    return box('avc1', entry.finish(), box('avcC', config.record), ...aspect);
  }
  // AudioSampleEntry, §12.2.3.2. A rate above 65,535 Hz does not fit and stands in the description.
  const entry = new ByteWriter(32).zeros(6).u16(1).zeros(8).u16(config.channels).u16(16).u32(0);
  entry.u16(config.sampleRate > 0xffff ? 0 : config.sampleRate).u16(0);
  return config.codec === 'aac'
    ? box('mp4a', entry.finish(), elementaryStream(config.description))
    : box('Opus', entry.finish(), box('dOps', config.description));
}

/** `esds` (ISO/IEC 14496-14 §5.6.1, descriptors of 14496-1 §7.2.6). */
function elementaryStream(asc: Uint8Array): Uint8Array<ArrayBuffer> {
  const descriptor = (tag: number, ...parts: Uint8Array[]) => {
    const body = concatBytes(parts);
    return concatBytes([Uint8Array.of(tag, 0x80, 0x80, 0x80, body.length), body]);
  };
  // Object type 0x40 is MPEG-4 audio, stream type 5 is audio. Buffer size and bit rates are unknown.
  const decoderConfig = new ByteWriter(16)
    .u8(0x40)
    .u8((5 << 2) | 1)
    .u24(0)
    .u32(0)
    .u32(0)
    .finish();
  const es = descriptor(
    3,
    new ByteWriter(16).u16(0).u8(0).finish(),
    descriptor(4, decoderConfig, descriptor(5, asc)),
    descriptor(6, Uint8Array.of(2)),
  );
  return fullBox('esds', 0, 0, es);
}

function decoderSpecificInfo(esds: Uint8Array): Uint8Array {
  const reader = new ByteReader(esds);
  reader.skip(4);
  const open = (tag: number) => {
    if (reader.u8() !== tag) throw new MalformedError(`no descriptor ${tag}`);
    let length = 0;
    let more = true;
    for (let i = 0; more; i += 1) {
      if (i === 4) throw new MalformedError('a descriptor length is too long');
      const byte = reader.u8();
      length = length * 128 + (byte & 0x7f);
      more = byte >= 0x80;
    }
    return length;
  };
  open(3);
  reader.skip(2);
  const flags = reader.u8();
  if ((flags & 0xe0) !== 0) throw new MalformedError('optional fields of a descriptor are not supported');
  open(4);
  reader.skip(13);
  return reader.bytes(open(5));
}
