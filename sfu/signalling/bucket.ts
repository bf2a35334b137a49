// A token bucket: bursts up to its size, then a steady rate.
export class TokenBucket {
  readonly #size: number;
  readonly #perSecond: number;
  #tokens: number;
  #filledAtMs: number;

  /** Starts full at `nowMs`. */
  constructor(size: number, perSecond: number, nowMs: number) {
    this.#size = size;
    this.#perSecond = perSecond;
    this.#tokens = size;
    this.#filledAtMs = nowMs;
  }

  /** Takes a token; false if none is left. */
  take(nowMs: number): boolean {
    const gained = (Math.max(0, nowMs - this.#filledAtMs) / 1_000) * this.#perSecond;
    this.#tokens = Math.min(this.#size, this.#tokens + gained);
    this.#filledAtMs = nowMs;
    if (this.#tokens < 1) return false;
    this.#tokens -= 1;
    return true;
  }
}
