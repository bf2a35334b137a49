// H.264: NAL units, their two framings, and what the sequence parameter set says of the picture.
// ITU-T H.264 (syntax) and ISO/IEC 14496-15 (the framing and the record that FLV and MP4 carry).
import { BitReader, ByteReader, ByteWriter, MalformedError } from './bytes.ts';
import type { AvcConfig } from './frame.ts';

/** NAL unit types (ITU-T H.264 table 7-1), and those that RTP adds (RFC 6184 §5.2). */
export const NAL = {
  slice: 1,
  partitionA: 2,
  idr: 5,
  sei: 6,
  sps: 7,
  pps: 8,
  aud: 9,
  endOfSequence: 10,
  endOfStream: 11,
  filler: 12,
  stapA: 24,
  fuA: 28,
} as const;

/** Profiles whose SPS carries chroma format, bit depth and scaling lists (§7.3.2.1.1). */
const HIGH_PROFILES = new Set([100, 110, 122, 244, 44, 83, 86, 118, 128, 138, 139, 134, 135]);
/** Profiles for which the decoder configuration record ends with those fields (14496-15 §5.3.3.1.2). */
const RECORD_EXTENDED = new Set([100, 110, 122, 144]);
/** aspect_ratio_idc of a ratio that is written out. */
const EXTENDED_SAR = 255;
/** Level 6.2 ends at 16384 luma samples per side. */
const MAX_SIDE = 16_384;

/** The type of a NAL unit; -1 if it is empty. */
export function nalType(nal: Uint8Array): number {
  const header = nal[0];
  return header === undefined ? -1 : header & 0x1f;
}

/** Splits a byte stream with start codes (Annex B) into NAL units, as views without their codes. */
export function splitAnnexB(bytes: Uint8Array): Uint8Array[] {
  const nals: Uint8Array[] = [];
  let start = -1;
  const push = (end: number) => {
    if (start < 0) return;
    let last = end;
    while (last > start && bytes[last - 1] === 0) last -= 1;
    if (last > start) nals.push(bytes.subarray(start, last));
  };
  let i = bytes.indexOf(1, 2);
  while (i >= 0) {
    if (bytes[i - 1] === 0 && bytes[i - 2] === 0) {
      push(i - 2);
      start = i + 1;
    }
    i = bytes.indexOf(1, i + 1);
  }
  push(bytes.length);
  return nals;
}

/**
 * Splits NAL units that each stand behind their length, as views.
 * Throws MalformedError if a length points past the end.
 */
export function readAvcc(bytes: Uint8Array, lengthBytes: 1 | 2 | 3 | 4 = 4): Uint8Array[] {
  const reader = new ByteReader(bytes);
  const nals: Uint8Array[] = [];
  while (reader.remaining > 0) {
    let length = 0;
    for (let i = 0; i < lengthBytes; i += 1) length = length * 256 + reader.u8();
    const nal = reader.bytes(length);
    if (length > 0) nals.push(nal);
  }
  return nals;
}

/** Puts each NAL unit behind its length in four bytes. */
export function writeAvcc(nals: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  let size = 0;
  for (const nal of nals) size += 4 + nal.length;
  const writer = new ByteWriter(size);
  for (const nal of nals) writer.u32(nal.length).bytes(nal);
  return writer.finish();
}

/** What a sequence parameter set tells of the stream. */
export interface SpsInfo {
  readonly profileIdc: number;
  /** The byte after the profile: constraint_set flags. */
  readonly constraints: number;
  readonly levelIdc: number;
  /** 0 monochrome, 1 4:2:0, 2 4:2:2, 3 4:4:4. */
  readonly chromaFormatIdc: number;
  readonly bitDepthLuma: number;
  readonly bitDepthChroma: number;
  /** Of the cropped picture, in pixels. */
  readonly width: number;
  readonly height: number;
  /** True if fields may be coded on their own. */
  readonly interlaced: boolean;
}

/**
 * Parses a sequence parameter set NAL unit (ITU-T H.264 §7.3.2.1.1). It stops before the VUI, which
 * says nothing of the size and which encoders get wrong. Throws MalformedError.
 */
export function parseSps(sps: Uint8Array): SpsInfo {
  return readSps(spsBits(sps));
}

/**
 * How many pictures may be shown in another order than they are coded, as the VUI says (§E.1.1,
 * max_num_reorder_frames): 0 promises that there are no B-frames to wait for. Undefined if it says
 * nothing. Throws MalformedError.
 */
