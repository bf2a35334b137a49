// A token bucket: bursts up to its size, then a steady rate.

/** How many tokens at once, and how many a second in the long run. */
export interface Rate {
  readonly size: number;
  readonly perSecond: number;
}

export class TokenBucket {
  readonly #rate: Rate;
  #tokens: number;
  #filledAtMs: number;

  /** Starts full at `nowMs`. */
  constructor(rate: Rate, nowMs: number) {
    this.#rate = rate;
    this.#tokens = rate.size;
    this.#filledAtMs = nowMs;
  }

  /** Takes `amount` tokens; false, and takes none, if fewer are left. */
  take(nowMs: number, amount = 1): boolean {
    const { size, perSecond } = this.#rate;
    const gained = (Math.max(0, nowMs - this.#filledAtMs) / 1_000) * perSecond;
    this.#tokens = Math.min(size, this.#tokens + gained);
    this.#filledAtMs = nowMs;
    if (this.#tokens < amount) return false;
    this.#tokens -= amount;
    return true;
  }

  /** How many there were after the last `take`. */
  get left(): number {
    return this.#tokens;
  }

  /** How many seconds after the last `take` there are `amount` tokens. */
  secondsUntil(amount: number): number {
    return Math.max(0, (amount - this.#tokens) / this.#rate.perSecond);
  }
}
