// Writes of one recording, in their order and off the path of the live viewers.

/** Above this the disk is taken for too slow to record on. */
const MAX_QUEUED_BYTES = 64 * 1024 * 1024;

export class DiskQueue {
  readonly #onFailure: (error: Error) => void;
  #tail: Promise<void> = Promise.resolve();
  #queuedBytes = 0;
  #failure: Error | undefined;

  /** `onFailure` is called once, for the first write that fails; the later ones are left out. */
  constructor(onFailure: (error: Error) => void) {
    this.#onFailure = onFailure;
  }

  /** Why nothing is written any more, if so. */
  get failure(): Error | undefined {
    return this.#failure;
  }

  /** Runs `write` after all that was added before. `bytes` is what it keeps in memory until then. */
  add(write: () => Promise<unknown>, bytes = 0): void {
    if (this.#failure !== undefined) return;
    if (this.#queuedBytes + bytes > MAX_QUEUED_BYTES) {
      this.fail(new Error('The disk is too slow to record on.'));
      return;
    }
    this.#queuedBytes += bytes;
    this.#tail = this.#tail.then(async () => {
      try {
        if (this.#failure === undefined) await write();
      } catch (error) {
        this.fail(error instanceof Error ? error : new Error(String(error)));
      } finally {
        this.#queuedBytes -= bytes;
      }
    });
  }

  /** Stops writing. */
  fail(error: Error): void {
    if (this.#failure !== undefined) return;
    this.#failure = error;
    this.#onFailure(error);
  }

  /** Resolves when everything added so far is written or given up. Never rejects. */
  drained(): Promise<void> {
    return this.#tail;
  }
}
