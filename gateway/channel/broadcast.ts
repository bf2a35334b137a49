// One run of a channel: its state, its tracks on the way in, its sinks on the way out.
import {
  FEED_LOST_MS,
  type BroadcastFeed,
  type BroadcastStatus,
  type Teaching,
} from '#shared/contract/internal.ts';
import type { BroadcastFailure, BroadcastNotice } from '#shared/contract/broadcast-notice.ts';
import type { DiskTrouble } from '#shared/contract/errors.ts';
import { recordingOf, type RecordingChoice, type RecordingMode } from '#shared/domain/recording.ts';
import { broadcastLifecycle, type BroadcastEvent, type BroadcastState } from '#shared/domain/lifecycle.ts';
import { Air, type AirDeps } from './air.ts';
import type { Flow } from './meter.ts';
import type { BroadcastInfo } from './ports.ts';
import { Presence } from './presence.ts';
import type { SourceCounts } from './sources.ts';
import type { Placed } from './timeline.ts';

/** A broadcast that never had a frame counts as interrupted after this long. */
const START_LIMIT_MS = 10_000;

export type LiveState = Exclude<BroadcastState, 'idle'>;

/** What there is to measure of a broadcast that is on air. */
export interface BroadcastFigures {
  readonly info: BroadcastInfo;
  readonly state: LiveState;
  readonly startedAtMs: number | null;
  readonly durationMs: number;
  /** What a person should know although it goes on. */
  readonly notice: BroadcastNotice | null;
  /** Why it is not recorded now. */
  readonly diskTrouble: DiskTrouble | null;
  readonly source: SourceCounts;
  readonly flow: Flow;
}

export interface BroadcastDeps extends AirDeps {
  /** How long a broadcast without anybody who teaches waits before it ends. */
  readonly resumeMs: number;
  /** What the channel's lesson says of recording it. */
  readonly recordingMode: (channel: string) => RecordingMode;
  readonly onState: (broadcast: Broadcast) => void;
}

type Run =
  | { readonly state: 'starting'; readonly sinceMs: number; readonly air: Air }
  | { readonly state: 'live'; readonly air: Air }
  | { readonly state: 'interrupted'; readonly sinceMs: number; readonly air: Air }
  | { readonly state: 'ended'; readonly done: Promise<void> }
  | { readonly state: 'failed'; readonly why: BroadcastFailure; readonly done: Promise<void> };

export class Broadcast {
  readonly info: BroadcastInfo;
  readonly #deps: BroadcastDeps;
  #run: Run;
  #startedAtMs: number | null = null;
  #endUs = 0;
  /** What a person should know although the broadcast goes on: of the recording, of the source. */
  #diskTrouble: DiskTrouble | null = null;
  #sourceNotice: BroadcastNotice | null = null;
  #fedAtMs: number;
  readonly #presence: Presence;
  /** What somebody chose of the recording. */
  #chosen: BroadcastFeed['recording'];

