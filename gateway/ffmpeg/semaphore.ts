// How many ffmpegs may run at once for one purpose: each takes most of a core, and classes need them too.

export class Semaphore {
  readonly #most: number;
  #taken = 0;

  constructor(most: number) {
    this.#most = Math.max(1, most);
  }

  get taken(): number {
    return this.#taken;
  }

  /** Returns what gives it back (once), or undefined if all are taken. */
  take(): (() => void) | undefined {
    if (this.#taken >= this.#most) return undefined;
    this.#taken += 1;
    let isBack = false;
    return () => {
      if (isBack) return;
      isBack = true;
      this.#taken -= 1;
    };
  }
}
