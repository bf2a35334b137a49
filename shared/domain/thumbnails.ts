// The moments of a recording that a seek bar shows a small picture of. The page and the gateway agree on them, so
// that each picture is made once, for everybody who looks anywhere near it.

/** A row of segments, which has one picture to show, lasts about so long, in s. */
const ROW_S = 2;
/** Of one recording at most so many: on a wide screen, one for every few pixels of the bar. */
const MAX_MOMENTS = 256;

/**
 * How far apart they are in a recording of `lengthS`, in s: twice as far as soon as they would be too many, so that
 * of one that grows every other stays.
 */
export function thumbnailStepS(lengthS: number): number {
  let stepS = ROW_S;
  while (lengthS / stepS > MAX_MOMENTS) stepS *= 2;
  return stepS;
}

/** The one that is nearest to `atS`, in whole s, and not beyond the end. */
export function thumbnailAtS(atS: number, lengthS: number): number {
  const stepS = thumbnailStepS(lengthS);
  const last = Math.floor(Math.max(0, lengthS) / stepS);
  return Math.min(last, Math.max(0, Math.round(atS / stepS))) * stepS;
}
