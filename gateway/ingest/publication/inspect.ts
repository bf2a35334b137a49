// What keeps a picture from going to browsers as it is, and what a person is told about it.
import { NAL, nalType, parseSliceHead, parseSps, parseSpsUsability } from '#shared/media/avc.ts';
import type { ConversionReason } from '#shared/contract/publisher-notice.ts';
import type { AvcConfig } from '#shared/media/frame.ts';

export type Reason = ConversionReason;

/** Full HD, either way up; what is larger is made smaller. */
const MAX_LONG_SIDE = 1_920;
const MAX_SHORT_SIDE = 1_088;
/** 60 frames a second, and what clocks are off by. */
export const MAX_RATE = 66;
/** Beyond this no conversion keeps up, per second. */
export const ABSURD_RATE = 250;
/** Who comes later sees nothing until the next key frame; 6 s, and what clocks are off by. */
export const MAX_KEYFRAME_INTERVAL_MS = 6_200;

/** What the configuration tells before the first picture. A damaged SPS tells nothing. */
export function inspectConfig(config: AvcConfig): Set<Reason> {
  const reasons = new Set<Reason>();
  try {
    const sps = parseSps(config.sps);
    if (sps.chromaFormatIdc !== 1 || sps.bitDepthLuma !== 8 || sps.bitDepthChroma !== 8)
      reasons.add('colours');
    if (sps.interlaced) reasons.add('interlaced');
    // Browsers stretch nothing that comes by WebRTC.
    if (isStretched(config)) reasons.add('pixels');
    if (Math.max(sps.width, sps.height) > MAX_LONG_SIDE) reasons.add('size');
    if (Math.min(sps.width, sps.height) > MAX_SHORT_SIDE) reasons.add('size');
    if ((parseSpsUsability(config.sps).reorderFrames ?? 0) > 0) reasons.add('b-frames');
  } catch {
    // The decoders will tell.
  }
  return reasons;
}

/** True if its pixels are not square, by more than rounding. */
function isStretched({ pixelAspect: [across, down] }: AvcConfig): boolean {
  return Math.abs(across / down - 1) > 0.01;
}

/** True if a picture is built on later ones too. */
export function hasBSlice(nals: readonly Uint8Array[]): boolean {
  return nals.some((nal) => {
    const type = nalType(nal);
    if (type !== NAL.slice && type !== NAL.partitionA) return false;
    try {
      return parseSliceHead(nal).type === 'B';
    } catch {
      return false;
    }
  });
}

/** How many frames a second came lately, from their own times. */
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
