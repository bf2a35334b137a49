// What RTMP and FLV carry as video and audio: the first form (Adobe, "Video File Format Specification",
// annex E.4) and the enhanced one with four-character codecs ("Enhanced RTMP v2", E-RTMP 2024). Of several
// tracks the first one, number 0, is read.
import { readAacConfig } from '#shared/media/aac.ts';
import { parseAvcRecord } from '#shared/media/avc.ts';
import { ByteReader, MalformedError } from '#shared/media/bytes.ts';
import { parseAudioBody, parseVideoBody, type FlvAudio } from '#shared/media/flv.ts';
import type { AvcConfig } from '#shared/media/frame.ts';
import { parseOpusHead } from '#shared/media/opus.ts';
import type { CodedVideo } from '../../ffmpeg/containers/matroska.ts';

/** What a video tag holds. */
export type VideoTag =
  | {
      readonly type: 'config';
      readonly config: AvcConfig | CodedVideo;
      readonly record: Uint8Array;
      readonly lengthBytes: 1 | 2 | 3 | 4;
    }
  | {
      readonly type: 'frame';
      /** H.264 describes itself within the stream, too. */
      readonly codec: 'h264' | 'other';
      readonly key: boolean;
      /** Presentation minus decoding time, in ms. */
      readonly compositionMs: number;
      readonly data: Uint8Array;
    }
  /** Nothing to show: commands, ends, metadata, tracks other than the first. */
  | { readonly type: 'nothing' }
  /** Another codec; its name for people. */
  | { readonly type: 'unknown'; readonly codec: string };

const NOTHING = { type: 'nothing' } as const;

/** FrameType: a command, which only servers that seek send. */
const COMMAND = 5;
const KEY = 1;
const HEVC_AS_SOME_SEND_IT = 12;
const ENHANCED = 0x80;
const ENHANCED_AUDIO = 9;
/** Packet types of enhanced RTMP, of which a few differ between video and audio. */
const PACKET = { start: 0, coded: 1, end: 2, codedNow: 3, multitrack: 6, extended: 7 } as const;
const AUDIO_PACKET = { start: 0, coded: 1, multitrack: 5, extended: 7 } as const;
/** AvMultitrackType: how the tracks of one tag stand in it. */
const TRACKS = { one: 0, many: 1, manyCodecs: 2 } as const;
const FIRST_TRACK = 0;
/** In the four-character codec's own words, those that ffmpeg can read. */
const CODEC_ID: ReadonlyMap<string, string> = new Map([
  ['hvc1', 'V_MPEGH/ISO/HEVC'],
  ['av01', 'V_AV1'],
  ['vp09', 'V_VP9'],
  ['vp08', 'V_VP8'],
]);
/** Those that Matroska needs no configuration of. */
const SELF_DESCRIBED: ReadonlySet<string> = new Set(['V_VP9', 'V_VP8']);
const VIDEO_CODECS: ReadonlyMap<number, string> = new Map([
  [2, 'Sorenson H.263'],
  [3, 'Screen video'],
  [4, 'VP6'],
  [5, 'VP6 with alpha'],
  [6, 'Screen video 2'],
]);
const AUDIO_FORMATS: readonly string[] = [
  'PCM',
  'ADPCM',
  'MP3',
  'PCM',
  'Nellymoser',
  'Nellymoser',
  'Nellymoser',
  'G.711',
  'G.711',
  'enhanced',
  'AAC',
  'Speex',
];
/** Names of sound in four characters that are not what people call it. */
const AUDIO_NAMES: ReadonlyMap<string, string> = new Map([
  ['ac-3', 'AC-3'],
  ['ec-3', 'E-AC-3'],
  ['.mp3', 'MP3'],
  ['fLaC', 'FLAC'],
]);

/** Reads a video tag's body, as views of it. Throws MalformedError. */
export function readVideoTag(body: Uint8Array): VideoTag {
  const reader = new ByteReader(body);
  const head = reader.u8();
  const frameType = (head >> 4) & 7;
  const key = frameType === KEY;
  if ((head & ENHANCED) !== 0) {
    const packet = openPacket(reader, head & 0x0f, PACKET);
    // A command has no codec, unless it is said to be of a track.
    return packet === undefined || frameType === COMMAND ? NOTHING : readEnhanced(packet, key);
  }
  if (frameType === COMMAND) return NOTHING;
  const codec = head & 0x0f;
  if (codec === HEVC_AS_SOME_SEND_IT) {
    const packet = reader.u8();
    const compositionMs = signed24(reader.u24());
    if (packet === PACKET.start) return otherConfig('V_MPEGH/ISO/HEVC', reader.rest());
    return packet === PACKET.coded ? frame('other', key, compositionMs, reader.rest()) : NOTHING;
  }
  const legacy = parseVideoBody(body);
  if (legacy.type === 'config') return avc(body.subarray(5));
  if (legacy.type === 'frame') return frame('h264', legacy.key, legacy.compositionMs, legacy.data);
  if (legacy.type === 'end') return NOTHING;
  return { type: 'unknown', codec: VIDEO_CODECS.get(codec) ?? `video codec ${codec}` };
}

