// A viewer who notices when others' trouble reaches the class.
/** Watches over HTTP-FLV all the time, and knows the longest time without a byte. */
export class Witness {
  longestMs = 0;
  bytes = 0;
  gone = false;
  readonly #leaving = new AbortController();
  #lastAt = performance.now();

  constructor(address: string) {
    void this.#watch(address).finally(() => (this.gone = true));
  }

  async #watch(address: string): Promise<void> {
    try {
      const { body } = await fetch(address, { signal: this.#leaving.signal });
      for await (const chunk of body ?? []) {
        const now = performance.now();
        if (this.bytes > 0) this.longestMs = Math.max(this.longestMs, now - this.#lastAt);
        this.#lastAt = now;
        this.bytes += (chunk as Uint8Array).length;
      }
    } catch {
      // Left, or cut off: `gone` says so.
    }
  }

  leave(): void {
    this.#leaving.abort();
  }
}
