// Browsers stamp video and audio frames on clocks that need not begin at the same moment
// (W3C mediacapture-transform leaves it open). What both have in common is when they arrive here. Pure.

/**
 * Arrival is late now and then; the earliest of the last one to two windows counts, in µs. Sound is counted in samples
 * and loses some on a busy machine, so that what follows would be early: it is looked at more often.
 */
const WINDOW_US = { video: 2_000_000, audio: 500_000 } as const;
/** What comes earlier than ever by this shows how late all before it came, in µs. */
const EARLY_US = 5_000;
/** If even the earliest is later by this, the track's clock stood still or runs slower, in µs. */
const LATE_US = 30_000;
/** A timestamp that is further back than this, in µs, is no disorder. */
const BACK_US = 100_000;

/** One track's clock, put on the clock of arrival. All times are in µs. */
export class CaptureClock {
  readonly #windowUs: number;
  #offsetUs: number | undefined;
  #windowEndUs = 0;
  #earliestUs = Infinity;
  #earlierUs = Infinity;
  #timestampUs = -Infinity;
  #lastUs = -1;

  constructor(kind: keyof typeof WINDOW_US) {
    this.#windowUs = WINDOW_US[kind];
  }

  /** Something with this timestamp arrived. One well before the last is of another clock. */
  arrived(timestampUs: number, nowUs: number): void {
    if (timestampUs < this.#timestampUs - BACK_US) this.restart();
    this.#timestampUs = timestampUs;
    const offsetUs = nowUs - timestampUs;
    if (this.#offsetUs === undefined || offsetUs < this.#offsetUs - EARLY_US) {
      this.#offsetUs = offsetUs;
    }
    if (this.#windowEndUs === 0) this.#windowEndUs = nowUs + this.#windowUs;
    this.#earliestUs = Math.min(this.#earliestUs, offsetUs);
    if (nowUs < this.#windowEndUs) return;
    const earliestUs = Math.min(this.#earliestUs, this.#earlierUs);
    if (earliestUs > this.#offsetUs + LATE_US) this.#offsetUs = earliestUs;
    this.#earlierUs = this.#earliestUs;
    this.#earliestUs = Infinity;
    this.#windowEndUs = nowUs + this.#windowUs;
  }

  /** When what has this timestamp was captured, on the clock of arrival. Never goes back. */
  at(timestampUs: number): number {
    this.#lastUs = Math.max(this.#lastUs + 1, timestampUs + (this.#offsetUs ?? 0));
    return this.#lastUs;
  }

  /** Another track: its clock is its own, but time goes on. */
  restart(): void {
    this.#offsetUs = undefined;
    this.#windowEndUs = 0;
    this.#earliestUs = Infinity;
    this.#earlierUs = Infinity;
    this.#timestampUs = -Infinity;
  }
}