/** What an audio tag holds. */
export type AudioTag =
  Exclude<FlvAudio, { type: 'other' }> | Extract<VideoTag, { type: 'nothing' | 'unknown' }>;

/** Reads an audio tag's body, as views of it. Throws MalformedError. */
export function readAudioTag(body: Uint8Array): AudioTag {
  const reader = new ByteReader(body);
  const head = reader.u8();
  if (head >> 4 !== ENHANCED_AUDIO) {
    const tag = parseAudioBody(body);
    return tag.type === 'other' ? { type: 'unknown', codec: AUDIO_FORMATS[head >> 4] ?? 'unknown' } : tag;
  }
  const packet = openPacket(reader, head & 0x0f, AUDIO_PACKET);
  if (packet === undefined) return NOTHING;
  const { fourCc, type, data } = packet;
  if (fourCc !== 'mp4a' && fourCc !== 'Opus') {
    return { type: 'unknown', codec: AUDIO_NAMES.get(fourCc) ?? printable(fourCc) };
  }
  if (type === AUDIO_PACKET.coded) return { type: 'frame', codec: fourCc === 'Opus' ? 'opus' : 'aac', data };
  if (type !== AUDIO_PACKET.start) return NOTHING;
  return { type: 'config', config: fourCc === 'Opus' ? parseOpusHead(data) : readAacConfig(data) };
}

/** A packet of one track. */
interface Packet {
  readonly type: number;
  readonly fourCc: string;
  readonly data: Uint8Array;
}

/**
 * Reads what stands between the first byte of an enhanced tag and its payload: extensions, and of which track
 * it is. Undefined if it holds nothing of the first track.
 */
function openPacket(
  reader: ByteReader,
  first: number,
  of: { readonly multitrack: number; readonly extended: number },
): Packet | undefined {
  let type = first;
  // Extensions stand before what they extend; none of them is needed here.
  while (type === of.extended) {
    const size = reader.u8() + 1;
    reader.skip(size === 256 ? reader.u16() + 1 : size);
    type = reader.u8() & 0x0f;
  }
  if (type !== of.multitrack) {
    return reader.remaining < 4 ? undefined : { type, fourCc: reader.latin1(4), data: reader.rest() };
  }
  const form = reader.u8();
  type = form & 0x0f;
  const tracks = form >> 4;
  let fourCc = tracks === TRACKS.manyCodecs ? '' : reader.latin1(4);
  do {
    if (tracks === TRACKS.manyCodecs) fourCc = reader.latin1(4);
    const track = reader.u8();
    const data = tracks === TRACKS.one ? reader.rest() : reader.bytes(reader.u24());
    if (track === FIRST_TRACK) return { type, fourCc, data };
  } while (reader.remaining > 0);
  return undefined;
}

function readEnhanced({ type, fourCc, data }: Packet, key: boolean): VideoTag {
  const codecId = CODEC_ID.get(fourCc);
  if (codecId === undefined && fourCc !== 'avc1') return { type: 'unknown', codec: printable(fourCc) };
  if (type === PACKET.start) return codecId === undefined ? avc(data) : otherConfig(codecId, data);
  const codec = codecId === undefined ? 'h264' : 'other';
  if (type === PACKET.codedNow) return frame(codec, key, 0, data);
  if (type !== PACKET.coded) return NOTHING;
  const isTimed = fourCc === 'avc1' || fourCc === 'hvc1';
  if (!isTimed) return frame(codec, key, 0, data);
  const reader = new ByteReader(data);
  return frame(codec, key, signed24(reader.u24()), reader.rest());
}

function avc(record: Uint8Array): VideoTag {
  return { type: 'config', ...parseAvcRecord(record), record };
}

function otherConfig(codecId: string, record: Uint8Array): VideoTag {
  if (record.length > 64 * 1024) throw new MalformedError('a codec configuration of that size');
  const kept = SELF_DESCRIBED.has(codecId) ? new Uint8Array(0) : new Uint8Array(record);
  return { type: 'config', config: { codecId, record: kept, width: 0, height: 0 }, record, lengthBytes: 4 };
}

function frame(codec: 'h264' | 'other', key: boolean, compositionMs: number, data: Uint8Array): VideoTag {
  return { type: 'frame', codec, key, compositionMs, data };
}

const signed24 = (value: number): number => (value << 8) >> 8;
const printable = (text: string): string => text.replace(/[^\x20-\x7e]/g, '?');
