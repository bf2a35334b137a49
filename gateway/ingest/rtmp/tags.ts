// What RTMP and FLV carry as video and audio: the first form (Adobe, "Video File Format Specification",
// annex E.4) and the enhanced one with four-character codecs ("Enhanced RTMP v2", E-RTMP 2024).
import { aacConfig, parseAudioSpecificConfig } from '#shared/media/aac.ts';
import { parseAvcRecord } from '#shared/media/avc.ts';
import { ByteReader, MalformedError } from '#shared/media/bytes.ts';
import { parseAudioBody, parseVideoBody, type FlvAudio } from '#shared/media/flv.ts';
import type { AvcConfig } from '#shared/media/frame.ts';
import type { CodedVideo } from '../publication/matroska.ts';

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
      readonly key: boolean;
      /** Presentation minus decoding time, in ms. */
      readonly compositionMs: number;
      readonly data: Uint8Array;
    }
  /** Nothing to show: commands, ends, metadata. */
  | { readonly type: 'nothing' }
  /** Another codec; its name for people. */
  | { readonly type: 'unknown'; readonly codec: string };

const NOTHING = { type: 'nothing' } as const;

/** FrameType: a command, which only servers that seek send. */
const COMMAND = 5;
const KEY = 1;
const HEVC_AS_SOME_SEND_IT = 12;
const ENHANCED = 0x80;
/** VideoPacketType of enhanced RTMP. */
const PACKET = { start: 0, coded: 1, end: 2, codedNow: 3, multitrack: 6, extended: 7 } as const;
/** In the four-character codec's own words, those that ffmpeg can read. */
const CODEC_ID: ReadonlyMap<string, string> = new Map([
  ['hvc1', 'V_MPEGH/ISO/HEVC'],
  ['av01', 'V_AV1'],
  ['vp09', 'V_VP9'],
]);
const SOUND_FORMATS: readonly string[] = [
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

/** Reads a video tag's body, as views of it. Throws MalformedError. */
export function readVideoTag(body: Uint8Array): VideoTag {
  const reader = new ByteReader(body);
  const head = reader.u8();
  const frameType = (head >> 4) & 7;
  if (frameType === COMMAND) return NOTHING;
  if ((head & ENHANCED) !== 0) return readEnhanced(reader, head & 0x0f, frameType === KEY);
  const codec = head & 0x0f;
  if (codec === HEVC_AS_SOME_SEND_IT) {
    const packet = reader.u8();
    const compositionMs = signed24(reader.u24());
    if (packet === PACKET.start) return otherConfig('V_MPEGH/ISO/HEVC', reader.rest());
    return packet === PACKET.coded ? frame(frameType === KEY, compositionMs, reader.rest()) : NOTHING;
  }
  const legacy = parseVideoBody(body);
  if (legacy.type === 'config') return avc(body.subarray(5));
  if (legacy.type === 'frame') return frame(legacy.key, legacy.compositionMs, legacy.data);
  return legacy.type === 'end' ? NOTHING : { type: 'unknown', codec: `video codec ${codec}` };
}

/** What an audio tag holds. */
export type AudioTag =
  Exclude<FlvAudio, { type: 'other' }> | Extract<VideoTag, { type: 'nothing' | 'unknown' }>;

/** Reads an audio tag's body, as views of it. Throws MalformedError. */
export function readAudioTag(body: Uint8Array): AudioTag {
  const reader = new ByteReader(body);
  const head = reader.u8();
  if (head >> 4 === 9 && body.length >= 5) {
    const fourCc = reader.latin1(4);
    if (fourCc === 'mp4a') return enhancedAac(head & 0x0f, reader);
    if (fourCc !== 'Opus') return { type: 'unknown', codec: printable(fourCc) };
  }
  const tag = parseAudioBody(body);
  if (tag.type !== 'other') return tag;
  const isEnhanced = head >> 4 === 9;
  return isEnhanced ? NOTHING : { type: 'unknown', codec: SOUND_FORMATS[head >> 4] ?? 'unknown' };
}

function readEnhanced(reader: ByteReader, firstPacket: number, key: boolean): VideoTag {
  let packet = firstPacket;
  // Extensions stand before what they extend; none of them is needed here.
  while (packet === PACKET.extended) {
    const size = reader.u8() + 1;
    reader.skip(size === 256 ? reader.u16() + 1 : size);
    packet = reader.u8() & 0x0f;
  }
  if (packet === PACKET.multitrack) return { type: 'unknown', codec: 'several video tracks' };
  const fourCc = reader.latin1(4);
  const codecId = CODEC_ID.get(fourCc);
  if (codecId === undefined && fourCc !== 'avc1') return { type: 'unknown', codec: printable(fourCc) };
  if (packet === PACKET.start) {
    const record = reader.rest();
    return codecId === undefined ? avc(record) : otherConfig(codecId, record);
  }
  if (packet === PACKET.codedNow) return frame(key, 0, reader.rest());
  if (packet !== PACKET.coded) return NOTHING;
  const isTimed = fourCc === 'avc1' || fourCc === 'hvc1';
  const compositionMs = isTimed ? signed24(reader.u24()) : 0;
  return frame(key, compositionMs, reader.rest());
}

function enhancedAac(packet: number, reader: ByteReader): AudioTag {
  if (packet === 1) return { type: 'frame', codec: 'aac', data: reader.rest() };
  if (packet !== 0) return NOTHING;
  const asc = reader.rest();
  const { sampleRate, channels } = parseAudioSpecificConfig(asc);
  return { type: 'config', config: aacConfig(sampleRate, channels, asc) };
}

function avc(record: Uint8Array): VideoTag {
  return { type: 'config', ...parseAvcRecord(record), record };
}

function otherConfig(codecId: string, record: Uint8Array): VideoTag {
  if (record.length > 64 * 1024) throw new MalformedError('a codec configuration of that size');
  // VP9's is for MP4 alone; Matroska has none.
  const kept = codecId === 'V_VP9' ? new Uint8Array(0) : new Uint8Array(record);
  return { type: 'config', config: { codecId, record: kept, width: 0, height: 0 }, record, lengthBytes: 4 };
}

function frame(key: boolean, compositionMs: number, data: Uint8Array): VideoTag {
  return { type: 'frame', key, compositionMs, data };
}

const signed24 = (value: number): number => (value << 8) >> 8;
const printable = (text: string): string => text.replace(/[^\x20-\x7e]/g, '?');
