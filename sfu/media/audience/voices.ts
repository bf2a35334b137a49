// Whose voice goes out where only one can: the one who speaks, and the encoder's sound while no one does. Pure.

/** Louder than this is speech, in -dBov (RFC 6464): 0 is the loudest, 127 is silence. */
const SPEECH_LEVEL = 50;
/** A speaker keeps the word for this long over pauses. */
const HOLD_MS = 800;

export class Voices {
  /** When each was loud last. */
  readonly #loudAtMs = new Map<string, number>();
  #order: readonly string[] = [];
  #current: string | null = null;

  /** Those that there are, the most important first. */
  set(order: readonly string[]): void {
    this.#order = order;
    for (const id of this.#loudAtMs.keys()) if (!order.includes(id)) this.#loudAtMs.delete(id);
    if (this.#current !== null && !order.includes(this.#current)) this.#current = null;
  }

  /**
   * A packet of `id` came with this level; undefined for a source that says none, such as an encoder.
   * Returns true if it goes out.
   */
  hear(id: string, level: number | undefined, nowMs: number): boolean {
    if (!this.#order.includes(id)) return false;
    if (level !== undefined && level < SPEECH_LEVEL) this.#loudAtMs.set(id, nowMs);
    this.#current ??= id;
    if (this.#current !== id && !this.#speaks(this.#current, nowMs)) {
      // Nobody has the word: who speaks takes it, else it falls to the most important.
      if (this.#speaks(id, nowMs) || this.#isFirst(id, nowMs)) this.#current = id;
    }
    return this.#current === id;
  }

  #speaks(id: string, nowMs: number): boolean {
    return nowMs - (this.#loudAtMs.get(id) ?? -Infinity) < HOLD_MS;
  }

  #isFirst(id: string, nowMs: number): boolean {
    return this.#order[0] === id && !this.#order.some((other) => this.#speaks(other, nowMs));
  }
}
