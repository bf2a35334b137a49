// A publisher's timestamps on the timeline of its channel, which never goes back: not when it drops and
// returns, not when another takes over, not when it sets its own clock.

/** Timestamps that go back by more than this were reset, in µs. */
const BACK_US = 1_000_000;
/** Timestamps this far ahead of the time that passed were reset, in µs. */
const AHEAD_US = 10_000_000;
/** A track that jumps follows a jump that the other one made if it lands this near to it, in µs. */
const FOLLOW_US = 2_000_000;

type Kind = 'audio' | 'video';

interface Place {
  /** Timeline minus timestamp. */
  readonly offsetUs: number;
  readonly timestampUs: number;
  readonly timelineUs: number;
  readonly nowUs: number;
}

/**
 * One connection's timestamps. Sound and picture share an offset, so that their distance stays as the
 * publisher means it. `nowUs` is time that passes, on the timeline's own scale: what comes first, or
 * after a jump, is put there.
 */
export class PublisherClock {
  readonly #floorUs: number;
  readonly #last: Record<Kind, Place | undefined> = { audio: undefined, video: undefined };
  /** The latest offset that either of them took. */
  #newest: number | undefined;
  /** How often a clock was set while it ran. */
  jumps = 0;

  /** `floorUs` is where the publication before this one came to. */
  constructor(floorUs = 0) {
    this.#floorUs = floorUs;
  }

  /** Where `timestampUs` of `kind` lies on the timeline, in µs. */
  map(kind: Kind, timestampUs: number, nowUs: number): number {
    const last = this.#last[kind];
    const offsetUs =
      last === undefined ? this.#first(timestampUs, nowUs) : this.#next(last, timestampUs, nowUs);
    const timelineUs = timestampUs + offsetUs;
    this.#last[kind] = { offsetUs, timestampUs, timelineUs, nowUs };
    return timelineUs;
  }

  /** How far the publisher's time is ahead of what has passed, in µs; below 0 if it is behind. */
  aheadUs(nowUs: number): number {
    const places = [this.#last.audio, this.#last.video].filter((place) => place !== undefined);
    if (places.length === 0) return 0;
    return Math.max(...places.map((place) => place.timelineUs)) - nowUs;
  }

  #first(timestampUs: number, nowUs: number): number {
    if (this.#newest !== undefined && Math.abs(timestampUs + this.#newest - nowUs) < AHEAD_US) {
      return this.#newest;
    }
    this.#newest = Math.max(nowUs, this.#floorUs) - timestampUs;
    return this.#newest;
  }

  #next(last: Place, timestampUs: number, nowUs: number): number {
    const steppedUs = timestampUs - last.timestampUs;
    const passedUs = nowUs - last.nowUs;
    if (steppedUs >= -BACK_US && steppedUs - passedUs <= AHEAD_US) return last.offsetUs;
    const expectedUs = Math.max(nowUs, last.timelineUs);
    if (this.#newest !== undefined && this.#newest !== last.offsetUs) {
      if (Math.abs(timestampUs + this.#newest - expectedUs) < FOLLOW_US) return this.#newest;
    }
    this.jumps += 1;
    this.#newest = expectedUs - timestampUs;
    return this.#newest;
  }
}

/**
 * Times of sound packets that follow each other without a seam: each begins where the one before it
 * ended, as long as the timestamps say the same within `TOLERANCE_US`; FLV rounds to milliseconds, and a
 * decoder would hear the rounding. Beyond that it is a gap, or sound too much.
 */
const TOLERANCE_US = 20_000;

export class Seamless {
  #nextUs: number | undefined;
  readonly #floorUs: number;

  /** `floorUs` is where the sound before this came to. */
  constructor(floorUs = 0) {
    this.#floorUs = floorUs;
  }

  /** The time of a packet that says `ptsUs` and lasts `durationUs`; undefined if it has to be left out. */
  place(ptsUs: number, durationUs: number): number | undefined {
    const nextUs = this.#nextUs;
    if (nextUs === undefined && ptsUs < this.#floorUs) return undefined;
    let atUs = nextUs ?? ptsUs;
    if (ptsUs - atUs > TOLERANCE_US) atUs = ptsUs;
    else if (atUs - ptsUs > TOLERANCE_US) return undefined;
    this.#nextUs = atUs + durationUs;
    return atUs;
  }
}
