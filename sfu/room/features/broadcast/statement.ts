// Keeps one broadcast on air: states the feed to the gateway again and again, at once when it changes,
// and sends the RTP where the answer says. Heals by itself when either side restarts.
import type { Log } from '#server/log.ts';
import { Reconcile } from '#shared/reconcile.ts';
import {
  FEED_INTERVAL_MS,
  type BroadcastStatus,
  type FeedTrack,
  type Teaching,
} from '#shared/contract/internal.ts';
import type { BroadcastNotice } from '#shared/contract/broadcast-notice.ts';
import { LecternError } from '#shared/contract/errors.ts';
import type { FeedMedia, FeedSource, Gateway, RoomMedia } from '../../ports.ts';
import type { BroadcastRun, RecordingChosen } from '#shared/contract/features/broadcast.ts';

/**
 * While a track's own clock is still unknown: the gateway holds its frames for a second, so that sound and
 * picture begin together (gateway/ingest/clock.ts).
 */
const CLOCK_INTERVAL_MS = 100;
const CLOCK_ROUNDS = 15;
/** A gateway that restarts listens again within a second: it is found as soon as it does. */
const RETRY_INTERVAL_MS = 150;
/** So often, then at the usual pace: a gateway that stays away is not asked six times a second forever. */
const SWIFT_RETRIES = 30;
/** So long without an answer is an outage; less is one lost answer, or a restart that nobody need know of. */
const REPORT_AFTER_MS = 1_000;
/** After this many tries the gateway is left to end the broadcast by itself, as it does without a feed. */
const END_TRIES = 60;

export interface BroadcastStatementEvents {
  /** What the gateway says of this broadcast. */
  status(status: BroadcastStatus): void;
  /** The gateway cannot be reached, or refuses. */
  trouble(notice: BroadcastNotice): void;
}

export interface BroadcastStatementOptions {
  readonly lesson: string;
  readonly run: BroadcastRun;
  readonly gateway: Gateway;
  readonly log: Log;
  readonly events: BroadcastStatementEvents;
  /** What those who teach do now. */
  readonly teaching: () => Teaching;
  /** What somebody chose of the recording. */
  readonly chosen: () => RecordingChosen | undefined;
}

interface StatedProgramme {
  readonly sources: readonly FeedSource[];
  readonly media: RoomMedia | null;
}

type BroadcastStatementState = 'on' | 'ending' | 'over';

export class BroadcastStatement {
  readonly #options: BroadcastStatementOptions;
  readonly #loop: Reconcile;
  #state: BroadcastStatementState = 'on';
  #programme: StatedProgramme = { sources: [], media: null };
  #feed: { readonly from: RoomMedia; readonly media: FeedMedia } | null = null;
  /** Rounds in a row without an answer, and how long they have taken, in ms. */
  #failures = 0;
  #failingMs = 0;
  #endTries = 0;
  /** Rounds in a row that stated a track without its clock. */
  #clockless = 0;

