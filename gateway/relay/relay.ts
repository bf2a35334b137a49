// One relay: it runs, is tried again with a growing pause where it fails, and tells how it is.
import { Backoff } from '#shared/backoff.ts';
import type { RelayInfo, RelayReason, RelayState } from '#shared/contract/relay.ts';
import { MAX_DETAIL_LENGTH, redactRelay } from '#shared/contract/relay.ts';
import type { Log } from '#server/log.ts';

const RETRY = { minMs: 1_000, maxMs: 30_000 };
/** A run of this length was a good one: the next failure is the first again. */
const GOOD_RUN_MS = 10_000;
/** How often one that has nothing to do looks whether it has. */
const LOOK_EVERY_MS = 500;

/** How a run ended. */
export type RunEnd =
  /** There is nothing to do, or no more. */
  | { readonly how: 'idle' }
  /** To be tried again after a pause. */
  | { readonly how: 'lost'; readonly reason: RelayReason }
  /** To be tried again at once, in another way. */
  | { readonly how: 'again' }
  /** No use in trying again. */
  | { readonly how: 'failed'; readonly reason: RelayReason };

/** A reason, with as much of `detail` as there is room for. */
export const because = (code: RelayReason['code'], detail: string | null = null): RelayReason => ({
  code,
  detail: detail?.slice(0, MAX_DETAIL_LENGTH) ?? null,
});

export interface RunEvents {
  /** It goes out now. */
  connecting(): void;
  /** Media flows. */
  running(): void;
}

/** Why a relay is ended, as the reason of its signal: a class keeps its place for what comes back. */
export type EndReason = 'removed' | 'later';

/** One try, until it is over or `signal` ends it. Must not reject. */
export type Run = (signal: AbortSignal, events: RunEvents) => Promise<RunEnd>;

export interface RelayOptions {
  readonly id: string;
  readonly url: string;
  readonly run: Run;
  readonly log: Log;
}

/** Owns its run and its timer. */
export class Relay {
  readonly id: string;
  readonly url: string;
  readonly #run: Run;
  readonly #log: Log;
  readonly #abort = new AbortController();
  readonly #shown: string;
  #status: Omit<RelayInfo, 'id' | 'url'> = {
    state: 'idle',
    reason: null,
    sinceMs: Date.now(),
    retryAtMs: null,
  };
  #timer: NodeJS.Timeout | undefined;
  #current: Promise<void> | undefined;
  readonly #backoff = new Backoff(RETRY);

  constructor({ id, url, run, log }: RelayOptions) {
    this.id = id;
    this.url = url;
    this.#run = run;
    this.#shown = redactRelay(url);
    this.#log = log.child({ relay: id, to: this.#shown });
    this.#begin();
  }

  get info(): RelayInfo {
    return { id: this.id, url: this.#shown, ...this.#status };
  }

  get state(): RelayState {
    return this.#status.state;
  }

  /** Ends it, for good or to go on later; resolves when its child is gone. Idempotent. */
  async close(why: EndReason): Promise<void> {
    this.#abort.abort(why);
    clearTimeout(this.#timer);
    await this.#current;
  }

  #begin(): void {
    this.#current = this.#try();
  }

  async #try(): Promise<void> {
    let runningAtMs: number | undefined;
    const end = await this.#run(this.#abort.signal, {
      connecting: () => this.#set('connecting', this.#status.reason),
      running: () => {
        runningAtMs ??= performance.now();
        this.#set('running', null);
      },
    });
    if (this.#abort.signal.aborted) return;
    if (runningAtMs !== undefined && performance.now() - runningAtMs >= GOOD_RUN_MS) this.#backoff.reset();
    switch (end.how) {
      case 'idle':
        this.#backoff.reset();
        this.#set('idle', null);
        this.#later(LOOK_EVERY_MS);
        return;
      case 'again':
        this.#later(0);
        return;
      case 'lost': {
        const pauseMs = this.#backoff.failed();
        this.#set('retrying', end.reason, Date.now() + pauseMs);
        this.#later(pauseMs);
        return;
      }
      case 'failed':
        this.#set('failed', end.reason);
    }
  }

  #later(pauseMs: number): void {
    this.#timer = setTimeout(() => this.#begin(), pauseMs);
  }

  #set(state: RelayState, reason: RelayReason | null, retryAtMs: number | null = null): void {
    if (this.#abort.signal.aborted) return;
    const isNew = state !== this.#status.state;
    this.#status = { state, reason, sinceMs: isNew ? Date.now() : this.#status.sinceMs, retryAtMs };
    // A server that stays away is told of once, not at every try.
    if (isNew && state !== 'connecting' && this.#backoff.failures <= 1)
      this.#log.info({ state, reason }, 'relay changed');
  }
}
