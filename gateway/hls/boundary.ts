// Where one row of segments ends and the next begins. Pure: time is the broadcast's own, in µs.
import { ASK_EVERY_US } from '../channel/limits.ts';

/** `EXT-X-PART-INF:PART-TARGET`: no part is longer. */
export const PART_TARGET_S = 0.334;
/** Nor than this, in µs: ten frames at 30 a second, eight at 24 or 25. */
export const PART_US = 333_400;
/**
 * `EXT-X-TARGETDURATION` where key frames come when they are asked for, or each two seconds. It is said once
 * and never changes; a segment may be half a second longer at most, so that it rounds to this.
 */
export const MIN_TARGET_S = 2;
/** Encoders that make key frames as they like and further apart than this are converted. */
const MAX_TARGET_S = 6;

/** Nothing in a row may grow longer than this, in µs; as long as no target duration was said, the most. */
export const longestUs = (targetS = MAX_TARGET_S): number => targetS * 1e6 + 450_000;

/**
 * The target duration for a broadcast of which a row was completed, or undefined as long as that is open.
 * `isWhole` says that a picture began it and ended it with a key frame, `isAwaited` that there will be one, and
 * none came since the broadcast began `ageUs` ago.
 */
export function targetFor(
  rowUs: number,
  { isWhole, isAwaited, ageUs }: { isWhole: boolean; isAwaited: boolean; ageUs: number },
): number | undefined {
  if (rowUs > longestUs(MIN_TARGET_S)) {
    // Key frames are not quite as far apart as the two that were seen.
    return isWhole ? Math.min(MAX_TARGET_S, Math.ceil(rowUs / 1e6 + 0.05)) : MAX_TARGET_S;
  }
  if (isWhole || !isAwaited) return MIN_TARGET_S;
  return ageUs > longestUs(MIN_TARGET_S) ? MAX_TARGET_S : undefined;
}

/** How long the layers get to deliver their key frames after the leader has. */
export const GRACE_US = 400_000;
/** How long the sound gets to reach the boundary: encoding it takes a moment. */
export const AUDIO_GRACE_US = 700_000;

/** What an interruption leaves of a row is kept if it is longer than this. */
export const SHORTEST_US = 150_000;

interface Limits {
  /** Key frames are asked for. */
  readonly askUs: number;
  /** Without a picture that could give key frames, the row ends here. */
  readonly aloneUs: number;
}

const STEADY: Limits = { askUs: 1_850_000, aloneUs: 2_000_000 };
/** The first row is short, so that the first playlist is there soon. */
const FIRST: Limits = { askUs: 850_000, aloneUs: 1_000_000 };
/** So long before a segment would be too long its row ends without a key frame. */
const FORCE_US = 50_000;

/** What ends a row: the leader's key frame, or a time at which it ends without one. */
export type Boundary = { readonly atUs: number; readonly by: 'key' | 'clock' };

export class RowClock {
  readonly n: number;
  readonly startUs: number;
  readonly #limits: Limits;
  readonly #longestUs: number;
  /** When key frames were asked for. */
  #askedUs: number | undefined;
  #askedAgainUs = -Infinity;
  #boundary: Boundary | undefined;

  constructor(n: number, startUs: number, isFirst: boolean, longestUs: number) {
    this.n = n;
    this.startUs = startUs;
    this.#longestUs = longestUs;
    this.#limits = isFirst ? FIRST : STEADY;
  }

  /** Where the row ends, once that is known. */
  get boundary(): Boundary | undefined {
    return this.#boundary;
  }

  /**
   * True if a key frame that is shown at `atUs` begins the next row: one from after they were asked for, or
   * at the boundary. One from before, which only comes late, does not: that of the leader did not either.
   */
  isOpenToCut(atUs: number): boolean {
    return atUs >= Math.min(this.#askedUs ?? Infinity, (this.#boundary?.atUs ?? Infinity) - GRACE_US);
  }

  /** The row ends at `atUs`. The first to say so decides. */
  end(atUs: number, by: Boundary['by']): void {
    this.#boundary ??= { atUs, by };
  }

  /**
   * Time has come to `headUs`. `hasLeader` says whether a picture flows that can give a key frame,
   * `isStale` whether something that the row shows has died: then it ends as soon as it can.
   * Returns true if key frames are to be asked for now.
   */
  advance(headUs: number, hasLeader: boolean, isStale = false): boolean {
    const ageUs = headUs - this.startUs;
    if (this.#boundary === undefined) {
      if (!hasLeader && ageUs >= this.#limits.aloneUs) this.end(this.startUs + this.#limits.aloneUs, 'clock');
      else if (ageUs >= this.#longestUs - FORCE_US)
        this.end(this.startUs + this.#longestUs - FORCE_US, 'clock');
    }
    if (this.#askedUs === undefined ? ageUs < this.#limits.askUs && !isStale : !this.#mustAskAgain(headUs)) {
      return false;
    }
    this.#askedUs ??= headUs;
    this.#askedAgainUs = headUs;
    return true;
  }

  /** True if it is time to ask again: what was asked for a while ago did not come. */
  #mustAskAgain(headUs: number): boolean {
    return this.#boundary === undefined && headUs - this.#askedAgainUs >= ASK_EVERY_US;
  }

  /** True if a picture that is shown at `atUs` must go into the next row even if it is no key frame. */
  mustCut(atUs: number, segmentStartUs: number): boolean {
    if (atUs - segmentStartUs >= this.#longestUs) return true;
    if (this.#boundary === undefined) return false;
    return atUs >= this.#boundary.atUs + (this.#boundary.by === 'clock' ? 0 : GRACE_US);
  }
}
