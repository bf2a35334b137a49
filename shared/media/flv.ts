// FLV: the file format, and the bodies of its tags, which are RTMP's audio and video payloads too.
// Adobe, "Video File Format Specification Version 10.1", annex E; Opus as in "Enhanced RTMP v2".
import { readAacConfig } from './aac.ts';
import { encodeAmf0, type AmfValue } from './amf0.ts';
import { LEFT_OUT, NAL, nalType, parseAvcRecord, readAvcc, writeAvcc } from './avc.ts';
import { ByteReader, ByteWriter, concatBytes, MalformedError } from './bytes.ts';
import type { AudioConfig, AudioFrame, AvcConfig, VideoFrame } from './frame.ts';
import { opusHead, parseOpusHead } from './opus.ts';

export type FlvTagType = 'audio' | 'video' | 'script';

const TAG_NUMBER = { audio: 8, video: 9, script: 18 } as const satisfies Record<FlvTagType, number>;
const TAG_NAME: ReadonlyMap<number, FlvTagType> = new Map([
  [8, 'audio'],
  [9, 'video'],
  [18, 'script'],
]);

const AVC = 7;
const FRAME_KEY = 1;
const FRAME_INTER = 2;
/** AVCPacketType and AACPacketType: what follows is a configuration, or a frame. */
const SEQUENCE_HEADER = 0;
const CODED = 1;
const SEQUENCE_END = 2;
/** AAC, "44 kHz", 16 bits, stereo: for AAC these are fixed and the real ones are in the configuration. */
const AAC_HEADER = 0xaf;
/** Enhanced RTMP: SoundFormat 9 announces a four-character codec. */
const EX_AUDIO = 9;
const OPUS_FOURCC = 'Opus';

const FILE_HEADER_BYTES = 9;
const TAG_HEADER_BYTES = 11;
const PREVIOUS_SIZE_BYTES = 4;
/** A 4K key frame is below this. */
const DEFAULT_MAX_TAG_BYTES = 8 * 1024 * 1024;

/** The start of a file: header and the size of the tag before the first, which is 0 (§E.2). */
export function flvHeader(has: { audio: boolean; video: boolean }): Uint8Array<ArrayBuffer> {
  const flags = (has.audio ? 4 : 0) | (has.video ? 1 : 0);
  return new ByteWriter(13)
    .latin1('FLV') // Signature
    .u8(1) // Version
    .u8(flags) // TypeFlagsAudio, TypeFlagsVideo
    .u32(FILE_HEADER_BYTES) // DataOffset
    .u32(0) // PreviousTagSize0
    .finish();
}

/**
 * One tag with the size that follows it (§E.4.1). `timestampMs` is a decoding time; it wraps at 32 bits
 * (49.7 days), its upper eight bits being in the extension byte.
 */
export function flvTag(type: FlvTagType, timestampMs: number, body: Uint8Array): Uint8Array<ArrayBuffer> {
  const timestamp = wrapMs(timestampMs);
  const size = TAG_HEADER_BYTES + body.length;
  return new ByteWriter(size + PREVIOUS_SIZE_BYTES)
    .u8(TAG_NUMBER[type]) // TagType
    .u24(body.length) // DataSize
    .u24(timestamp % 2 ** 24) // Timestamp
    .u8(Math.floor(timestamp / 2 ** 24)) // TimestampExtended
    .u24(0) // StreamID
    .bytes(body)
    .u32(size) // PreviousTagSize
    .finish();
}

/** A time in ms as FLV and RTMP carry it: 32 bits that wrap. Read back with `Unwrapper(32)`. */
export function wrapMs(timeMs: number): number {
  const wrapped = Math.round(timeMs) % 2 ** 32;
  return wrapped < 0 ? wrapped + 2 ** 32 : wrapped;
}

/** A time in µs as FLV's milliseconds, rounded and wrapped. */
export function flvTimestampMs(timeUs: number): number {
  return wrapMs(Math.round(timeUs / 1000));
}

/** The sequence header of H.264 (§E.4.3.1). */
export function videoConfigBody(config: AvcConfig): Uint8Array<ArrayBuffer> {
  return videoPacket(FRAME_KEY, SEQUENCE_HEADER, 0, config.record);
}

/** One access unit. The tag's timestamp is `flvTimestampMs(frame.dtsUs)`. */
export function videoBody(frame: VideoFrame): Uint8Array<ArrayBuffer> {
  const compositionMs = Math.round(frame.ptsUs / 1000) - Math.round(frame.dtsUs / 1000);
  return videoPacket(frame.key ? FRAME_KEY : FRAME_INTER, CODED, compositionMs, frame.data);
}

/** End of the H.264 sequence. */
export function videoEndBody(): Uint8Array<ArrayBuffer> {
  return videoPacket(FRAME_KEY, SEQUENCE_END, 0, new Uint8Array(0));
}

/** The sequence header of AAC (§E.4.2.1) or Opus. */
export function audioConfigBody(config: AudioConfig): Uint8Array<ArrayBuffer> {
  return config.codec === 'aac'
    ? audioPacket(config, SEQUENCE_HEADER, config.description)
    : audioPacket(config, SEQUENCE_HEADER, opusHead(config));
}

