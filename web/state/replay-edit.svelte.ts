// What the owner decides before a replay is shared: from where to where it is shown.
import { codeOf, type ErrorCode } from '#shared/contract/errors.ts';
import type { WantedSpan } from '../engine/player/trims.ts';

export interface ReplayEditOptions {
  /** Shows only this time of the class. Rejects with a LecternError. */
  readonly trim: (wanted: WantedSpan) => Promise<void>;
  /** Shows all of it again. Rejects with a LecternError. */
  readonly untrim: () => Promise<void>;
}

export class ReplayEdit {
  readonly #options: ReplayEditOptions;
  #fromMs = $state<number | null>(null);
  #toMs = $state<number | null>(null);
  #busy = $state(false);

  constructor(options: ReplayEditOptions) {
    this.#options = options;
  }

  /** Where it shall begin, in ms since 1970; null for where it begins now. */
  get fromMs(): number | null {
    return this.#fromMs;
  }

  /** Where it shall end; null for where it ends now. */
  get toMs(): number | null {
    return this.#toMs;
  }

  get busy(): boolean {
    return this.#busy;
  }

  /** Shall begin at this moment. An end that is not behind it is forgotten. */
  beginAt(wallMs: number): void {
    this.#fromMs = wallMs;
    if (this.#toMs !== null && this.#toMs <= wallMs) this.#toMs = null;
  }

  /** Shall end at this moment. */
  endAt(wallMs: number): void {
    this.#toMs = wallMs;
    if (this.#fromMs !== null && this.#fromMs >= wallMs) this.#fromMs = null;
  }

  forget(): void {
    this.#fromMs = null;
    this.#toMs = null;
  }

  /** Does it, or shows all again. Resolves with the refusal, if it was refused. */
  async apply(isWhole: boolean): Promise<ErrorCode | undefined> {
    if (this.#busy) return undefined;
    this.#busy = true;
    try {
      const { fromMs, toMs } = this;
      const { trim, untrim } = this.#options;
      await (isWhole ? untrim() : trim({ fromMs, toMs }));
      this.forget();
      return undefined;
    } catch (error) {
      return codeOf(error);
    } finally {
      this.#busy = false;
    }
  }
}
