// H.264: what its parameter sets and slices say, and the record that FLV and MP4 carry (ITU-T H.264,
// ISO/IEC 14496-15).
import { BitReader, ByteReader, ByteWriter, MalformedError } from './bytes.ts';
import type { AvcConfig, PixelAspect } from './frame.ts';
import { NAL, nalType, unescapeNal } from './nal.ts';

export {
  hasStartCode,
  LEFT_OUT,
  NAL,
  nalType,
  readAvcc,
  splitAnnexB,
  unescapeNal,
  writeAvcc,
} from './nal.ts';

/** Profiles whose SPS carries chroma format, bit depth and scaling lists (§7.3.2.1.1). */
const HIGH_PROFILES = new Set([100, 110, 122, 244, 44, 83, 86, 118, 128, 138, 139, 134, 135]);
/** Profiles for which the decoder configuration record ends with those fields (14496-15 §5.3.3.1.2). */
const RECORD_EXTENDED = new Set([100, 110, 122, 144]);
/** Table E-1: aspect_ratio_idc, of which the last is written out. */
const SAR: readonly PixelAspect[] = [
  [0, 0],
  [1, 1],
  [12, 11],
  [10, 11],
  [16, 11],
  [40, 33],
  [24, 11],
  [20, 11],
  [32, 11],
  [80, 33],
  [18, 11],
  [15, 11],
  [64, 33],
  [160, 99],
  [4, 3],
  [3, 2],
  [2, 1],
];
const EXTENDED_SAR = 255;
const SQUARE: PixelAspect = [1, 1];
/** §7.4.2.1.1 and §7.4.2.2. */
const MAX_SPS_ID = 31;
const MAX_PPS_ID = 255;
/** What an AVCDecoderConfigurationRecord has room for. */
const MAX_RECORD_SPS = 31;
const MAX_RECORD_PPS = 255;
/** Level 6.2 ends at 16384 luma samples per side. */
const MAX_SIDE = 16_384;

