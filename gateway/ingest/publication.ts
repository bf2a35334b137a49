// All publications of this gateway: who publishes to which channel from outside. Their frames go on to the
// SFU, where they are a peer of the room.
import { LecternError } from '#shared/contract/errors.ts';
import type { Log } from '#server/log.ts';
import { PublisherSession } from './publication/session.ts';
import { PublisherSlot } from './publication/slot/slot.ts';
import { Semaphore } from '../ffmpeg/semaphore.ts';
import type { PublicationMetrics } from './publication/metrics.ts';
import type { Publication, PublicationAsk, PublicationEvents, Rooms } from './publication/types.ts';

/** A publisher that brought media within this time is there; another is told so. */
const PRESENT_MS = 3_000;

export interface PublicationsOptions {
  readonly rooms: Rooms;
  readonly ffmpeg: string;
  /** How many publications may be converted at once. */
  readonly maxConversions: number;
  readonly metrics: PublicationMetrics;
  readonly log: Log;
}

/** All publications of this gateway. */
export class Publications {
  readonly #options: PublicationsOptions;
  readonly #conversions: Semaphore;
  readonly #slots = new Map<string, PublisherSlot>();
  #closed = false;

  constructor(options: PublicationsOptions) {
    this.#options = options;
    this.#conversions = new Semaphore(options.maxConversions);
    options.metrics.watch(() => this.#count());
  }

  /**
   * Takes the channel for a publisher, in place of one that brought nothing lately. Rejects with
   * LecternError: `already-publishing`, `room-closed`, `service-unavailable` …
   */
  async open(ask: PublicationAsk, events: PublicationEvents): Promise<Publication> {
    if (this.#closed) throw new LecternError('service-unavailable');
    const { metrics, log } = this.#options;
    let slot = this.#slots.get(ask.channel);
    if (slot !== undefined && slot.isTaken(PRESENT_MS)) {
      metrics.refused('already-publishing');
      throw new LecternError('already-publishing');
    }
    if (slot === undefined || slot.ask.lesson !== ask.lesson) {
      slot?.close();
      const made: PublisherSlot = new PublisherSlot({
        ask,
        rooms: this.#options.rooms,
        log: log.child({ channel: ask.channel }),
        onClosed: () => {
          if (this.#slots.get(ask.channel) === made) this.#slots.delete(ask.channel);
        },
      });
      slot = made;
      this.#slots.set(ask.channel, slot);
    }
    const session = new PublisherSession({
      ask,
      slot,
      events,
      ffmpeg: this.#options.ffmpeg,
      conversions: this.#conversions,
      metrics,
      log: log.child({ channel: ask.channel }),
    });
    try {
      await slot.enter(session);
    } catch (error) {
      const refusal = LecternError.from(error);
      session.deny(refusal);
      throw error;
    }
    return session;
  }

  /** Ends all of them, as publishers that vanished: they find their channels again after a restart. */
  close(): void {
    this.#closed = true;
    for (const slot of [...this.#slots.values()]) slot.close();
  }

  #count(): { pass: number; convert: number } {
    const count = { pass: 0, convert: 0 };
    for (const slot of this.#slots.values()) {
      if (slot.session !== undefined) count[slot.session.mode] += 1;
    }
    return count;
  }
}
