// Matroska, in which ffmpeg takes what has to be converted: any codec, with the time at which each picture
// is shown or sound is heard. Only what a stream of one track needs (RFC 9559).
import { displaySize } from '#shared/media/avc.ts';
import type { AvcConfig } from '#shared/media/frame.ts';
import type { Container } from '../transcoder.ts';

/** What comes in, as its container describes it. */
export interface CodedVideo {
  /** Matroska's name of the codec, e.g. `V_MPEGH/ISO/HEVC`. */
  readonly codecId: string;
  /** `avcC`, `hvcC` or `av1C`; empty where the codec has none. */
  readonly record: Uint8Array;
  /** 0 if unknown. */
  readonly width: number;
  readonly height: number;
  /** How large it is shown, where its pixels are not square. */
  readonly display?: { readonly width: number; readonly height: number };
}

/** What H.264 is to Matroska. */
export function describeAvc(config: AvcConfig): CodedVideo {
  const { record, width, height } = config;
  return { codecId: 'V_MPEG4/ISO/AVC', record, width, height, display: displaySize(config) };
}

/** The same of sound. */
export interface CodedAudio {
  readonly codecId: string;
  readonly record: Uint8Array;
  /** Per second; of HE-AAC, of what is coded. */
  readonly sampleRate: number;
  readonly channels: number;
}

const ID = {
  ebml: [0x1a, 0x45, 0xdf, 0xa3],
  docType: [0x42, 0x82],
  docTypeVersion: [0x42, 0x87],
  docTypeReadVersion: [0x42, 0x85],
  segment: [0x18, 0x53, 0x80, 0x67],
  info: [0x15, 0x49, 0xa9, 0x66],
  timestampScale: [0x2a, 0xd7, 0xb1],
  tracks: [0x16, 0x54, 0xae, 0x6b],
  trackEntry: [0xae],
  trackNumber: [0xd7],
  trackUid: [0x73, 0xc5],
  trackType: [0x83],
  lacing: [0x9c],
  codecId: [0x86],
  codecPrivate: [0x63, 0xa2],
  video: [0xe0],
  pixelWidth: [0xb0],
  pixelHeight: [0xba],
  displayWidth: [0x54, 0xb0],
  displayHeight: [0x54, 0xba],
  audio: [0xe1],
  samplingFrequency: [0xb5],
  channels: [0x9f],
  cluster: [0x1f, 0x43, 0xb6, 0x75],
  timestamp: [0xe7],
  simpleBlock: [0xa3],
} as const;

const UNKNOWN_SIZE = [0x01, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff];
const NS_PER_MS = 1_000_000;
const VIDEO_TRACK = 1;
const AUDIO_TRACK = 2;

/** Each picture is a cluster of its own, so that its time is not bound to its neighbours'. */
export const matroska: Container<CodedVideo> = {
  format: 'matroska',
  // Frame threads would each hold a picture back.
  options: ['-thread_type', 'slice'],
  header({ codecId, record, width, height, display }) {
    const size =
      width > 0 && height > 0 ? [number(ID.pixelWidth, width), number(ID.pixelHeight, height)] : [];
    const shown = display && [
      number(ID.displayWidth, display.width),
      number(ID.displayHeight, display.height),
    ];
    return head(VIDEO_TRACK, codecId, record, element(ID.video, ...size, ...(shown ?? [])));
  },
  writeFrame: ({ data, key }, timeMs) => cluster(data, key, timeMs),
};

/** The same for sound; each packet is a cluster of its own. */
export const audioMatroska = {
  header({ codecId, record, sampleRate, channels }: CodedAudio): Buffer {
    const rate = Buffer.alloc(8);
    rate.writeDoubleBE(sampleRate);
    const audio = element(ID.audio, element(ID.samplingFrequency, rate), number(ID.channels, channels));
    return head(AUDIO_TRACK, codecId, record, audio);
  },
  writeFrame: (data: Uint8Array, timeMs: number): Buffer => cluster(data, true, timeMs),
};

function head(type: number, codecId: string, record: Uint8Array, details: Buffer): Buffer {
  const track = element(
    ID.trackEntry,
    number(ID.trackNumber, 1),
    number(ID.trackUid, 1),
    number(ID.trackType, type),
    number(ID.lacing, 0),
    element(ID.codecId, Buffer.from(codecId, 'latin1')),
    ...(record.length > 0 ? [element(ID.codecPrivate, Buffer.from(record))] : []),
    details,
  );
  return Buffer.concat([
    element(
      ID.ebml,
      element(ID.docType, Buffer.from('matroska', 'latin1')),
      number(ID.docTypeVersion, 4),
      number(ID.docTypeReadVersion, 2),
    ),
    Buffer.from([...ID.segment, ...UNKNOWN_SIZE]),
    element(ID.info, number(ID.timestampScale, NS_PER_MS)),
    element(ID.tracks, track),
  ]);
}

function cluster(data: Uint8Array, key: boolean, timeMs: number): Buffer {
  const block = element(ID.simpleBlock, Buffer.from([0x81, 0, 0, key ? 0x80 : 0]), Buffer.from(data));
  return element(ID.cluster, number(ID.timestamp, Math.max(0, timeMs)), block);
}

function element(id: readonly number[], ...content: Buffer[]): Buffer {
  const length = content.reduce((sum, part) => sum + part.length, 0);
  const head = Buffer.alloc(id.length + 8);
  head.set(id);
  // Sizes may take eight bytes, whatever they are (RFC 8794 §4): the first bit says so.
  head.writeBigUInt64BE((1n << 56n) | BigInt(length), id.length);
  return Buffer.concat([head, ...content]);
}

function number(id: readonly number[], value: number): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64BE(BigInt(value));
  return element(id, bytes);
}
