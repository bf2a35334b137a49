// Who came and went, told in one word where many do so at once: a class that begins, or ends.

/** How long names are gathered before they are told, in ms. */
const GATHER_MS = 700;

export type Coming = 'peer-joined' | 'peer-left';

/** Gathers names. `close()` drops what was not told yet. */
export class Comings {
  readonly #tell: (type: Coming, names: readonly string[]) => void;
  #names: Record<Coming, string[]> = { 'peer-joined': [], 'peer-left': [] };
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(tell: (type: Coming, names: readonly string[]) => void) {
    this.#tell = tell;
  }

  add(type: Coming, name: string): void {
    this.#names[type].push(name);
    this.#timer ??= setTimeout(() => this.#flush(), GATHER_MS);
  }

  close(): void {
    clearTimeout(this.#timer);
  }

  #flush(): void {
    this.#timer = undefined;
    const gathered = this.#names;
    this.#names = { 'peer-joined': [], 'peer-left': [] };
    for (const type of ['peer-joined', 'peer-left'] as const) {
      if (gathered[type].length > 0) this.#tell(type, gathered[type]);
    }
  }
}
