// Brings what another service holds in line with what is wanted here.
import { Serial } from './serial.ts';

export interface ReconcileOptions {
  /** States what is wanted now. May reject. */
  readonly state: () => Promise<void>;
  /** Why a statement that nobody waits for failed; the next one follows. */
  readonly failed: (error: unknown) => void;
  /** How long after a statement the next one follows, in ms. */
  readonly everyMs: () => number;
}

/** States what is wanted at once when it changes, and again and again, one statement at a time. Begins idle. */
export class Reconcile {
  readonly #options: ReconcileOptions;
  readonly #turns = new Serial();
  #state: 'idle' | 'stating' | 'outdated' | 'closed' = 'idle';
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(options: ReconcileOptions) {
    this.#options = options;
  }

  /** What is wanted changed: it is stated in this turn of the event loop, or once the answer under way is there. */
  changed(): void {
    if (this.#state === 'idle') this.#schedule(0);
    else if (this.#state === 'stating') this.#state = 'outdated';
  }

  /** States what is wanted now. Resolves, or rejects, with the answer to that; at once if it is closed. */
  now(): Promise<void> {
    clearTimeout(this.#timer);
    return this.#turns.run(async () => {
      if (this.#isClosed) return;
      clearTimeout(this.#timer);
      this.#state = 'stating';
      try {
        await this.#options.state();
      } finally {
        this.#stated();
      }
    });
  }

  /** Idempotent. An answer under way may still come. */
  close(): void {
    this.#state = 'closed';
    clearTimeout(this.#timer);
  }

  get #isClosed(): boolean {
    return this.#state === 'closed';
  }

  #stated(): void {
    if (this.#isClosed) return;
    const inMs = this.#state === 'outdated' ? 0 : this.#options.everyMs();
    this.#state = 'idle';
    this.#schedule(inMs);
  }

  #schedule(inMs: number): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => void this.now().catch(this.#options.failed), inMs);
  }
}
