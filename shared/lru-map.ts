// A map of bounded size.

/** Holds `max` at most: if it would be more, the entries that were used longest ago are forgotten. */
export class LruMap<K, V> {
  readonly #max: number;
  readonly #sizeOf: (value: V) => number;
  /** In the order of their last use. */
  readonly #entries = new Map<K, V>();
  #size = 0;

  /** `sizeOf` says how much of `max` an entry takes; each takes 1 unless stated. */
  constructor(max: number, sizeOf: (value: V) => number = () => 1) {
    this.#max = max;
    this.#sizeOf = sizeOf;
  }

  get(key: K): V | undefined {
    const value = this.#entries.get(key);
    if (value !== undefined) {
      this.#entries.delete(key);
      this.#entries.set(key, value);
    }
    return value;
  }

  set(key: K, value: V): void {
    this.delete(key);
    this.#entries.set(key, value);
    this.#size += this.#sizeOf(value);
    for (const [oldest] of this.#entries) {
      if (this.#size <= this.#max) return;
      this.delete(oldest);
    }
  }

  delete(key: K): void {
    const value = this.#entries.get(key);
    if (value !== undefined) this.#size -= this.#sizeOf(value);
    this.#entries.delete(key);
  }
}
