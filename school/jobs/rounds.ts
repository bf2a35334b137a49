// Tries jobs together, and those that fail again, ever more rarely.
import { Backoff } from '#shared/backoff.ts';
import type { Log } from '#server/log.ts';

const RETRY = { minMs: 500, maxMs: 30_000 };

export interface JobRow {
  readonly id: number;
  readonly body: string;
}

export interface RoundsOptions {
  /** What is to be done, in the order in which it is tried. */
  readonly due: () => Promise<JobRow[]>;
  /** Resolves with whether it is done. Never rejects. */
  readonly attempt: (job: JobRow) => Promise<boolean>;
  /** How many are tried at once: after a long absence of a service there may be thousands. */
  readonly together: number;
  readonly log: Log;
}

/** Owns the timer of the next try. */
export class Rounds {
  readonly #options: RoundsOptions;
  readonly #backoff = new Backoff(RETRY);
  #timer: NodeJS.Timeout | undefined;
  #round: Promise<void> | undefined;
  #closed = false;

  constructor(options: RoundsOptions) {
    this.#options = options;
  }

  /** Tries all that is due now. Resolves when each was tried once; those that failed are tried later. Never rejects. */
  async run(): Promise<void> {
    // A round under way may have begun before the caller's job was there.
    await this.#round;
    if (this.#closed) return;
    this.#backoff.reset();
    await this.#start();
  }

  /** Resolves when nothing is under way any more. */
  async close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#timer);
    await this.#round;
  }

  #start(): Promise<void> {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#round ??= this.#tryAll().finally(() => {
      this.#round = undefined;
    });
    return this.#round;
  }

  async #tryAll(): Promise<void> {
    const { due, attempt, together, log } = this.#options;
    let left = 0;
    try {
      const rows = await due();
      const lane = async () => {
        for (let row = rows.shift(); row !== undefined && !this.#closed; row = rows.shift()) {
          if (!(await attempt(row))) left += 1;
        }
      };
      await Promise.all(Array.from({ length: together }, lane));
    } catch (error) {
      log.error({ err: error }, 'the jobs cannot be read, trying again');
      left += 1;
    }
    if (this.#closed || left === 0) return;
    this.#timer = setTimeout(() => void this.#start(), this.#backoff.failed());
  }
}
