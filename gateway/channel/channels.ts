// Every channel of this gateway, and what is on air on it.
import type { BroadcastFailure } from '#shared/contract/broadcast-notice.ts';
import { LecternError } from '#shared/contract/errors.ts';
import type { BroadcastFeed, BroadcastStatus, GatewayEvent } from '#shared/contract/internal.ts';
import { Broadcast, type BroadcastDeps, type BroadcastFigures, type LiveState } from './broadcast.ts';

const TICK_MS = 100;
/** Broadcasts that ended are remembered, so that a late feed does not start them again. */
const MAX_REMEMBERED = 1_000;

/** One line per transition; what `server/log.ts` makes is one. */
export interface TransitionLog {
  info(what: object, message: string): void;
  error(what: object, message: string): void;
}

export interface ChannelsOptions extends Pick<
  BroadcastDeps,
  'sources' | 'mixing' | 'scaling' | 'outputs' | 'clock' | 'resumeMs' | 'recordingMode'
> {
  readonly log: TransitionLog;
  readonly onEvent: (event: GatewayEvent) => void;
}

export class Channels {
  readonly #options: ChannelsOptions;
  readonly #current = new Map<string, Broadcast>();
  readonly #over = new Set<string>();
  readonly #stopTicking: () => void;
  #state: 'open' | 'closed' = 'open';

  constructor(options: ChannelsOptions) {
    this.#options = options;
    this.#stopTicking = options.clock.every(TICK_MS, () => this.#tick());
  }

  /**
   * Takes what should be on air on a channel and answers what is. The same feed may come any number of
   * times; one for another broadcast ends the one before. A broadcast that is over stays so.
   * Throws LecternError `service-unavailable` once the gateway is closing.
   */
  feed(channel: string, feed: BroadcastFeed): BroadcastStatus {
    // Not `ended`: the class goes on as soon as the gateway is back.
    if (this.#state === 'closed') throw new LecternError('service-unavailable');
    const { outputs } = this.#options;
    let current = this.#current.get(channel);
    if (current?.info.broadcast !== feed.broadcast) {
      if (this.#over.has(feed.broadcast) || outputs.isOver(feed.broadcast)) {
        return this.#absent(channel, feed.broadcast, 'ended', null);
      }
      void current?.stop();
      const started = this.#start(channel, feed);
      if (!(started instanceof Broadcast)) return started;
      current = started;
    }
    current.feed(feed);
    return current.status();
  }

  /** Ends what is on air. Resolves when its recording is final; at once if nothing is. */
  async stop(channel: string): Promise<void> {
    await this.#current.get(channel)?.stop();
  }

  /** Ends what is on air and forgets the channel. */
  async forget(channel: string): Promise<void> {
    const current = this.#current.get(channel);
    await current?.stop();
    if (this.#current.get(channel) === current) this.#current.delete(channel);
  }

  /** What is, or last was, on air here; undefined if nothing was since the gateway started. */
  status(channel: string): BroadcastStatus | undefined {
    return this.#current.get(channel)?.status();
  }

  /** True from the first frame until the end, interruptions included. */
  isLive(channel: string): boolean {
    const state = this.#current.get(channel)?.state;
    return state === 'live' || state === 'interrupted';
  }

  /** What is measured of every broadcast that is not over. */
  figures(): BroadcastFigures[] {
    return [...this.#current.values()].flatMap((broadcast) => broadcast.figures() ?? []);
  }

  /** How many broadcasts are in each state. */
  count(): Record<LiveState, number> {
    const count = { starting: 0, live: 0, interrupted: 0, ended: 0, failed: 0 };
    for (const broadcast of this.#current.values()) count[broadcast.state] += 1;
    return count;
  }

  /** Stops receiving. Broadcasts are left as they are: they go on when the gateway is back. */
  close(): void {
    if (this.#state === 'closed') return;
    this.#state = 'closed';
    this.#stopTicking();
    for (const broadcast of this.#current.values()) broadcast.close();
  }

  #start(channel: string, feed: BroadcastFeed): Broadcast | BroadcastStatus {
    const { log, onEvent: publish, ...deps } = this.#options;
    const { broadcast, lesson, title } = feed;
    // Published from the middle of a change: an event that cannot be kept must not stop it half-way.
    const onEvent = (event: GatewayEvent) => {
      try {
        publish(event);
      } catch (error) {
        log.error({ err: error, channel, broadcast, event: event.type }, 'an event could not be kept');
      }
    };
    const notify = (state: LiveState) => {
      log.info({ channel, broadcast, state }, 'broadcast changed');
      onEvent({
        type: 'broadcast:changed',
        atMs: Math.round(deps.clock.wallMs()),
        lesson,
        channel,
        broadcast,
        state,
      });
    };
    try {
      const started = new Broadcast(
        { broadcast, lesson, channel, title },
        {
          ...deps,
          onState: ({ state, over }) => {
            if (over) this.#remember(broadcast);
            notify(state);
          },
          onRecording: (recording) =>
            onEvent({ type: 'recording:changed', atMs: Math.round(deps.clock.wallMs()), recording }),
          onError: (error, what) => log.error({ err: error, channel, broadcast }, what),
        },
      );
      this.#current.set(channel, started);
      notify(started.state);
      return started;
    } catch (error) {
      // Not remembered: the next feed tries again, and the disk may have room by then.
      log.error({ err: error, channel, broadcast }, 'a broadcast could not start');
      // The cause is for the log: it may name a path of this machine.
      return this.#absent(channel, broadcast, 'failed', 'broken');
    }
  }

  #absent(
    channel: string,
    broadcast: string,
    state: 'ended' | 'failed',
    notice: BroadcastFailure | null,
  ): BroadcastStatus {
    const { outputs, sources, resumeMs, recordingMode } = this.#options;
    return {
      broadcast,
      state,
      notice,
      diskTrouble: null,
      recording: 'off',
      recordingMode: recordingMode(channel),
      recordedMs: 0,
      startedAtMs: null,
      durationMs: 0,
      viewers: outputs.viewers(channel),
      ingest: sources.address,
      waitMs: resumeMs,
      waitEndsAtMs: null,
    };
  }

  #remember(broadcast: string): void {
    this.#over.add(broadcast);
    const oldest = this.#over.values().next();
    if (this.#over.size > MAX_REMEMBERED && oldest.done !== true) this.#over.delete(oldest.value);
  }

  #tick(): void {
    for (const broadcast of this.#current.values()) broadcast.tick();
  }
}