export function spsReorderFrames(sps: Uint8Array): number | undefined {
  const bits = spsBits(sps);
  readSps(bits);
  if (bits.bit() === 0) return undefined;
  if (bits.bit() === 1 && bits.bits(8) === EXTENDED_SAR) bits.skip(32);
  if (bits.bit() === 1) bits.skip(1); // overscan
  if (bits.bit() === 1) {
    bits.skip(4);
    if (bits.bit() === 1) bits.skip(24); // colour description
  }
  if (bits.bit() === 1) {
    bits.ue();
    bits.ue();
  }
  if (bits.bit() === 1) bits.skip(65); // timing
  const nalHrd = bits.bit() === 1;
  if (nalHrd) skipHrd(bits);
  const vclHrd = bits.bit() === 1;
  if (vclHrd) skipHrd(bits);
  if (nalHrd || vclHrd) bits.skip(1);
  bits.skip(1); // pic_struct_present_flag
  if (bits.bit() === 0) return undefined;
  bits.skip(1);
  for (let i = 0; i < 4; i += 1) bits.ue();
  return bits.ue();
}

/** What a slice's header says it is made of (§7.4.3 table 7-6). Throws MalformedError. */
export function sliceType(nal: Uint8Array): 'P' | 'B' | 'I' {
  const bits = new BitReader(unescapeNal(nal.subarray(1, 16)));
  bits.ue(); // first_mb_in_slice
  const type = bits.ue() % 5;
  return type === 1 ? 'B' : type === 0 || type === 3 ? 'P' : 'I';
}

function spsBits(sps: Uint8Array): BitReader {
  if (nalType(sps) !== NAL.sps) throw new MalformedError('not a sequence parameter set');
  // Enough for the largest scaling lists, and the VUI.
  return new BitReader(unescapeNal(sps.subarray(1, 1024)));
}

/** Reads up to vui_parameters_present_flag. */
function readSps(bits: BitReader): SpsInfo {
  const profileIdc = bits.bits(8);
  const constraints = bits.bits(8);
  const levelIdc = bits.bits(8);
  bits.ue(); // seq_parameter_set_id
  let chromaFormatIdc = 1;
  let separatePlanes = false;
  let bitDepthLuma = 8;
  let bitDepthChroma = 8;
  if (HIGH_PROFILES.has(profileIdc)) {
    chromaFormatIdc = bits.ue();
    if (chromaFormatIdc > 3) throw new MalformedError('unknown chroma format');
    if (chromaFormatIdc === 3) separatePlanes = bits.bit() === 1;
    bitDepthLuma = 8 + bits.ue();
    bitDepthChroma = 8 + bits.ue();
    if (bitDepthLuma > 14 || bitDepthChroma > 14) throw new MalformedError('bit depth out of range');
    bits.skip(1); // qpprime_y_zero_transform_bypass_flag
    if (bits.bit() === 1) skipScalingLists(bits, chromaFormatIdc === 3 ? 12 : 8);
  }
  bits.ue(); // log2_max_frame_num_minus4
  skipPictureOrder(bits);
  bits.ue(); // max_num_ref_frames
  bits.skip(1); // gaps_in_frame_num_value_allowed_flag
  const widthMbs = bits.ue() + 1;
  const heightMaps = bits.ue() + 1;
  const frameMbsOnly = bits.bit();
  if (frameMbsOnly === 0) bits.skip(1); // mb_adaptive_frame_field_flag
  bits.skip(1); // direct_8x8_inference_flag
  const crop = bits.bit() === 1 ? [bits.ue(), bits.ue(), bits.ue(), bits.ue()] : [0, 0, 0, 0];
  const [left = 0, right = 0, top = 0, bottom = 0] = crop;
  // §7.4.2.1.1: cropping counts in chroma samples, and in pairs of lines where fields are coded.
  const subsampled = separatePlanes ? 0 : chromaFormatIdc;
  const unitX = subsampled === 1 || subsampled === 2 ? 2 : 1;
  const unitY = (subsampled === 1 ? 2 : 1) * (2 - frameMbsOnly);
  const width = widthMbs * 16 - unitX * (left + right);
  const height = heightMaps * 16 * (2 - frameMbsOnly) - unitY * (top + bottom);
  if (width < 1 || height < 1 || width > MAX_SIDE || height > MAX_SIDE) {
    throw new MalformedError('picture size out of range');
  }
  return {
    profileIdc,
    constraints,
    levelIdc,
    chromaFormatIdc,
    bitDepthLuma,
    bitDepthChroma,
    width,
    height,
    interlaced: frameMbsOnly === 0,
  };
}

/**
 * Makes the decoder configuration of one SPS and one PPS (NAL units without framing).
 * Both are copied, so they may be views of a packet. Throws MalformedError.
 */
