// What an encoder in a browser sends over the WebSocket `/publish/<channel>?key=`: one record in each
// binary message, big-endian. Both sides use this file.
//
//   byte 0      version: 1
//   byte 1      kind: 1 video, 2 audio, 3 configuration of the video, 4 of the audio, 5 goodbye
//   byte 2      flags: bit 0 is set on a key frame; all others are 0
//   byte 3      codec of a configuration: 1 H.264, 2 Opus, 3 AAC; 0 in other records
//   bytes 4–11  time of capture in µs, on one clock for both; 0 where nothing was captured
//   byte 12 …   payload:
//     video          NAL units, each behind a 4-byte length (ISO/IEC 14496-15), in the order of showing
//     audio          one Opus packet, or one AAC frame without ADTS
//     configuration  AVCDecoderConfigurationRecord; OpusHead (RFC 7845 §5.1); AudioSpecificConfig
//     goodbye        nothing
//
// A configuration comes before the first frame that it describes, and again when it changes.
// What the other side says is in shared/contract/publish-replies.ts.
import { ByteReader, ByteWriter, MalformedError } from './bytes.ts';

const VERSION = 1;
const HEAD_BYTES = 12;
const KEY_FLAG = 1;

/** The largest video frame that is taken, in bytes: a key frame of 4K text. */
export const MAX_VIDEO_FRAME_BYTES = 4 * 1024 * 1024;
/** The largest audio frame: 120 ms of Opus, or an AAC frame, are far below. */
export const MAX_AUDIO_FRAME_BYTES = 8 * 1024;
export const MAX_CONFIG_BYTES = 4 * 1024;
/** The largest message. */
export const MAX_RECORD_BYTES = HEAD_BYTES + MAX_VIDEO_FRAME_BYTES;

const KINDS = { video: 1, audio: 2, 'video-config': 3, 'audio-config': 4, goodbye: 5 } as const;
const CODECS = { h264: 1, opus: 2, aac: 3 } as const;

export type PublishFrame =
  | { readonly kind: 'video'; readonly ptsUs: number; readonly key: boolean; readonly data: Uint8Array }
  | { readonly kind: 'audio'; readonly ptsUs: number; readonly data: Uint8Array }
  | { readonly kind: 'video-config'; readonly codec: 'h264'; readonly data: Uint8Array }
  | { readonly kind: 'audio-config'; readonly codec: 'opus' | 'aac'; readonly data: Uint8Array }
  | { readonly kind: 'goodbye' };

/** Writes one record. Times are rounded to whole µs. */
export function encodePublishFrame(frame: PublishFrame): Uint8Array<ArrayBuffer> {
  const data = 'data' in frame ? frame.data : new Uint8Array();
  return new ByteWriter(HEAD_BYTES + data.length)
    .u8(VERSION)
    .u8(KINDS[frame.kind])
    .u8(frame.kind === 'video' && frame.key ? KEY_FLAG : 0)
    .u8('codec' in frame ? CODECS[frame.codec] : 0)
    .u64('ptsUs' in frame ? Math.round(frame.ptsUs) : 0)
    .bytes(data)
    .finish();
}

/**
 * Reads one record; `data` is a view of the message. Throws MalformedError for what this version does not
 * know, and for a payload of no or too large a size. The payload itself is not looked at.
 */
export function decodePublishFrame(message: Uint8Array): PublishFrame {
  const reader = new ByteReader(message);
  if (reader.u8() !== VERSION) throw new MalformedError('unknown version of a published record');
  const kind = reader.u8();
  const flags = reader.u8();
  const codec = reader.u8();
  const ptsUs = reader.u32() * 2 ** 32 + reader.u32();
  if (!Number.isSafeInteger(ptsUs)) throw new MalformedError('a time beyond all clocks');
  if ((flags & ~KEY_FLAG) !== 0 || (flags !== 0 && kind !== KINDS.video)) {
    throw new MalformedError('unknown flags of a published record');
  }
  const take = (atMost: number) => {
    if (reader.remaining === 0 || reader.remaining > atMost) {
      throw new MalformedError('a published record of no valid size');
    }
    return reader.bytes(reader.remaining);
  };
  if (kind === KINDS['video-config'] && codec === CODECS.h264) {
    return { kind: 'video-config', codec: 'h264', data: take(MAX_CONFIG_BYTES) };
  }
  if (kind === KINDS['audio-config'] && (codec === CODECS.opus || codec === CODECS.aac)) {
    return {
      kind: 'audio-config',
      codec: codec === CODECS.opus ? 'opus' : 'aac',
      data: take(MAX_CONFIG_BYTES),
    };
  }
  if (codec === 0) {
    if (kind === KINDS.video) {
      return { kind: 'video', ptsUs, key: flags === KEY_FLAG, data: take(MAX_VIDEO_FRAME_BYTES) };
    }
    if (kind === KINDS.audio) return { kind: 'audio', ptsUs, data: take(MAX_AUDIO_FRAME_BYTES) };
    if (kind === KINDS.goodbye && reader.remaining === 0) return { kind: 'goodbye' };
  }
  throw new MalformedError('unknown kind of a published record');
}
