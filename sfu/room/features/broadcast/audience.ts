// Who watches the programme by WHEP, and whether each still may.
import { LecternError } from '#shared/contract/errors.ts';
import { Serial } from '#shared/serial.ts';
import type { Log } from '#server/log.ts';
import type { Offer } from '../../../sdp/offer.ts';
import type { AudienceMedia, FeedSource, RoomMedia, WhepViewer } from '../../ports.ts';
import { Revalidation, type Ask } from './revalidation.ts';

/** The most that watch one room by WHEP: their media run on one core. */
export const MAX_VIEWERS = 500;

interface Seat {
  readonly viewer: WhepViewer;
  readonly revalidation: Revalidation;
}

interface Showing {
  readonly from: RoomMedia;
  readonly media: Promise<AudienceMedia>;
}

export class Audience {
  readonly #log: Log;
  readonly #now: () => number;
  readonly #seats = new Set<Seat>();
  #programme: { readonly sources: readonly FeedSource[]; readonly media: RoomMedia | null } = {
    sources: [],
    media: null,
  };
  #showing: Showing | null = null;
  readonly #turns = new Serial();

  /** `now` gives the time in ms since 1970. */
  constructor(log: Log, now: () => number) {
    this.#log = log;
    this.#now = now;
  }

  get size(): number {
    return this.#seats.size;
  }

  /** What the programme is now, and in which media it lives. */
  show(sources: readonly FeedSource[], media: RoomMedia | null): void {
    this.#programme = { sources, media };
    if (this.#showing === null) return;
    if (this.#showing.from === media) this.#select(this.#showing);
    else this.close();
  }

  /**
   * Lets a player in that `ask` allowed; it stays for as long as that is so. `onGone` is called once when it is
   * over. Throws LecternError `not-live` before there is anything to see, `room-full`,
   * `not-acceptable` or `service-unavailable`.
   */
  async watch(offer: Offer, ask: Ask, onGone: () => void): Promise<WhepViewer> {
    // The media may move while a player is let in, as when a class goes on air: it is let in where they are now.
    const { media } = this.#programme;
    let viewer = await this.#admit(offer, ask, onGone);
    if (viewer === null && this.#programme.media !== media) viewer = await this.#admit(offer, ask, onGone);
    if (viewer === null) throw new LecternError('service-unavailable');
    return viewer;
  }

  /** Null if what is shown was closed in the meantime; `onGone` is not called then. */
  async #admit(offer: Offer, ask: Ask, onGone: () => void): Promise<WhepViewer | null> {
    if (this.#programme.media === null || this.#programme.sources.length === 0)
      throw new LecternError('not-live');
    if (this.#seats.size >= MAX_VIEWERS) this.#makeRoom();
    const showing = this.#showing ?? this.#open(this.#programme.media);
    let seat: Seat | null = null;
    let over = false;
    let viewer: WhepViewer;
    try {
      const media = await showing.media;
      await this.#turns.idle();
      viewer = await media.watch(offer, () => {
        over = true;
        if (seat === null) return;
        this.#leave(seat);
        onGone();
      });
    } catch (error) {
      if (this.#programme.media === showing.from) throw error;
      this.#log.warn({ err: error }, 'what is shown moved while a player was let in');
      return null;
    }
    if (over || this.#showing !== showing) {
      viewer.close();
      return null;
    }
    const revalidation = new Revalidation({ ask, onRefused: () => viewer.close(), now: this.#now });
    seat = { viewer, revalidation };
    this.#seats.add(seat);
    return viewer;
  }

  /** The rules for viewing changed: anyone who may not watch any more is shown out. */
  recheck(): void {
    for (const { revalidation } of this.#seats) revalidation.recheck();
  }

  /** Shows everyone out. Another run may follow. */
  close(): void {
    const showing = this.#showing;
    this.#showing = null;
    showing?.media.then(
      (media) => media.close(),
      () => undefined,
    );
    for (const seat of [...this.#seats]) {
      seat.viewer.close();
      this.#leave(seat);
    }
  }

  /** Offers cost nothing: who made one and does not connect gives the seat up. Throws LecternError `room-full`. */
  #makeRoom(): void {
    const absent = [...this.#seats].find(({ viewer }) => !viewer.connected);
    if (absent === undefined) throw new LecternError('room-full');
    absent.viewer.close();
  }

  #leave(seat: Seat): void {
    seat.revalidation.close();
    this.#seats.delete(seat);
  }

  #open(from: RoomMedia): Showing {
    const showing: Showing = { from, media: from.openAudience() };
    this.#showing = showing;
    showing.media.catch(() => {
      if (this.#showing === showing) this.#showing = null;
    });
    this.#select(showing);
    return showing;
  }

  /** Brings what is shown in line with the programme, one change after the other. */
  #select(showing: Showing): void {
    void this.#turns.run(async () => {
      try {
        const media = await showing.media;
        if (this.#showing === showing) await media.select(this.#programme.sources);
      } catch (error) {
        this.#log.debug({ err: error }, 'the programme cannot be shown to players');
      }
    });
  }
}