/** One audio frame. The tag's timestamp is `flvTimestampMs(frame.ptsUs)`. */
export function audioBody(frame: AudioFrame): Uint8Array<ArrayBuffer> {
  return audioPacket(frame.config, CODED, frame.data);
}

/** How long the tag of a frame of so many bytes is, the size behind it included. */
export function frameTagBytes(codec: 'h264' | 'aac' | 'opus', bytes: number): number {
  return TAG_HEADER_BYTES + (codec === 'aac' ? 2 : 5) + bytes + PREVIOUS_SIZE_BYTES;
}

/** What `onMetaData` may tell; what is left out is not written. */
export interface FlvMetadata {
  readonly durationS?: number;
  readonly width?: number;
  readonly height?: number;
  readonly frameRate?: number;
  readonly videoKbps?: number;
  readonly audioKbps?: number;
  readonly video?: AvcConfig;
  readonly audio?: AudioConfig;
  readonly fileBytes?: number;
  /** When key frames come, and where their tags begin in the file: an index that players which seek know. */
  readonly keyframes?: { readonly timesS: readonly number[]; readonly filePositions: readonly number[] };
}

/** The body of the script tag that comes first (§E.5). `width` and `height` default to those of `video`. */
export function metadataBody(metadata: FlvMetadata): Uint8Array<ArrayBuffer> {
  const { video, audio, keyframes } = metadata;
  const audioCodecId = audio?.codec === 'opus' ? fourCc(OPUS_FOURCC) : 10;
  const entries: [string, AmfValue][] = [
    ['duration', metadata.durationS],
    ['width', metadata.width ?? video?.width],
    ['height', metadata.height ?? video?.height],
    ['framerate', metadata.frameRate],
    ['videodatarate', metadata.videoKbps],
    ['videocodecid', video && AVC],
    ['audiodatarate', metadata.audioKbps],
    ['audiocodecid', audio && audioCodecId],
    ['audiosamplerate', audio?.sampleRate],
    ['stereo', audio && audio.channels > 1],
    ['filesize', metadata.fileBytes],
    ['keyframes', keyframes && { filepositions: [...keyframes.filePositions], times: [...keyframes.timesS] }],
  ];
  return encodeAmf0('onMetaData', new Map(entries.filter(([, value]) => value !== undefined)));
}

/** What a video body holds. */
export type FlvVideo =
  | { readonly type: 'config'; readonly config: AvcConfig; readonly lengthBytes: 1 | 2 | 3 | 4 }
  | {
      readonly type: 'frame';
      readonly key: boolean;
      /** Presentation minus decoding time, in ms. */
      readonly compositionMs: number;
      readonly data: Uint8Array;
    }
  | { readonly type: 'end' }
  /** Another codec, or a command that only seeking servers send. */
  | { readonly type: 'other' };

/** Reads a video body, as views of it. Throws MalformedError. */
export function parseVideoBody(body: Uint8Array): FlvVideo {
  const reader = new ByteReader(body);
  const head = reader.u8();
  const frameType = head >> 4;
  if ((head & 0x8f) !== AVC || frameType === 5) return { type: 'other' };
  const packetType = reader.u8();
  const composition = reader.u24();
  if (packetType === SEQUENCE_HEADER) return { type: 'config', ...parseAvcRecord(reader.rest()) };
  if (packetType === SEQUENCE_END) return { type: 'end' };
  if (packetType !== CODED) throw new MalformedError('unknown AVC packet type');
  return {
    type: 'frame',
    key: frameType === FRAME_KEY,
    compositionMs: (composition << 8) >> 8,
    data: reader.rest(),
  };
}

/** What an audio body holds. */
export type FlvAudio =
  | { readonly type: 'config'; readonly config: AudioConfig }
  | { readonly type: 'frame'; readonly codec: AudioConfig['codec']; readonly data: Uint8Array }
  | { readonly type: 'other' };

/** Reads an audio body, as views of it. Throws MalformedError. */
export function parseAudioBody(body: Uint8Array): FlvAudio {
  const reader = new ByteReader(body);
  const head = reader.u8();
  if (head >> 4 === 10) {
    const packetType = reader.u8();
    if (packetType === CODED) return { type: 'frame', codec: 'aac', data: reader.rest() };
    if (packetType !== SEQUENCE_HEADER) throw new MalformedError('unknown AAC packet type');
    return { type: 'config', config: readAacConfig(reader.rest()) };
  }
  if (head >> 4 !== EX_AUDIO || reader.latin1(4) !== OPUS_FOURCC) return { type: 'other' };
  if ((head & 15) === CODED) return { type: 'frame', codec: 'opus', data: reader.rest() };
  if ((head & 15) !== SEQUENCE_HEADER) return { type: 'other' };
  return { type: 'config', config: parseOpusHead(reader.rest()) };
}

/**
 * Makes a frame of a body that `parseVideoBody` read: parameter sets and delimiters are taken out, a
 * frame is a key frame only if it holds an IDR picture. `dtsUs` is the unwrapped tag time. Returns null
 * if no picture is left. Throws MalformedError.
 */