  constructor(options: BroadcastStatementOptions) {
    this.#options = options;
    this.#loop = new Reconcile({
      state: () => (this.#state === 'on' ? this.#put() : this.#end()),
      failed: (error) => options.log.error({ err: error }, 'the broadcast cannot be stated'),
      everyMs: () => this.#intervalMs(),
    });
    this.#loop.changed();
  }

  /** True once the gateway knows this producer and gets what it sends. */
  carries(producerId: string): boolean {
    return this.#feed?.media.flowing.includes(producerId) ?? false;
  }

  /** States what the programme is now, and in which media it lives. */
  show(sources: readonly FeedSource[], media: RoomMedia | null): void {
    this.#programme = { sources, media };
    this.#loop.changed();
  }

  /** What is stated along with the programme changed. */
  changed(): void {
    if (this.#state === 'on') this.#loop.changed();
  }

  /** Ends the broadcast at the gateway, trying for a while if it cannot be reached. */
  end(): void {
    if (this.#state !== 'on') return;
    this.#state = 'ending';
    this.#closeFeed();
    this.#loop.changed();
  }

  /** Stops at once and tells nobody: another broadcast follows, the gateway ended it, or we restart. */
  close(): void {
    this.#state = 'over';
    this.#loop.close();
    this.#closeFeed();
  }

  #intervalMs(): number {
    if (this.#failures > 0 && this.#failures <= SWIFT_RETRIES) return RETRY_INTERVAL_MS;
    if (this.#clockless > 0 && this.#clockless <= CLOCK_ROUNDS) return CLOCK_INTERVAL_MS;
    return FEED_INTERVAL_MS;
  }

  async #put(): Promise<void> {
    const { gateway, run, lesson, events, log, teaching, chosen } = this.#options;
    const tracks = await this.#select();
    const isClockless = tracks.some((track) => !track.senderReport && !track.absCaptureTimeId);
    this.#clockless = isClockless ? this.#clockless + 1 : 0;
    if (this.#state !== 'on') return;
    const asked = performance.now();
    try {
      const status = await gateway.feedChannel({
        params: { channel: run.channel },
        body: {
          broadcast: run.id,
          lesson,
          title: run.title,
          from: tracks.length === 0 ? null : (this.#feed?.media.from ?? null),
          tracks,
          teaching: teaching(),
          recording: chosen(),
        },
      });
      if (this.#state !== 'on') return;
      this.#failures = 0;
      this.#failingMs = 0;
      await this.#flow(status.ingest);
      if (this.#state === 'on') events.status(status);
    } catch (error) {
      if (this.#state !== 'on') return;
      this.#failures += 1;
      // The waiting is counted, not read off a clock: a machine that slept has not asked.
      this.#failingMs += performance.now() - asked + RETRY_INTERVAL_MS;
      log.debug({ err: error, channel: run.channel, failures: this.#failures }, 'the gateway takes no feed');
      if (this.#failingMs < REPORT_AFTER_MS) return;
      const isRefusal = error instanceof LecternError && error.code !== 'service-unavailable';
      events.trouble(isRefusal ? 'broken' : 'gateway-away');
    }
  }

  /** Brings the feed in line with the programme. A feed that fails is closed, and opened again later. */
  async #select(): Promise<FeedTrack[]> {
    const { sources, media } = this.#programme;
    if (this.#feed !== null && this.#feed.from !== media) this.#closeFeed();
    if (media === null || (sources.length === 0 && this.#feed === null)) return [];
    try {
      if (this.#feed === null) {
        const opened = await media.openFeed();
        if (this.#state !== 'on') {
          opened.close();
          return [];
        }
        this.#feed = { from: media, media: opened };
      }
      return await this.#feed.media.select(sources);
    } catch (error) {
      this.#options.log.debug({ err: error }, 'the feed failed');
      this.#closeFeed();
      return [];
    }
  }

  async #flow(to: { ip: string; port: number }): Promise<void> {
    if (this.#feed === null) return;
    try {
      if (await this.#feed.media.flow(to)) return;
    } catch (error) {
      this.#options.log.debug({ err: error }, 'the feed failed');
    }
    this.#closeFeed();
    this.#loop.changed();
  }

  async #end(): Promise<void> {
    const { gateway, run, log } = this.#options;
    this.#endTries += 1;
    try {
      await gateway.endBroadcast({ params: { channel: run.channel } });
      this.close();
    } catch (error) {
      // An answer is an answer: there is nothing to end. Only silence is worth another try.
      const refused = error instanceof LecternError && error.code !== 'service-unavailable';
      if (refused || this.#endTries >= END_TRIES) this.close();
      log.debug({ err: error, channel: run.channel }, 'the gateway did not end the broadcast');
    }
  }

  #closeFeed(): void {
    this.#feed?.media.close();
    this.#feed = null;
  }
}
