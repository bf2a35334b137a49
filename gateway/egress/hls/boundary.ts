// Where one row of segments ends and the next begins. Pure: time is the broadcast's own, in µs.

/** `EXT-X-PART-INF:PART-TARGET`: no part is longer. */
export const PART_TARGET_S = 0.334;
/** Nor than this, in µs: ten pictures at 30 a second, eight at 24 or 25. */
export const PART_US = 333_400;
/** `EXT-X-TARGETDURATION`, for ever. Every segment is shorter than 2.5 s, so that it rounds to this. */
export const TARGET_DURATION_S = 2;
/** Nothing in a row may grow longer than this. */
export const LONGEST_US = 2_450_000;
/** How long the layers get to deliver their key frames after the leader has. */
export const GRACE_US = 400_000;
/** How long the sound gets to reach the boundary: encoding it takes a moment. */
export const SOUND_GRACE_US = 700_000;

interface Limits {
  /** Key frames are asked for. */
  readonly askUs: number;
  /** Without a picture that could give key frames, the row ends here. */
  readonly aloneUs: number;
  /** No key frame came: the row ends without one. */
  readonly forceUs: number;
}

const STEADY: Limits = { askUs: 1_850_000, aloneUs: 2_000_000, forceUs: 2_400_000 };
/** The first row is short, so that the first playlist is there soon. */
const FIRST: Limits = { askUs: 850_000, aloneUs: 1_000_000, forceUs: 1_300_000 };

/** What ends a row: the leader's key frame, or a time at which it ends without one. */
export type Boundary = { readonly atUs: number; readonly by: 'key' | 'clock' };

export class RowClock {
  readonly n: number;
  readonly startUs: number;
  readonly #limits: Limits;
  /** When key frames were asked for. */
  #askedUs: number | undefined;
  #boundary: Boundary | undefined;

  constructor(n: number, startUs: number, isFirst: boolean) {
    this.n = n;
    this.startUs = startUs;
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
      else if (ageUs >= this.#limits.forceUs) this.end(this.startUs + this.#limits.forceUs, 'clock');
    }
    if (this.#askedUs !== undefined || (ageUs < this.#limits.askUs && !isStale)) return false;
    this.#askedUs = headUs;
    return true;
  }

  /** True if a picture that is shown at `atUs` must go into the next row even if it is no key frame. */
  mustCut(atUs: number, segmentStartUs: number): boolean {
    if (atUs - segmentStartUs >= LONGEST_US) return true;
    if (this.#boundary === undefined) return false;
    return atUs >= this.#boundary.atUs + (this.#boundary.by === 'clock' ? 0 : GRACE_US);
  }
}
