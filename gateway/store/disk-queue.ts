// Writes of one recording, in their order and off the path of the live viewers. A disk that takes nothing
// now (full, read-only, unplugged, moved away) is asked again until it does.
import { setTimeout as sleep } from 'node:timers/promises';
import { expected } from '#shared/expected.ts';
import { Serial } from '#shared/serial.ts';

/** How long a write that failed waits for its next try: recording goes on this soon after the cause ends. */
const RETRY_MS = 1_000;
/** For so long anyone waits for the disk to catch up, in ms; nobody does again until it has. */
const CATCH_UP_MS = 1_000;

export class DiskQueue {
  readonly #onTrouble: (error: Error | undefined) => void;
  readonly #closing = new AbortController();
  #state: 'open' | 'closing' | 'abandoned' = 'open';
  readonly #writes = new Serial();
  #insisted = 0;
  #trouble: Error | undefined;
  #isBehind = false;

  /** `onTrouble` is called when a write that has to succeed fails, and with undefined once all are written. */
  constructor(onTrouble: (error: Error | undefined) => void) {
    this.#onTrouble = onTrouble;
  }

  /** Why nothing is written now, if so. */
  get trouble(): Error | undefined {
    return this.#trouble;
  }

  /** Runs `write` once after all that was added before; if it fails, something that is insisted on makes up for it. */
  attempt(write: () => Promise<unknown>): void {
    this.#then(async () => {
      await write().catch(expected('made up for by what is insisted on'));
    });
  }

  /** Runs `write` after all that was added before, and again until it succeeds: it may be cut short at any point. */
  insist(write: () => Promise<unknown>): void {
    this.#insisted += 1;
    this.#then(async () => {
      const isDone = await this.#persist(write);
      this.#insisted -= 1;
      if (isDone && this.#insisted === 0) this.notify(undefined);
    });
  }

  /** Says why nothing can be written now, or that it can again. */
  notify(trouble: Error | undefined): void {
    const isNews = (trouble === undefined) !== (this.#trouble === undefined);
    this.#trouble = trouble;
    if (isNews && this.#state === 'open') this.#onTrouble(trouble);
  }

  /** What waits is tried once more, and then given up. */
  close(): void {
    if (this.#state === 'open') this.#state = 'closing';
    this.#closing.abort();
  }

  /** Nothing more is written. */
  abandon(): void {
    this.#state = 'abandoned';
    this.#closing.abort();
  }

  /** Resolves when everything added so far is written or given up. Never rejects. */
  drained(): Promise<void> {
    return this.#writes.idle();
  }

  /**
   * Resolves when everything added so far is written, or after {@link CATCH_UP_MS}; at once as long as the disk is
   * behind or takes nothing. Never rejects.
   */
  async caughtUp(): Promise<void> {
    if (this.#isBehind || this.#trouble !== undefined) return;
    const patience = new AbortController();
    const drained = this.drained().then(() => patience.abort());
    await sleep(CATCH_UP_MS, undefined, { signal: patience.signal }).catch(expected('it has caught up'));
    if (patience.signal.aborted) return;
    this.#isBehind = true;
    void drained.then(() => (this.#isBehind = false));
  }

  #then(work: () => Promise<void>): void {
    void this.#writes.run(async () => {
      if (this.#state !== 'abandoned') await work();
    });
  }

  /** True once it is written; false if it is given up. */
  async #persist(write: () => Promise<unknown>): Promise<boolean> {
    for (;;) {
      const isLast = this.#state !== 'open';
      try {
        await write();
        return true;
      } catch (error) {
        this.notify(error instanceof Error ? error : new Error(String(error)));
      }
      if (isLast) return false;
      await sleep(RETRY_MS, undefined, { signal: this.#closing.signal }).catch(expected('closing'));
    }
  }
}
