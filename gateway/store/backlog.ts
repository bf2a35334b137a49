// What the disk did not take yet. It is kept in memory, so that an outage of some minutes loses nothing;
// all recordings of a gateway share one bound, above which the oldest rows are given up.

/** Some seven minutes of one class, or half a minute of sixteen. */
const LIMIT_BYTES = 128 * 1024 * 1024;

export class Backlog {
  readonly limitBytes: number;
  bytes = 0;

  constructor(limitBytes = LIMIT_BYTES) {
    this.limitBytes = limitBytes;
  }
}

/** The rows of one recording that wait to be written. */
export class WaitingRows {
  readonly #backlog: Backlog;
  readonly #rows: { readonly n: number; readonly bytes: number; readonly sinceMs: number }[] = [];

  constructor(backlog: Backlog) {
    this.#backlog = backlog;
  }

  /** For how long the oldest has waited, in ms; 0 if none does. */
  get ageMs(): number {
    const [oldest] = this.#rows;
    return oldest === undefined ? 0 : performance.now() - oldest.sinceMs;
  }

  /** Row `n` waits. Returns the rows that have to be given up for it. */
  append(n: number, bytes: number): number[] {
    this.#rows.push({ n, bytes, sinceMs: performance.now() });
    this.#backlog.bytes += bytes;
    const given: number[] = [];
    while (this.#backlog.bytes > this.#backlog.limitBytes && this.#rows.length > 1) {
      const [oldest] = this.#rows;
      if (oldest === undefined) break;
      this.remove(oldest.n);
      given.push(oldest.n);
    }
    return given;
  }

  /** Row `n` waits no more. */
  remove(n: number): void {
    const at = this.#rows.findIndex((row) => row.n === n);
    if (at < 0) return;
    for (const { bytes } of this.#rows.splice(at, 1)) this.#backlog.bytes -= bytes;
  }

  clear(): void {
    for (const { n } of [...this.#rows]) this.remove(n);
  }
}
