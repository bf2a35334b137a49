// After class: asks for its replay until there is one, or until it is known that there is none.
import { Backoff } from '#shared/backoff.ts';
import { codeOf, type ErrorCode } from '#shared/contract/errors.ts';
import { isRetryable } from '../engine/retryable.ts';

export type Replay =
  | { readonly name: 'preparing' | 'none' }
  | { readonly name: 'ready'; readonly url: string }
  /** The link no longer opens it, and asking again changes nothing. */
  | { readonly name: 'refused'; readonly code: ErrorCode };

/** The pauses between two questions: a replay is ready moments after the end, minutes if a service stands still. */
const ASK = { minMs: 2_000, maxMs: 10_000, growth: 1.2 };
/** Where there is none, news of a recording may still be under way: asked so many times more. */
const ASK_NONE_TIMES = 8;

/** Asks from its making on. `close()` ends it. */
export class ReplaySearch {
  readonly #find: () => Promise<Replay>;
  #found = $state.raw<Replay>({ name: 'preparing' });
  readonly #backoff = new Backoff(ASK);
  #none = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #closed = false;

  /** `find` asks once; where it rejects nothing is known, and it is asked again. */
  constructor(find: () => Promise<Replay>) {
    this.#find = find;
    void this.#ask();
  }

  get found(): Replay {
    return this.#found;
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#timer);
  }

  async #ask(): Promise<void> {
    const found = await this.#find().catch((error: unknown): Replay => {
      const code = codeOf(error);
      return isRetryable(code) ? this.#found : { name: 'refused', code };
    });
    if (this.#closed) return;
    this.#found = found;
    this.#none = found.name === 'none' ? this.#none + 1 : 0;
    if (found.name === 'ready' || found.name === 'refused' || this.#none > ASK_NONE_TIMES) return;
    this.#timer = setTimeout(() => void this.#ask(), this.#backoff.failed());
  }
}
