// Whether somebody who publishes or watches by WebRTC still may: the gateway is asked again when the rules
// change and when its answer runs out.
import type { ErrorCode } from '#shared/contract/errors.ts';
import type { AccessAnswer } from '#shared/contract/internal.ts';
import { MAX_TIMER_MS } from '#shared/domain/timers.ts';
import { expected } from '#shared/expected.ts';

/** A gateway that does not answer is asked again for so long, more than it takes to restart; then it is a no. */
export const MAX_SILENCE_MS = 10_000;
export const RETRY_MS = 500;
/** An answer holds up to its last moment; the gateway's clock may be another. */
const AFTER_EXPIRY_MS = 50;

/** Asks the gateway; rejects if it does not answer. */
export type Ask = () => Promise<Pick<AccessAnswer, 'allow' | 'code' | 'untilMs'>>;

export interface RevalidationOptions {
  readonly ask: Ask;
  /** Called at most once: it may not go on. */
  readonly onRefused: (code: ErrorCode) => void;
  /** Milliseconds since 1970. */
  readonly now: () => number;
}

export class Revalidation {
  readonly #options: RevalidationOptions;
  #timer: NodeJS.Timeout | undefined;
  #silentSinceMs: number | undefined;
  /** Counts questions: of several under way the last one counts. */
  #asked = 0;
  #isOpen = true;

  /** Asks at once: the rules may have changed since the answer that let it in. */
  constructor(options: RevalidationOptions) {
    this.#options = options;
    this.recheck();
  }

  /** The rules changed. */
  recheck(): void {
    if (!this.#isOpen) return;
    clearTimeout(this.#timer);
    this.#asked += 1;
    void this.#question(this.#asked);
  }

  close(): void {
    clearTimeout(this.#timer);
    this.#isOpen = false;
  }

  async #question(asked: number): Promise<void> {
    const { ask, now } = this.#options;
    const atMs = now();
    const answer = await ask().catch(expected('the gateway is away'));
    if (!this.#isOpen || asked !== this.#asked) return;
    if (answer === undefined) {
      this.#silentSinceMs ??= atMs;
      if (now() - this.#silentSinceMs >= MAX_SILENCE_MS) this.#refuse('service-unavailable');
      else this.#recheckIn(RETRY_MS);
      return;
    }
    this.#silentSinceMs = undefined;
    const { allow, code, untilMs } = answer;
    if (!allow) this.#refuse(code ?? 'forbidden');
    else if (untilMs !== undefined) this.#recheckIn(untilMs - now() + AFTER_EXPIRY_MS);
  }

  #recheckIn(delayMs: number): void {
    this.#timer = setTimeout(() => this.recheck(), Math.min(Math.max(RETRY_MS, delayMs), MAX_TIMER_MS));
  }

  #refuse(code: ErrorCode): void {
    this.close();
    this.#options.onRefused(code);
  }
}
