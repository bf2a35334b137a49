// What is not as it should be in what a program publishes: a closed set, so that each is said in the language
// of who reads it. A notice goes when its cause goes.
import { z } from 'zod';

/** Why a picture has to be converted. */
export const ConversionReason = z.enum([
  'b-frames',
  'codec',
  'colours',
  'interlaced',
  'pixels',
  'size',
  'rate',
  'keyframes',
]);
export type ConversionReason = z.infer<typeof ConversionReason>;

/** As the stream names it, in printable ASCII. */
const Codec = z.string().regex(/^[\x20-\x7e]{1,40}$/);

/** Sound and picture that arrive further apart than this are not brought together again, in ms. */
export const MAX_APART_MS = 5_000;

export const PublisherNotice = z.discriminatedUnion('code', [
  /** The picture is converted, at a cost. */
  z.object({ code: z.literal('converted'), reasons: z.array(ConversionReason).min(1).max(8) }),
  /** There is no picture, because of its codec. */
  z.object({ code: z.literal('picture-codec'), codec: Codec }),
  /** There is no picture: what is needed to decode it (SPS and PPS) never came. */
  z.object({ code: z.literal('picture-undescribed') }),
  /** There is no sound, because of its codec. */
  z.object({ code: z.literal('sound-codec'), codec: Codec }),
  /** There is no sound: its configuration never came. */
  z.object({ code: z.literal('sound-undescribed') }),
  /** There is no sound, because of how many channels it has. */
  z.object({ code: z.literal('sound-layout') }),
  /** There is no sound: nothing can be decoded of it. */
  z.object({ code: z.literal('sound-broken') }),
  /** One kind arrives later than the other by more than {@link MAX_APART_MS}. */
  z.object({ code: z.literal('apart'), late: z.enum(['audio', 'video']) }),
  /** There is no sound: ffmpeg is not installed. */
  z.object({ code: z.literal('no-ffmpeg') }),
]);
export type PublisherNotice = z.infer<typeof PublisherNotice>;
export type PublisherNoticeCode = PublisherNotice['code'];

const WISHES: Readonly<Record<ConversionReason, string>> = {
  'b-frames': 'set B-frames (bframes) to 0',
  codec: 'choose H.264 as the encoder',
  colours: 'choose 8-bit NV12 or I420 (4:2:0) as the colour format',
  interlaced: 'send progressive, not interlaced pictures',
  pixels: 'send square pixels',
  size: 'set the output resolution to 1920x1080 or less',
  rate: 'set the frame rate to 60 or less',
  keyframes: 'set the keyframe interval to 2 s',
};

/** The notice in English, for logs and for programs that show what a server says. */
export function sentenceOf(notice: PublisherNotice): string {
  switch (notice.code) {
    case 'converted': {
      const wishes = notice.reasons.map((reason) => WISHES[reason]).join('; ');
      return `The server converts this stream, which costs quality and delay. In the encoder: ${wishes}.`;
    }
    case 'picture-codec':
      return `There is no picture (${notice.codec}): choose H.264 in the encoder.`;
    case 'picture-undescribed':
      return 'There is no picture: the stream lacks its parameter sets (SPS and PPS). Restart the encoder.';
    case 'sound-codec':
      return `There is no sound (${notice.codec}): choose AAC in the encoder.`;
    case 'sound-undescribed':
      return 'There is no sound: the stream lacks its configuration. Restart the encoder.';
    case 'sound-layout':
      return 'There is no sound: in the encoder, choose stereo sound.';
    case 'sound-broken':
      return 'There is no sound: it cannot be decoded. In the encoder, choose AAC-LC, stereo, 48 kHz.';
    case 'apart': {
      const [late, early] = notice.late === 'audio' ? ['sound', 'picture'] : ['picture', 'sound'];
      return `The ${late} arrives more than 5 s after the ${early}, so viewers miss it. Look at the delays in the encoder.`;
    }
    case 'no-ffmpeg':
      return 'There is no sound: ffmpeg was not found. Install it, or set LECTERN_FFMPEG.';
  }
}
