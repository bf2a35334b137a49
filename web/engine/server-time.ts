// The server's time, as far as its answers tell: what expires and what was said when is measured by its
// clock, and a viewer's own may be hours off.

/** What the `Date` of an answer leaves open (RFC 9110 §5.6.7): it has whole seconds, in ms. */
const DATE_STEP_MS = 1_000;

/** A clock that no person sets: it goes on evenly, but stands still on some machines while they sleep. */
const steadyMs = (): number => performance.timeOrigin + performance.now();

export class ServerTime {
  readonly #localMs: () => number;
  /** Between these lies how far the server's clock is ahead of ours, in ms; none before the first answer. */
  #ahead: { readonly minMs: number; readonly maxMs: number } | undefined;

  /** `localMs` gives this machine's time in ms since 1970. */
  constructor(localMs: () => number = steadyMs) {
    this.#localMs = localMs;
  }

  /** In ms since 1970; this machine's own time until there was an answer. */
  nowMs(): number {
    const { minMs, maxMs } = this.#ahead ?? { minMs: 0, maxMs: 0 };
    return this.#localMs() + (minMs + maxMs) / 2;
  }

  /**
   * Called when a question is sent; the function that it returns takes the `Date` of the answer, null if it
   * has none. Each answer narrows it down; one that contradicts the others replaces them, since one of the
   * clocks was set, or this machine slept.
   */
  asked(): (date: string | null) => void {
    const sentMs = this.#localMs();
    return (date) => {
      const dateMs = Date.parse(date ?? '');
      if (Number.isNaN(dateMs)) return;
      const fresh = { minMs: dateMs - this.#localMs(), maxMs: dateMs + DATE_STEP_MS - sentMs };
      const minMs = Math.max(fresh.minMs, this.#ahead?.minMs ?? fresh.minMs);
      const maxMs = Math.min(fresh.maxMs, this.#ahead?.maxMs ?? fresh.maxMs);
      this.#ahead = minMs <= maxMs ? { minMs, maxMs } : fresh;
    };
  }
}
