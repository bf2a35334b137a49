// What a service has opened, closed from the last to the first, whatever fails on the way.

export class Owned {
  readonly #stack = new AsyncDisposableStack();
  #closing: Promise<void> | undefined;

  /** Closes `it` when the rest is closed, before what was kept before it. Returns it. */
  keep<T extends { close(): unknown }>(it: T): T {
    return this.#stack.adopt(it, async () => {
      await it.close();
    });
  }

  /** Does this when the rest is closed. */
  onClose(end: () => void | Promise<void>): void {
    this.#stack.defer(end);
  }

  /** Idempotent. Rejects, when all is closed, with what failed. */
  close(): Promise<void> {
    return (this.#closing ??= this.#stack.disposeAsync());
  }
}
