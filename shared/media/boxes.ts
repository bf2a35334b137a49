// ISO base media boxes: writing and finding them, and the sample entries of our codecs, which both the
// fragments and the downloadable files need. ISO/IEC 14496-12; next to each field stands its name there.
import { ByteReader, ByteWriter, concatBytes, MalformedError } from './bytes.ts';
import { readAacConfig } from './aac.ts';
import { parseAvcRecord } from './avc.ts';
import type { AudioConfig, AvcConfig } from './frame.ts';
import { opusConfig, parseDops } from './opus.ts';

/** 1.0 as 16.16 bits. */
const ONE = 0x10000;
/** `matrix` of `mvhd` and `tkhd`: the identity (§8.2.2). */
const MATRIX = [ONE, 0, 0, 0, ONE, 0, 0, 0, 0x40000000] as const;
/** `creation_time` and `modification_time`: not said. */
const NO_TIME = 0;
/** 72 dots per inch as 16.16 bits. */
const SCREEN_RESOLUTION = 0x480000;
/** `und`, three letters of five bits (§8.4.2). */
const LANGUAGE_UNDETERMINED = 0x55c4;
/** Tags of the descriptors in `esds` (ISO/IEC 14496-1 §7.2.2.1). */
const DESCRIPTOR = { stream: 3, decoderConfig: 4, decoderInfo: 5, syncLayer: 6 } as const;

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

/** `ftyp` (§4.3). */
export function fileType(major: string, ...compatible: string[]): Uint8Array<ArrayBuffer> {
  const ftyp = new ByteWriter(32)
    .latin1(major) // major_brand
    .u32(0x200); // minor_version
  for (const brand of [major, ...compatible]) ftyp.latin1(brand); // compatible_brands
  return box('ftyp', ftyp.finish());
}

/** `mvhd`, version 1 (§8.2.2). */
export function movieHeader(
  timescale: number,
  durationTicks: number,
  nextTrackId: number,
): Uint8Array<ArrayBuffer> {
  const mvhd = new ByteWriter(128)
    .u64(NO_TIME) // creation_time
    .u64(NO_TIME) // modification_time
    .u32(timescale) // timescale
    .u64(durationTicks) // duration
    .u32(ONE) // rate
    .u16(0x100) // volume: 1.0 as 8.8 bits
    .zeros(2) // reserved
    .zeros(8); // reserved
  for (const value of MATRIX) mvhd.u32(value); // matrix
  mvhd
    .zeros(24) // pre_defined
    .u32(nextTrackId); // next_track_ID
  return fullBox('mvhd', 1, 0, mvhd.finish());
}

/** `tkhd`, version 1, enabled and in the movie (§8.3.2). The size is in pixels, 0 for sound. */
export function trackHeader(
  trackId: number,
  durationTicks: number,
  size: { width: number; height: number } | null,
): Uint8Array<ArrayBuffer> {
  const tkhd = new ByteWriter(128)
    .u64(NO_TIME) // creation_time
    .u64(NO_TIME) // modification_time
    .u32(trackId) // track_ID
    .zeros(4) // reserved
    .u64(durationTicks) // duration
    .zeros(8) // reserved
    .u16(0) // layer
    .u16(0) // alternate_group
    .u16(size ? 0 : 0x100) // volume: 1.0 as 8.8 bits for sound
    .zeros(2); // reserved
  for (const value of MATRIX) tkhd.u32(value); // matrix
  tkhd
    .u32((size?.width ?? 0) * ONE) // width
    .u32((size?.height ?? 0) * ONE); // height
  return fullBox('tkhd', 1, 3, tkhd.finish());
}

/** `mdia` around a sample table (§8.4). */
export function mediaBox(
  kind: 'video' | 'audio',
  timescale: number,
  durationTicks: number,
  sampleTable: Uint8Array,
): Uint8Array<ArrayBuffer> {
  const mdhd = new ByteWriter(32)
    .u64(NO_TIME) // creation_time
    .u64(NO_TIME) // modification_time
    .u32(timescale) // timescale
    .u64(durationTicks) // duration
    .u16(LANGUAGE_UNDETERMINED) // language
    .zeros(2); // pre_defined
  const [handler, name] = kind === 'video' ? ['vide', 'Video'] : ['soun', 'Sound'];
  const hdlr = new ByteWriter(40)
    .zeros(4) // pre_defined
    .latin1(handler) // handler_type
    .zeros(12) // reserved
    .latin1(name) // name
    .u8(0); // its end
  const vmhd = new ByteWriter(16)
    .u16(0) // graphicsmode: copy
    .zeros(6); // opcolor
  const smhd = new ByteWriter(16)
    .u16(0) // balance: the middle
    .zeros(2); // reserved
  const mediaHeader =
    kind === 'video' ? fullBox('vmhd', 0, 1, vmhd.finish()) : fullBox('smhd', 0, 0, smhd.finish());
  const dref = new ByteWriter(16).u32(1); // entry_count
  // Flag 1: the media are in this same file.
  const dinf = box('dinf', fullBox('dref', 0, 0, dref.finish(), fullBox('url ', 0, 1)));
  return box(
    'mdia',
    fullBox('mdhd', 1, 0, mdhd.finish()),
    fullBox('hdlr', 0, 0, hdlr.finish()),
    box('minf', mediaHeader, dinf, sampleTable),
  );
}

