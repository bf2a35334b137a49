// What keeps a picture from going to browsers as it is, and what a person is told about it.
import { NAL, nalType, parseSps, sliceType, spsReorderFrames } from '#shared/media/avc.ts';
import type { AvcConfig } from '#shared/media/frame.ts';

/** Why a stream has to be converted. */
export type Reason = 'b-frames' | 'codec' | 'colours' | 'interlaced' | 'size' | 'rate' | 'keyframes';

/** Full HD, either way up; what is larger is made smaller. */
const MAX_LONG_SIDE = 1_920;
const MAX_SHORT_SIDE = 1_088;
/** 60 pictures a second, and what clocks are off by. */
export const MAX_RATE = 66;
/** Beyond this no conversion keeps up, per second. */
export const ABSURD_RATE = 250;
/** Who comes later sees nothing until the next key frame. */
export const MAX_KEYFRAME_INTERVAL_MS = 5_000;

const ADVICE: Readonly<Record<Reason, string>> = {
  'b-frames': 'set B-frames (bframes) to 0',
  codec: 'choose H.264 as the encoder',
  colours: 'choose 8-bit NV12 or I420 (4:2:0) as the colour format',
  interlaced: 'send progressive, not interlaced pictures',
  size: 'set the output resolution to 1920x1080 or less',
  rate: 'set the frame rate to 60 or less',
  keyframes: 'set the keyframe interval to 2 s',
};

/** The sentence for the publisher; undefined if there is nothing to say. */
export function advice(reasons: ReadonlySet<Reason>): string | undefined {
  if (reasons.size === 0) return undefined;
  const wishes = [...reasons].map((reason) => ADVICE[reason]);
  return `The server converts this stream, which costs quality and delay. In the encoder: ${wishes.join('; ')}.`;
}

/** What the configuration tells before the first picture. A damaged SPS tells nothing. */
export function inspectConfig(config: AvcConfig): Set<Reason> {
  const reasons = new Set<Reason>();
  try {
    const sps = parseSps(config.sps);
    if (sps.chromaFormatIdc !== 1 || sps.bitDepthLuma !== 8 || sps.bitDepthChroma !== 8)
      reasons.add('colours');
    if (sps.interlaced) reasons.add('interlaced');
    if (Math.max(sps.width, sps.height) > MAX_LONG_SIDE) reasons.add('size');
    if (Math.min(sps.width, sps.height) > MAX_SHORT_SIDE) reasons.add('size');
    if ((spsReorderFrames(config.sps) ?? 0) > 0) reasons.add('b-frames');
  } catch {
    // The decoders will tell.
  }
  return reasons;
}

/** True if a picture is built on later ones too. */
export function hasBSlice(nals: readonly Uint8Array[]): boolean {
  return nals.some((nal) => {
    const type = nalType(nal);
    if (type !== NAL.slice && type !== NAL.partitionA) return false;
    try {
      return sliceType(nal) === 'B';
    } catch {
      return false;
    }
  });
}

/** How many pictures a second came lately, from their own times. */
export class RateMeter {
  #fromUs: number | undefined;
  #count = 0;
  /** Undefined in the first second. */
  perSecond: number | undefined;

  add(dtsUs: number): void {
    this.#fromUs ??= dtsUs;
    const spanUs = dtsUs - this.#fromUs;
    if (spanUs >= 1_000_000 || this.#count >= 2 * ABSURD_RATE) {
      this.perSecond = spanUs > 0 ? (this.#count * 1_000_000) / spanUs : Infinity;
      this.#fromUs = dtsUs;
      this.#count = 0;
    }
    this.#count += 1;
  }
}
