// How many watch over HLS. A viewer is anyone who asked for a playlist lately.

/** Players ask every two seconds; a phone on a bus now and then misses some. */
const PRESENT_MS = 10_000;
/** Beyond this, strangers are no longer told apart. */
const MAX_PER_CHANNEL = 100_000;

export class HlsViewers {
  readonly #nowMs: () => number;
  readonly #seen = new Map<string, Map<string, number>>();

  constructor(nowMs: () => number = Date.now) {
    this.#nowMs = nowMs;
  }

  /** Viewer `key` asked for a playlist of `channel`. */
  saw(channel: string, key: string): void {
    let viewers = this.#seen.get(channel);
    if (viewers === undefined) {
      viewers = new Map();
      this.#seen.set(channel, viewers);
    }
    // The map stays in the order of the last visit, so that the oldest are first.
    viewers.delete(key);
    viewers.set(key, this.#nowMs());
    if (viewers.size > MAX_PER_CHANNEL) this.#forget(viewers);
  }

  count(channel: string): number {
    const viewers = this.#seen.get(channel);
    if (viewers === undefined) return 0;
    this.#forget(viewers);
    if (viewers.size === 0) this.#seen.delete(channel);
    return viewers.size;
  }

  /** Over all channels. */
  total(): number {
    return [...this.#seen.keys()].reduce((sum, channel) => sum + this.count(channel), 0);
  }

  #forget(viewers: Map<string, number>): void {
    const now = this.#nowMs();
    for (const [key, atMs] of viewers) {
      if (now - atMs <= PRESENT_MS && viewers.size <= MAX_PER_CHANNEL) break;
      viewers.delete(key);
    }
  }
}