/** `stsd` with one entry per configuration (§8.5.2). */
export function sampleDescriptions(configs: readonly (AvcConfig | AudioConfig)[]): Uint8Array<ArrayBuffer> {
  const stsd = new ByteWriter(16).u32(configs.length); // entry_count
  return fullBox('stsd', 0, 0, stsd.finish(), ...configs.map(sampleEntry));
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
  if (config.codec === 'h264') return visualSampleEntry(config);
  return config.codec === 'aac'
    ? box('mp4a', audioSampleEntry(config), elementaryStream(config.description))
    : box('Opus', audioSampleEntry(config), box('dOps', config.description));
}

/** VisualSampleEntry (§12.1.3.2). */
function visualSampleEntry(config: AvcConfig): Uint8Array<ArrayBuffer> {
  const entry = new ByteWriter(80)
    .zeros(6) // reserved
    .u16(1) // data_reference_index
    .zeros(2) // pre_defined
    .zeros(2) // reserved
    .zeros(12) // pre_defined
    .u16(config.width) // width
    .u16(config.height) // height
    .u32(SCREEN_RESOLUTION) // horizresolution
    .u32(SCREEN_RESOLUTION) // vertresolution
    .zeros(4) // reserved
    .u16(1) // frame_count
    .zeros(32) // compressorname: none
    .u16(24) // depth
    .u16(0xffff); // pre_defined
  const [across, down] = config.pixelAspect;
  const pasp = new ByteWriter(16)
    .u32(across) // hSpacing
    .u32(down); // vSpacing
  // §12.1.4. Square pixels need no word.
  const aspect = across === down ? [] : [box('pasp', pasp.finish())];
  return box('avc1', entry.finish(), box('avcC', config.record), ...aspect);
}

/** The fields of AudioSampleEntry (§12.2.3.2). */
function audioSampleEntry({ channels, sampleRate }: AudioConfig): Uint8Array<ArrayBuffer> {
  return new ByteWriter(32)
    .zeros(6) // reserved
    .u16(1) // data_reference_index
    .zeros(8) // reserved
    .u16(channels) // channelcount
    .u16(16) // samplesize
    .zeros(2) // pre_defined
    .zeros(2) // reserved
    .u16(sampleRate > 0xffff ? 0 : sampleRate) // samplerate: what does not fit stands in the description
    .u16(0) // its fraction
    .finish();
}

/** `esds` (ISO/IEC 14496-14 §5.6.1, descriptors of 14496-1 §7.2.6). */
function elementaryStream(asc: Uint8Array): Uint8Array<ArrayBuffer> {
  const descriptor = (tag: number, ...parts: Uint8Array[]) => {
    const body = concatBytes(parts);
    return concatBytes([Uint8Array.of(tag, 0x80, 0x80, 0x80, body.length), body]);
  };
  const decoderConfig = new ByteWriter(16)
    .u8(0x40) // objectTypeIndication: MPEG-4 audio
    .u8((5 << 2) | 1) // streamType: audio, upStream: no, reserved
    .u24(0) // bufferSizeDB: unknown
    .u32(0) // maxBitrate: unknown
    .u32(0); // avgBitrate: unknown
  const stream = new ByteWriter(16)
    .u16(0) // ES_ID: that of the track
    .u8(0); // no streamDependenceFlag, URL_Flag and OCRstreamFlag; streamPriority
  const es = descriptor(
    DESCRIPTOR.stream,
    stream.finish(),
    descriptor(DESCRIPTOR.decoderConfig, decoderConfig.finish(), descriptor(DESCRIPTOR.decoderInfo, asc)),
    descriptor(DESCRIPTOR.syncLayer, Uint8Array.of(2)), // predefined: as MP4 has it
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
  open(DESCRIPTOR.stream);
  reader.skip(2);
  const flags = reader.u8();
  if ((flags & 0xe0) !== 0) throw new MalformedError('optional fields of a descriptor are not supported');
  open(DESCRIPTOR.decoderConfig);
  reader.skip(13);
  return reader.bytes(open(DESCRIPTOR.decoderInfo));
}
