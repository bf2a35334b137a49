// What happened to several people, announced together where it happens to many at once: a class that begins, or ends.

/** How long names are gathered before they are announced, in ms. */
const GATHER_MS = 700;

/** Gathers names by what happened. `close()` drops what was not announced yet. */
export class PresenceNotices<What extends string> {
  readonly #notify: (what: What, names: readonly string[]) => void;
  readonly #names = new Map<What, string[]>();
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(notify: (what: What, names: readonly string[]) => void) {
    this.#notify = notify;
  }

  add(what: What, name: string): void {
    this.#names.set(what, [...(this.#names.get(what) ?? []), name]);
    this.#timer ??= setTimeout(() => this.#flush(), GATHER_MS);
  }

  close(): void {
    clearTimeout(this.#timer);
  }

  #flush(): void {
    this.#timer = undefined;
    const gathered = [...this.#names];
    this.#names.clear();
    for (const [what, names] of gathered) this.#notify(what, names);
  }
}