export function videoFrameFromBody(
  body: Extract<FlvVideo, { type: 'frame' }>,
  config: AvcConfig,
  dtsUs: number,
  lengthBytes: 1 | 2 | 3 | 4 = 4,
): VideoFrame | null {
  const nals = readAvcc(body.data, lengthBytes);
  const kept = nals.filter((nal) => !LEFT_OUT.has(nalType(nal)));
  const types = kept.map(nalType);
  if (!types.some((type) => type >= NAL.slice && type <= NAL.idr)) return null;
  const intact = kept.length === nals.length && lengthBytes === 4;
  return {
    kind: 'video',
    ptsUs: dtsUs + body.compositionMs * 1000,
    dtsUs,
    key: types.includes(NAL.idr),
    data: intact ? body.data : writeAvcc(kept),
    config,
  };
}

export interface FlvTag {
  readonly type: FlvTagType;
  /** 32 bits; may wrap. */
  readonly timestampMs: number;
  readonly body: Uint8Array;
}

/** Reads an FLV file as it arrives. Memory stays below one tag plus what is pushed at once. */
export class FlvDemuxer {
  readonly #maxTagBytes: number;
  #pending: Uint8Array[] = [];
  #pendingBytes = 0;
  /** What must be there before it is worth joining the pending pieces. */
  #neededBytes = FILE_HEADER_BYTES;
  #state: 'header' | 'tags' = 'header';

  constructor(options: { maxTagBytes?: number } = {}) {
    this.#maxTagBytes = options.maxTagBytes ?? DEFAULT_MAX_TAG_BYTES;
  }

  /**
   * Takes the next bytes and returns the tags that are complete now. Bodies may be views of `bytes`.
   * Tags of unknown types are left out. Throws MalformedError; the demuxer is of no use after that.
   */
  readBytes(bytes: Uint8Array): FlvTag[] {
    this.#pending.push(bytes);
    this.#pendingBytes += bytes.length;
    if (this.#pendingBytes < this.#neededBytes) return [];
    const [only] = this.#pending;
    const data = this.#pending.length === 1 && only ? only : concatBytes(this.#pending);
    const tags: FlvTag[] = [];
    const used = this.#read(data, tags);
    const rest = data.subarray(used);
    this.#pending = rest.length > 0 ? [rest] : [];
    this.#pendingBytes = rest.length;
    return tags;
  }

  /** Returns how many bytes were used up. */
  #read(data: Uint8Array, tags: FlvTag[]): number {
    let at = 0;
    if (this.#state === 'header') {
      const reader = new ByteReader(data);
      if (reader.latin1(3) !== 'FLV') throw new MalformedError('not an FLV file');
      reader.skip(2);
      const headerBytes = reader.u32();
      if (headerBytes < FILE_HEADER_BYTES || headerBytes > 1024)
        throw new MalformedError('FLV header too long');
      this.#neededBytes = headerBytes + PREVIOUS_SIZE_BYTES;
      if (data.length < this.#neededBytes) return 0;
      at = this.#neededBytes;
      this.#state = 'tags';
    }
    for (;;) {
      this.#neededBytes = TAG_HEADER_BYTES + PREVIOUS_SIZE_BYTES;
      if (data.length - at < this.#neededBytes) return at;
      const header = new ByteReader(data.subarray(at, at + TAG_HEADER_BYTES));
      const first = header.u8();
      const size = header.u24();
      const timestampMs = header.u24() + header.u8() * 2 ** 24;
      if ((first & 0xc0) !== 0) throw new MalformedError('not an FLV tag');
      if ((first & 0x20) !== 0) throw new MalformedError('encrypted FLV is not supported');
      if (size > this.#maxTagBytes) throw new MalformedError('FLV tag too large');
      this.#neededBytes += size;
      if (data.length - at < this.#neededBytes) return at;
      const body = data.subarray(at + TAG_HEADER_BYTES, at + TAG_HEADER_BYTES + size);
      const type = TAG_NAME.get(first & 0x1f);
      if (type) tags.push({ type, timestampMs, body });
      at += this.#neededBytes;
    }
  }
}

function videoPacket(frameType: number, packetType: number, compositionMs: number, data: Uint8Array) {
  const writer = new ByteWriter(5 + data.length);
  return writer
    .u8((frameType << 4) | AVC) // FrameType, CodecID
    .u8(packetType) // AVCPacketType
    .u24(compositionMs & 0xffffff) // CompositionTime
    .bytes(data)
    .finish();
}

function audioPacket(config: AudioConfig, packetType: number, data: Uint8Array) {
  const writer = new ByteWriter(5 + data.length);
  if (config.codec === 'aac') {
    writer
      .u8(AAC_HEADER) // SoundFormat, SoundRate, SoundSize, SoundType
      .u8(packetType); // AACPacketType
  } else {
    writer
      .u8((EX_AUDIO << 4) | packetType) // SoundFormat, AudioPacketType
      .latin1(OPUS_FOURCC); // AudioFourCc
  }
  return writer.bytes(data).finish();
}

function fourCc(code: string): number {
  return new ByteReader(new TextEncoder().encode(code)).u32();
}