/** What a sequence parameter set tells of the stream. */
export interface SpsInfo {
  /** By which picture parameter sets name it. */
  readonly id: number;
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

/** What the VUI adds (annex E.1). */
export interface SpsUsability {
  /** How wide a pixel is to how high. Square if nothing is said. */
  readonly pixelAspect: PixelAspect;
  /**
   * How many pictures may be shown in another order than they are coded (max_num_reorder_frames): 0 promises
   * that there are no B-frames to wait for. Undefined if nothing is said.
   */
  readonly reorderFrames: number | undefined;
}

/** Reads the VUI of a sequence parameter set. Encoders get it wrong: what cannot be read was not said. */
export function parseSpsUsability(sps: Uint8Array): SpsUsability {
  let pixelAspect = SQUARE;
  let reorderFrames: number | undefined;
  try {
    const bits = spsBits(sps);
    readSps(bits);
    if (bits.bit() === 1) {
      if (bits.bit() === 1) pixelAspect = readPixelAspect(bits);
      reorderFrames = readReorderFrames(bits);
    }
  } catch (error) {
    if (!(error instanceof MalformedError)) throw error;
  }
  return { pixelAspect, reorderFrames };
}

function readPixelAspect(bits: BitReader): PixelAspect {
  const index = bits.bits(8);
  const ratio: PixelAspect = index === EXTENDED_SAR ? [bits.bits(16), bits.bits(16)] : (SAR[index] ?? SQUARE);
  return ratio[0] === 0 || ratio[1] === 0 ? SQUARE : ratio;
}

function readReorderFrames(bits: BitReader): number | undefined {
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

/** What the beginning of a slice says. */
export interface SliceHead {
  /** What it is made of (§7.4.3 table 7-6). */
  readonly type: 'P' | 'B' | 'I';
  /** The picture parameter set that it is decoded by. */
  readonly pps: number;
}

/** Reads the beginning of a slice (§7.3.3). Throws MalformedError. */
export function parseSliceHead(nal: Uint8Array): SliceHead {
  const bits = new BitReader(unescapeNal(nal.subarray(1, 16)));
  bits.ue(); // first_mb_in_slice
  const type = bits.ue() % 5;
  return { type: type === 1 ? 'B' : type === 0 || type === 3 ? 'P' : 'I', pps: bits.ue() };
}

/** SEI payload type (annex D.1). */
const RECOVERY_POINT = 6;

/** True if decoding can begin at an access unit though it is no IDR picture (§D.2.8). */
export function hasRecoveryPoint(nals: readonly Uint8Array[]): boolean {
  return nals.some((nal) => nalType(nal) === NAL.sei && seiTypes(nal).includes(RECOVERY_POINT));
}

/** The types of the messages in an SEI NAL unit, as far as they can be read (§7.3.2.3.1). */
function seiTypes(nal: Uint8Array): number[] {
  const bytes = unescapeNal(nal.subarray(1));
  const types: number[] = [];
  let at = 0;
  const number = () => {
    let value = 0;
    while (bytes[at] === 0xff) value += bytes[at++] ?? 0;
    return value + (bytes[at++] ?? 0);
  };
  // What stands at the end is the stop bit.
  while (at + 2 < bytes.length) {
    types.push(number());
    at += number();
  }
  return types;
}

/** Reads the numbers by which a picture parameter set is named, and names its own SPS (§7.3.2.2). Throws MalformedError. */
export function parsePpsHead(pps: Uint8Array): { readonly id: number; readonly sps: number } {
  if (nalType(pps) !== NAL.pps) throw new MalformedError('not a picture parameter set');
  const bits = new BitReader(unescapeNal(pps.subarray(1, 16)));
  const head = { id: bits.ue(), sps: bits.ue() };
  if (head.id > MAX_PPS_ID || head.sps > MAX_SPS_ID)
    throw new MalformedError('a parameter set of no valid number');
  return head;
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
  const id = bits.ue();
  if (id > MAX_SPS_ID) throw new MalformedError('a parameter set of no valid number');
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
    id,
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
 * Makes the decoder configuration of these parameter sets (NAL units without framing): the first SPS is the one
 * by which the picture is described. They are copied, so they may be views of a packet. Throws MalformedError.
 */
export function avcConfig(
  sps: Uint8Array | readonly [Uint8Array, ...Uint8Array[]],
  pps: Uint8Array | readonly [Uint8Array, ...Uint8Array[]],
): AvcConfig {
  const allSps = copiesOf(sps).slice(0, MAX_RECORD_SPS);
  const allPps = copiesOf(pps).slice(0, MAX_RECORD_PPS);
  const [first = new Uint8Array(0)] = allSps;
  const info = parseSps(first);
  for (const one of allPps) parsePpsHead(one);
  if ([...allSps, ...allPps].some(({ length }) => length > 0xffff)) {
    throw new MalformedError('parameter set too long');
  }
  const writer = new ByteWriter(1_024);
  writer
    .u8(1) // configurationVersion
    .bytes(first.subarray(1, 4)) // AVCProfileIndication, profile_compatibility, AVCLevelIndication
    .u8(0xfc | 3) // lengthSizeMinusOne
    .u8(0xe0 | allSps.length); // numOfSequenceParameterSets
  for (const one of allSps) writer.u16(one.length).bytes(one);
  writer.u8(allPps.length); // numOfPictureParameterSets
  for (const one of allPps) writer.u16(one.length).bytes(one);
  if (RECORD_EXTENDED.has(info.profileIdc)) {
    writer
      .u8(0xfc | info.chromaFormatIdc) // chroma_format
      .u8(0xf8 | (info.bitDepthLuma - 8)) // bit_depth_luma_minus8
      .u8(0xf8 | (info.bitDepthChroma - 8)) // bit_depth_chroma_minus8
      .u8(0); // numOfSequenceParameterSetExt
  }
  return describe(info, first, [...allSps, ...allPps], new Uint8Array(writer.finish()));
}

/**
 * Reads an AVCDecoderConfigurationRecord (14496-15 §5.3.3.1.2), as FLV and MP4 carry it: the picture is
 * described by its first SPS; `record` stays whole. Throws MalformedError.
 */
export function parseAvcRecord(record: Uint8Array): { config: AvcConfig; lengthBytes: 1 | 2 | 3 | 4 } {
  const reader = new ByteReader(record);
  if (reader.u8() !== 1) throw new MalformedError('unknown version of the AVC record');
  reader.skip(3);
  const lengthBytes = ((reader.u8() & 3) + 1) as 1 | 2 | 3 | 4;
  const readSets = (count: number) =>
    Array.from({ length: count }, () => new Uint8Array(reader.bytes(reader.u16())));
  const sps = readSets(reader.u8() & 0x1f);
  const pps = readSets(reader.u8());
  const [first] = sps;
  if (first === undefined || pps.length === 0)
    throw new MalformedError('the AVC record lacks a parameter set');
  for (const one of pps) parsePpsHead(one);
  return { config: describe(parseSps(first), first, [...sps, ...pps], new Uint8Array(record)), lengthBytes };
}

function copiesOf(sets: Uint8Array | readonly Uint8Array[]): Uint8Array[] {
  return (sets instanceof Uint8Array ? [sets] : sets).map((one) => new Uint8Array(one));
}

function describe(
  info: SpsInfo,
  sps: Uint8Array,
  sets: readonly Uint8Array[],
  record: Uint8Array,
): AvcConfig {
  const hex = [info.profileIdc, info.constraints, info.levelIdc].map((n) => n.toString(16).padStart(2, '0'));
  return {
    codec: 'h264',
    codecString: `avc1.${hex.join('')}`,
    width: info.width,
    height: info.height,
    pixelAspect: parseSpsUsability(sps).pixelAspect,
    sps,
    sets,
    record,
  };
}

/** The size at which a picture is to be shown, in square pixels: nothing of it is lost, it is only stretched. */
export function displaySize(config: Pick<AvcConfig, 'width' | 'height' | 'pixelAspect'>): {
  width: number;
  height: number;
} {
  const { width, height, pixelAspect } = config;
  const [across, down] = pixelAspect;
  return across >= down
    ? { width: Math.round((width * across) / down), height }
    : { width, height: Math.round((height * down) / across) };
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