  /** Puts it on air. Throws what an output throws that cannot be opened. */
  constructor(info: BroadcastInfo, deps: BroadcastDeps) {
    this.info = info;
    this.#deps = deps;
    const nowMs = deps.clock.nowMs();
    this.#fedAtMs = nowMs;
    this.#presence = new Presence(nowMs);
    this.#run = {
      state: broadcastLifecycle.next('idle', 'start') as 'starting',
      sinceMs: nowMs,
      air: this.#open(),
    };
  }

  get state(): LiveState {
    return this.#run.state;
  }

  get over(): boolean {
    return this.#run.state === 'ended' || this.#run.state === 'failed';
  }

  status(): BroadcastStatus {
    const { clock } = this.#deps;
    const endMs = this.#waitEndMs();
    return {
      broadcast: this.info.broadcast,
      state: this.#run.state,
      notice: this.#notice(),
      diskTrouble: this.#diskTrouble,
      recording: this.#recording,
      recordingMode: this.#recordingMode,
      recordedMs: this.#air()?.recordedMs ?? 0,
      startedAtMs: this.#startedAtMs,
      durationMs: Math.round(this.#endUs / 1_000),
      viewers: this.#deps.outputs.viewers(this.info.channel),
      ingest: this.#deps.sources.address,
      waitMs: this.#deps.resumeMs,
      waitEndsAtMs: endMs === undefined ? null : Math.round(endMs - clock.nowMs() + clock.wallMs()),
    };
  }

  /** What is measured of it; undefined once it is over. */
  figures(): BroadcastFigures | undefined {
    const air = this.#air();
    if (air === undefined) return undefined;
    return {
      info: this.info,
      state: this.#run.state,
      startedAtMs: this.#startedAtMs,
      durationMs: Math.round(this.#endUs / 1_000),
      notice: this.#notice(),
      diskTrouble: this.#diskTrouble,
      source: { ...air.counts },
      flow: air.flow,
    };
  }

  #notice(): BroadcastNotice | null {
    return this.#run.state === 'failed' ? this.#run.why : this.#sourceNotice;
  }

  /** Takes what should be on air now. No-op if unchanged. */
  feed(feed: BroadcastFeed): void {
    const air = this.#air();
    if (air === undefined) return;
    this.#fedAtMs = this.#deps.clock.nowMs();
    this.#contain('a feed could not be taken', () => {
      this.#hear(air, feed.teaching);
      this.#chosen = feed.recording;
      air.record(this.#recording === 'on', feed.recording?.atMs ?? 0);
      air.feed(feed, this.#fedAtMs);
    });
  }

  /** Call it a few times a second. */
  tick(): void {
    const air = this.#air();
    if (air !== undefined) this.#contain('a broadcast lost its step', () => this.#step(air));
  }

  #step(air: Air): void {
    const nowMs = this.#deps.clock.nowMs();
    if (nowMs - this.#fedAtMs >= FEED_LOST_MS) {
      air.clear();
      this.#hear(air, 'away');
    }
    air.tick(nowMs, this.#endUs > 0);
    const run = this.#run;
    if (run.state === 'live' && air.isQuiet(nowMs)) this.#interrupt();
    else if (run.state === 'starting' && this.#presence.isAway && nowMs - run.sinceMs >= START_LIMIT_MS)
      this.#interrupt();
    else if (nowMs >= (this.#waitEndMs() ?? Infinity)) void this.stop();
  }

  get #recordingMode(): RecordingMode {
    return this.#deps.recordingMode(this.info.channel);
  }

  /** Whether it is to be recorded now. */
  get #recording(): RecordingChoice {
    return recordingOf(this.#recordingMode, this.#chosen?.choice);
  }

  #hear(air: Air, teaching: Teaching): void {
    const nowMs = this.#deps.clock.nowMs();
    air.teaching(teaching, nowMs);
    if (this.#presence.hear(teaching, nowMs)) air.setBreak(teaching === 'break');
  }

  /** When the wait ends, on the monotonic clock; undefined while none runs. */
  #waitEndMs(): number | undefined {
    const run = this.#run;
    if (run.state !== 'interrupted') return undefined;
    return this.#presence.waitEndMs(run.sinceMs, this.#deps.resumeMs);
  }

  /** Ends it. Resolves when its recording is final; a second call resolves with the first. */
  stop(): Promise<void> {
    const run = this.#run;
    if ('done' in run) return run.done;
    const { promise: done, resolve } = Promise.withResolvers<void>();
    this.#move('stop', { state: 'ended', done });
    void run.air.end(true).then(resolve);
    return done;
  }

  /** Lets go of everything without ending it: the gateway stops, and the class goes on afterwards. */
  close(): void {
    this.#air()?.close();
  }

  #air(): Air | undefined {
    return 'air' in this.#run ? this.#run.air : undefined;
  }

  #open(): Air {
    const air = new Air(this.info, this.#deps, {
      contain: (what, work) => this.#contain(what, work),
      isInterrupted: () => this.#run.state === 'interrupted',
      placed: (placed) => this.#placed(placed),
      notice: (notice) => (this.#sourceNotice = notice),
      trouble: (trouble) => (this.#diskTrouble = trouble),
      failed: (why) => this.#fail(why),
    });
    this.#endUs = air.resumeAtUs;
    return air;
  }

  #placed({ wallMs }: Placed): void {
    const run = this.#run;
    if (!('air' in run)) return;
    if (run.state !== 'live') {
      // After a restart of the gateway what was on air before counts too.
      this.#startedAtMs ??= Math.round(wallMs - this.#endUs / 1_000);
      this.#move('media', { state: 'live', air: run.air });
    }
    this.#endUs = run.air.endUs;
  }

  /** Says that nothing comes. It may still be on its way. */
  #interrupt(): void {
    const run = this.#run;
    if (!('air' in run)) return;
    this.#move('gap', { state: 'interrupted', sinceMs: this.#deps.clock.nowMs(), air: run.air });
  }

  /** What goes wrong in the path of its frames ends this broadcast and no other. */
  #contain(what: string, work: () => void): void {
    try {
      work();
    } catch (error) {
      this.#deps.onError(error, what);
      this.#fail('broken');
    }
  }

  #fail(why: BroadcastFailure): void {
    const air = this.#air();
    if (air === undefined) return;
    const { promise: done, resolve } = Promise.withResolvers<void>();
    this.#move('fail', { state: 'failed', why, done });
    void air.end(false).then(resolve);
  }

  #move(event: BroadcastEvent, to: Run): void {
    const next = broadcastLifecycle.next(this.#run.state, event);
    if (next !== to.state) throw new Error(`'${event}' leads to ${next}, not to ${to.state}`);
    this.#run = to;
    this.#deps.onState(this);
  }
}
