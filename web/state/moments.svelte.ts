// The search of a replay: from a word to the moments at which it was written.
import { codeOf, type ErrorCode } from '#shared/contract/errors.ts';
import type { ReplayFound } from '#shared/contract/rest.ts';
import type { PlayerClock } from '../engine/player/ports.ts';

/** So long after the last key it is asked, in ms. */
const TYPING_MS = 300;

export type Moment = ReplayFound['found'][number];

export type MomentsState =
  | { readonly name: 'idle' }
  | { readonly name: 'searching' }
  | { readonly name: 'ready'; readonly found: readonly Moment[]; readonly hasMore: boolean }
  | { readonly name: 'failed'; readonly code: ErrorCode };

export class Moments {
  readonly #ask: (q: string) => Promise<ReplayFound>;
  readonly #clock: Pick<PlayerClock, 'after'>;
  #state = $state.raw<MomentsState>({ name: 'idle' });
  #wanted = '';
  #cancel: () => void = () => undefined;

  constructor(ask: (q: string) => Promise<ReplayFound>, clock: Pick<PlayerClock, 'after'>) {
    this.#ask = ask;
    this.#clock = clock;
  }

  get state(): MomentsState {
    return this.#state;
  }

  /** Looks for `text`; without a word nothing is looked for. What was found before stays until there is an answer. */
  search(text: string): void {
    const q = text.trim();
    if (q === this.#wanted) return;
    this.#wanted = q;
    this.#cancel();
    if (q === '') this.#state = { name: 'idle' };
    else {
      if (this.#state.name !== 'ready') this.#state = { name: 'searching' };
      this.#cancel = this.#clock.after(TYPING_MS, () => void this.#look(q));
    }
  }

  /** Asks once more after a refusal. */
  again(): void {
    if (this.#wanted === '') return;
    this.#state = { name: 'searching' };
    void this.#look(this.#wanted);
  }

  close(): void {
    this.#wanted = '';
    this.#cancel();
  }

  async #look(q: string): Promise<void> {
    try {
      const { found, hasMore } = await this.#ask(q);
      // Another word was written meanwhile.
      if (q === this.#wanted) this.#state = { name: 'ready', found, hasMore };
    } catch (error) {
      if (q === this.#wanted) this.#state = { name: 'failed', code: codeOf(error) };
    }
  }
}
