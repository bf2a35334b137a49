// Who came, went and waits to come in, told in one word where many do so at once: a class that begins, or ends.

/** How long names are gathered before they are told, in ms. */
const GATHER_MS = 700;

const COMINGS = ['peer-joined', 'peer-left', 'knocked'] as const;
export type Coming = (typeof COMINGS)[number];

const none = (): Record<Coming, string[]> => ({ 'peer-joined': [], 'peer-left': [], knocked: [] });

/** Gathers names. `close()` drops what was not told yet. */
export class Comings {
  readonly #tell: (type: Coming, names: readonly string[]) => void;
  #names = none();
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
    this.#names = none();
    for (const type of COMINGS) {
      if (gathered[type].length > 0) this.#tell(type, gathered[type]);
    }
  }
}
