// How long to wait before the next try.

export interface BackoffOptions {
  readonly minMs: number;
  readonly maxMs: number;
  /** Each wait in a row is so many times the one before it; 2 if left out. */
  readonly growth?: number;
}

/** How long to wait after `failures` failures in a row that were waited for already, in ms. */
export function backoffMs(failures: number, { minMs, maxMs, growth = 2 }: BackoffOptions): number {
  return Math.min(maxMs, minMs * growth ** failures);
}

/** Counts the failures in a row of one thing. */
export class Backoff {
  readonly #options: BackoffOptions;
  #failures = 0;

  constructor(options: BackoffOptions) {
    this.#options = options;
  }

  get failures(): number {
    return this.#failures;
  }

  /** It failed: how long to wait now, in ms. */
  failed(): number {
    const waitMs = backoffMs(this.#failures, this.#options);
    this.#failures += 1;
    return waitMs;
  }

  /** It went well: the next failure is the first again. */
  reset(): void {
    this.#failures = 0;
  }
}
