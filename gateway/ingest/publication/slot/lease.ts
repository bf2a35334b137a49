// Who has a channel's place, and how long it is kept for somebody who is away.
import { ENCODER_LOST_MS } from '#shared/contract/internal.ts';
import type { PublisherSession } from '../session.ts';

/** Encoders come back by themselves; one that the teacher sent away should not, for this long. */
const REMOVED_MS = 10 * 60_000;

export class Lease {
  #holder: PublisherSession | undefined;
  #heardAtMs = -Infinity;
  #enteredAtMs = -Infinity;
  /** How long the place is kept after its holder was heard. */
  #keptMs: number = ENCODER_LOST_MS;

  get holder(): PublisherSession | undefined {
    return this.#holder;
  }

  /** True once nobody has it, and nobody came back in time. */
  get isOver(): boolean {
    return this.#holder === undefined && performance.now() - this.#heardAtMs >= this.#keptMs;
  }

  /** True if somebody has it who brought media, or came, within `withinMs`. */
  isTaken(withinMs: number): boolean {
    if (this.#holder === undefined || this.#holder.isEnding) return false;
    return performance.now() - Math.max(this.#heardAtMs, this.#enteredAtMs) < withinMs;
  }

  /** Gives the place to `session`. Returns who had it. */
  take(session: PublisherSession): PublisherSession | undefined {
    const before = this.#holder;
    this.#holder = session;
    this.#enteredAtMs = performance.now();
    return before;
  }

  /** The holder brought something. */
  heard(): void {
    this.#heardAtMs = performance.now();
  }

  /** Nobody has it now; `removed` if the teacher wanted that. Returns who had it. */
  leave(removed = false): PublisherSession | undefined {
    const before = this.#holder;
    this.#holder = undefined;
    if (removed) this.#keptMs = REMOVED_MS;
    this.heard();
    return before;
  }

  /** The SFU answered: from now on the place is kept for the usual time. */
  renewed(): void {
    this.#keptMs = ENCODER_LOST_MS;
  }
}
