// One message of the programme. It is built once, and every viewer of every protocol shares its bytes.
import {
  audioBody,
  audioConfigBody,
  flvHeader,
  flvTag,
  flvTimestampMs,
  metadataBody,
  videoBody,
  videoConfigBody,
  type FlvTagType,
} from '#shared/media/flv.ts';
import type { AudioConfig, AvcConfig, Frame, AudioCodec } from '#shared/media/frame.ts';

/** How a protocol puts messages on its wire. */
export interface Wire {
  readonly protocol: 'flv' | 'rtmp' | 'relay';
  /** Its viewers get the sound in this codec. */
  readonly audioCodec: AudioCodec;
  /** What a connection begins with. */
  preamble(has: { audio: boolean; video: boolean }): Uint8Array;
  message(type: FlvTagType, timestampMs: number, body: Uint8Array): Uint8Array;
}

/** FLV as a file has it; over HTTP and WebSocket alike. */
export const flvWire: Wire = { protocol: 'flv', audioCodec: 'aac', preamble: flvHeader, message: flvTag };

/** The same for players that take Opus in FLV ("Enhanced RTMP v2"). */
export const flvOpusWire: Wire = { ...flvWire, audioCodec: 'opus' };

/** The same for what is sent on to other servers, which are no viewers. */
export const relayWire: Wire = { ...flvWire, protocol: 'relay' };

export class Tag {
  readonly type: FlvTagType;
  readonly timestampMs: number;
  /** A viewer may begin, or go on after a gap, with this one. */
  readonly entry: boolean;
  /** Set if it is for those alone who get this codec of sound. */
  readonly audioCodec: AudioCodec | undefined;
  readonly #body: Uint8Array;
  readonly #encoded = new Map<Wire, Uint8Array>();

  constructor(
    type: FlvTagType,
    timestampMs: number,
    body: Uint8Array,
    { entry = false, audioCodec }: { entry?: boolean; audioCodec?: AudioCodec } = {},
  ) {
    this.type = type;
    this.timestampMs = timestampMs;
    this.entry = entry;
    this.audioCodec = audioCodec;
    this.#body = body;
  }

  /** False if those at `wire` get their sound in another codec. */
  isFor(wire: Wire): boolean {
    return this.audioCodec === undefined || this.audioCodec === wire.audioCodec;
  }

  /** The message as `wire` carries it, encoded on first use. */
  on(wire: Wire): Uint8Array {
    const known = this.#encoded.get(wire);
    if (known !== undefined) return known;
    const bytes = wire.message(this.type, this.timestampMs, this.#body);
    this.#encoded.set(wire, bytes);
    return bytes;
  }

  get size(): number {
    return this.#body.length;
  }
}

/** The tag of a frame; `entry` says whether a viewer may begin with it. */
export function frameTag(frame: Frame, entry: boolean): Tag {
  return frame.kind === 'video'
    ? new Tag('video', flvTimestampMs(frame.dtsUs), videoBody(frame), { entry })
    : new Tag('audio', flvTimestampMs(frame.ptsUs), audioBody(frame), {
        entry,
        audioCodec: frame.config.codec,
      });
}

/** What a decoder must know before frames: metadata, then the configurations that there are. */
export function headerTags(
  audioCodec: AudioCodec,
  video: AvcConfig | undefined,
  audio: AudioConfig | undefined,
  timestampMs: number,
): Tag[] {
  const known = { ...(video && { video }), ...(audio && { audio }) };
  return [
    // At 0 forever: ffmpeg takes metadata with a later time for subtitles.
    new Tag('script', 0, metadataBody(known), { audioCodec }),
    ...(video ? [new Tag('video', timestampMs, videoConfigBody(video), { audioCodec })] : []),
    ...(audio ? [new Tag('audio', timestampMs, audioConfigBody(audio), { audioCodec })] : []),
  ];
}
