// After class: asks for its replay until there is one, or until it is known that there is none.
import type { ErrorCode } from '#shared/contract/errors.ts';
import { passes } from '../engine/passing.ts';
import { codeOf } from './session.svelte.ts';

export type Replay =
  | { readonly name: 'preparing' | 'none' }
  | { readonly name: 'ready'; readonly url: string }
  /** The link no longer opens it, and asking again changes nothing. */
  | { readonly name: 'refused'; readonly code: ErrorCode };

/** A replay is ready moments after the end: the first pause between two questions, in ms. */
const ASK_MS = 2_000;
/** A service that stands still makes it minutes: the growth of the pause, and its limit in ms. */
const ASK_GROWTH = 1.2;
const ASK_MAX_MS = 10_000;
/** Where there is none, news of a recording may still be under way: asked so many times more. */
const ASK_NONE_TIMES = 8;

/** Asks from its making on. `close()` ends it. */
export class ReplaySearch {
  readonly #find: () => Promise<Replay>;
  #found = $state.raw<Replay>({ name: 'preparing' });
  #pauseMs = ASK_MS;
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
      return passes(code) ? this.#found : { name: 'refused', code };
    });
    if (this.#closed) return;
    this.#found = found;
    this.#none = found.name === 'none' ? this.#none + 1 : 0;
    if (found.name === 'ready' || found.name === 'refused' || this.#none > ASK_NONE_TIMES) return;
    this.#timer = setTimeout(() => void this.#ask(), this.#pauseMs);
    this.#pauseMs = Math.min(ASK_MAX_MS, this.#pauseMs * ASK_GROWTH);
  }
}
