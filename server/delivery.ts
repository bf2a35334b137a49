// Delivers what a service has for `school`, in its order and at least once: in batches, again after every failure.
import { Backoff } from '#shared/backoff.ts';
import { LecternError } from '#shared/contract/errors.ts';
import { ServiceEvent, type EventBatch } from '#shared/contract/internal.ts';
import type { SchoolClient } from '#shared/contract/internal-api.ts';
import type { Log } from './log.ts';

const BATCH = 100;
const RETRY = { minMs: 250, maxMs: 10_000 };

/** An event that waits: its id, which grows, and its text in JSON. */
export interface Waiting {
  readonly id: number;
  readonly body: string;
}

export interface DeliveryOptions {
  /** Names this sender to the school for good: it recognises a repetition by name and id. */
  readonly name: string;
  readonly school: SchoolClient;
  readonly log: Log;
  /** The first `limit` that wait, oldest first. */
  readonly first: (limit: number) => readonly Waiting[];
  /** All up to this id are with the school. */
  readonly done: (id: number) => void;
}

/** One event as it is delivered, or none: what no `school` could take must not hold up all that follows. */
function readEvent({ id, body }: Waiting, log: Log): EventBatch['events'] {
  try {
    return [{ id, event: ServiceEvent.parse(JSON.parse(body)) }];
  } catch (error) {
    log.error({ err: error, id }, 'an event that waits for the school cannot be read and is given up');
    return [];
  }
}

export class EventDelivery {
  readonly #options: DeliveryOptions;
  #isClosed = false;
  #isBusy = false;
  readonly #backoff = new Backoff(RETRY);
  #timer: NodeJS.Timeout | undefined;

  /** Delivers what waits already. */
  constructor(options: DeliveryOptions) {
    this.#options = options;
    this.wake();
  }

  /** Something new waits. */
  wake(): void {
    this.#schedule(0);
  }

  /** Idempotent. What is under way may still arrive. */
  close(): void {
    this.#isClosed = true;
    clearTimeout(this.#timer);
  }

  #schedule(inMs: number): void {
    if (this.#isClosed || this.#timer !== undefined) return;
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      void this.#deliver();
    }, inMs);
  }

  async #deliver(): Promise<void> {
    if (this.#isBusy || this.#isClosed) return;
    this.#isBusy = true;
    const { name, school, log, first, done } = this.#options;
    try {
      for (;;) {
        const waiting = first(BATCH);
        const last = waiting.at(-1);
        if (last === undefined) break;
        const events = waiting.flatMap((one) => readEvent(one, log));
        const batch: EventBatch = { outbox: name, events };
        if (events.length > 0) await school.deliverEvents({ body: batch });
        if (this.#isClosed) return;
        done(last.id);
        this.#backoff.reset();
      }
    } catch (error) {
      // A restart of the school is nothing to report; a refusal would last, and someone should know.
      const isAway = error instanceof LecternError && error.code === 'service-unavailable';
      const retryMs = this.#backoff.failed();
      log[isAway ? 'debug' : 'warn']({ err: error, retryMs }, 'school does not take events now');
      this.#schedule(retryMs);
    } finally {
      this.#isBusy = false;
    }
  }
}