export function avcConfig(sps: Uint8Array, pps: Uint8Array): AvcConfig {
  const info = parseSps(sps);
  if (nalType(pps) !== NAL.pps) throw new MalformedError('not a picture parameter set');
  if (sps.length > 0xffff || pps.length > 0xffff) throw new MalformedError('parameter set too long');
  const writer = new ByteWriter(32 + sps.length + pps.length);
  writer.u8(1).bytes(sps.subarray(1, 4)).u8(0xff); // version, profile and level, lengthSizeMinusOne = 3
  writer.u8(0xe1).u16(sps.length).bytes(sps);
  writer.u8(1).u16(pps.length).bytes(pps);
  if (RECORD_EXTENDED.has(info.profileIdc)) {
    writer.u8(0xfc | info.chromaFormatIdc);
    writer.u8(0xf8 | (info.bitDepthLuma - 8));
    writer.u8(0xf8 | (info.bitDepthChroma - 8));
    writer.u8(0); // no SPS extensions
  }
  return describe(info, new Uint8Array(sps), new Uint8Array(pps), new Uint8Array(writer.finish()));
}

/**
 * Reads an AVCDecoderConfigurationRecord (14496-15 §5.3.3.1.2), as FLV and MP4 carry it. Only its first
 * SPS and PPS are looked at; `record` stays whole. Throws MalformedError.
 */
export function parseAvcRecord(record: Uint8Array): { config: AvcConfig; lengthBytes: 1 | 2 | 3 | 4 } {
  const reader = new ByteReader(record);
  if (reader.u8() !== 1) throw new MalformedError('unknown version of the AVC record');
  reader.skip(3);
  const lengthBytes = ((reader.u8() & 3) + 1) as 1 | 2 | 3 | 4;
  const readSets = (count: number) => Array.from({ length: count }, () => reader.bytes(reader.u16()));
  const [sps] = readSets(reader.u8() & 0x1f);
  const [pps] = readSets(reader.u8());
  if (!sps || !pps) throw new MalformedError('the AVC record lacks a parameter set');
  if (nalType(pps) !== NAL.pps) throw new MalformedError('not a picture parameter set');
  return {
    config: describe(parseSps(sps), new Uint8Array(sps), new Uint8Array(pps), new Uint8Array(record)),
    lengthBytes,
  };
}

/** Removes the emulation prevention bytes of a NAL unit (§7.4.1). */
export function unescapeNal(bytes: Uint8Array): Uint8Array {
  const out = new Uint8Array(bytes.length);
  let length = 0;
  let zeros = 0;
  for (const byte of bytes) {
    if (zeros >= 2 && byte === 3) {
      zeros = 0;
      continue;
    }
    zeros = byte === 0 ? zeros + 1 : 0;
    out[length] = byte;
    length += 1;
  }
  return out.subarray(0, length);
}

function describe(info: SpsInfo, sps: Uint8Array, pps: Uint8Array, record: Uint8Array): AvcConfig {
  const hex = [info.profileIdc, info.constraints, info.levelIdc].map((n) => n.toString(16).padStart(2, '0'));
  return {
    codec: 'h264',
    codecString: `avc1.${hex.join('')}`,
    width: info.width,
    height: info.height,
    sps,
    pps,
    record,
  };
}

/** §7.3.2.1.1.1: the lists themselves are of no interest, only where they end. */
function skipScalingLists(bits: BitReader, count: number): void {
  for (let list = 0; list < count; list += 1) {
    if (bits.bit() === 0) continue;
    let last = 8;
    let next = 8;
    for (let i = 0; i < (list < 6 ? 16 : 64); i += 1) {
      if (next !== 0) next = (last + bits.se() + 256) & 0xff;
      if (next !== 0) last = next;
    }
  }
}

/** §E.1.2 */
function skipHrd(bits: BitReader): void {
  const count = bits.ue() + 1;
  if (count > 32) throw new MalformedError('too many buffers in an SPS');
  bits.skip(8);
  for (let i = 0; i < count; i += 1) {
    bits.ue();
    bits.ue();
    bits.skip(1);
  }
  bits.skip(20);
}

function skipPictureOrder(bits: BitReader): void {
  const type = bits.ue();
  if (type === 0) {
    bits.ue(); // log2_max_pic_order_cnt_lsb_minus4
  } else if (type === 1) {
    bits.skip(1);
    bits.se();
    bits.se();
    const count = bits.ue();
    if (count > 255) throw new MalformedError('too many reference frames in a cycle');
    for (let i = 0; i < count; i += 1) bits.se();
  } else if (type !== 2) {
    throw new MalformedError('unknown picture order type');
  }
}
