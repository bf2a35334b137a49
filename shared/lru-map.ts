// A map of bounded size.

/** Holds `max` entries at most: one more, and the one that was used longest ago is forgotten. */
export class LruMap<K, V> {
  readonly #max: number;
  /** In the order of their last use. */
  readonly #entries = new Map<K, V>();

  constructor(max: number) {
    this.#max = max;
  }

  get(key: K): V | undefined {
    const value = this.#entries.get(key);
    if (value !== undefined) this.#toEnd(key, value);
    return value;
  }

  set(key: K, value: V): void {
    this.#toEnd(key, value);
    if (this.#entries.size <= this.#max) return;
    const [oldest] = this.#entries.keys();
    if (oldest !== undefined) this.#entries.delete(oldest);
  }

  delete(key: K): void {
    this.#entries.delete(key);
  }

  #toEnd(key: K, value: V): void {
    this.#entries.delete(key);
    this.#entries.set(key, value);
  }
}
