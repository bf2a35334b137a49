// One run of a channel: its state, its tracks on the way in, its sinks on the way out.
import {
  FEED_LOST_MS,
  type BroadcastFeed,
  type BroadcastStatus,
  type RecordingInfo,
  type Teaching,
} from '#shared/contract/internal.ts';
import type { BroadcastFailure, BroadcastNotice } from '#shared/contract/broadcast-notice.ts';
import type { DiskTrouble } from '#shared/contract/errors.ts';
import { broadcastLifecycle, type BroadcastEvent, type BroadcastState } from '#shared/domain/lifecycle.ts';
import type { AudioFrame } from '#shared/media/frame.ts';
import { Intake } from './intake.ts';
import { INTERMISSION, Intermission } from './intermission.ts';
import { MeteredProgramme, type Flow } from './meter.ts';
import { Pictures } from './pictures.ts';
import type { BroadcastInfo, LadderSink, Outputs, ProgrammeSink, VideoTrack } from './ports.ts';
import type {
  Clock,
  Mixer,
  Mixing,
  Scaling,
  SourceCounts,
  SourceFrame,
  SourceGroup,
  Sources,
} from './sources.ts';
import { Presence } from './presence.ts';
import { Renditions } from './renditions.ts';
import { Timeline, type Placed } from './timeline.ts';

/** Without a frame for this long the source is gone. */
const GAP_MS = 1_500;
/** A broadcast that never had a frame counts as interrupted after this long. */
const START_LIMIT_MS = 10_000;
/** An AAC encoder is ahead of its first sample by one access unit: that has to lie on the timeline too. */
const LEAD_IN_US = (1_024 * 1_000_000) / 48_000;

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

export interface BroadcastDeps {
  readonly sources: Sources;
  readonly mixing: Mixing;
  /** Undefined where no smaller renditions are made. */
  readonly scaling: Scaling | undefined;
  readonly outputs: Outputs;
  readonly clock: Clock;
  /** How long a broadcast without anybody who teaches waits before it ends. */
  readonly resumeMs: number;
  readonly onState: (broadcast: Broadcast) => void;
  readonly onRecording: (recording: RecordingInfo) => void;
  readonly onError: (error: unknown, what: string) => void;
}

/** What exists only while the broadcast is not over. */
interface OnAir {
  readonly intake: Intake;
  readonly intermission: Intermission;
  readonly group: SourceGroup;
  readonly timeline: Timeline;
  readonly renditions: Renditions;
  readonly pictures: Pictures;
  readonly mixer: Mixer;
  readonly programme: MeteredProgramme;
  readonly ladder: LadderSink;
}

type Run =
  | { readonly state: 'starting'; readonly sinceMs: number; readonly air: OnAir }
  | { readonly state: 'live'; readonly air: OnAir }
  | { readonly state: 'interrupted'; readonly sinceMs: number; readonly air: OnAir }
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
  #frameAtMs = -Infinity;
  readonly #presence: Presence;

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
      source: { ...air.group.counts },
      flow: air.programme.flow,
    };
  }

  #notice(): BroadcastNotice | null {
    return this.#run.state === 'failed' ? this.#run.why : this.#sourceNotice;
  }

  /** Takes what should be on air now. Says nothing new if it is what there is. */
  feed(feed: BroadcastFeed): void {
    const air = this.#air();
    if (air === undefined) return;
    this.#fedAtMs = this.#deps.clock.nowMs();
    this.#contain('a feed could not be taken', () => {
      this.#hear(air, feed.teaching);
      air.intake.feed(feed, this.#fedAtMs);
    });
  }

  /** Call it a few times a second. */
  tick(): void {
    const air = this.#air();
    if (air !== undefined) this.#contain('a broadcast lost its step', () => this.#step(air));
  }

  #step(air: OnAir): void {
    const nowMs = this.#deps.clock.nowMs();
    if (nowMs - this.#fedAtMs >= FEED_LOST_MS) {
      air.intake.clear();
      this.#hear(air, 'away');
    }
    // Before its first frame there is nothing to have a break from.
    if (this.#endUs > 0) air.intermission.tick(nowMs);
    air.timeline.tick(nowMs);
    air.intake.tick(nowMs);
    const run = this.#run;
    if (run.state === 'live' && nowMs - this.#frameAtMs >= GAP_MS) this.#interrupt();
    else if (run.state === 'starting' && this.#presence.isAway && nowMs - run.sinceMs >= START_LIMIT_MS)
      this.#interrupt();
    else if (nowMs >= (this.#waitEndMs() ?? Infinity)) void this.stop();
  }

  #hear(air: OnAir, teaching: Teaching): void {
    const nowMs = this.#deps.clock.nowMs();
    air.intermission.teaching(teaching, nowMs);
    if (!this.#presence.hear(teaching, nowMs)) return;
    air.programme.setBreak(teaching === 'break');
    air.ladder.setBreak(teaching === 'break');
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
    void this.#release(run.air).then(resolve);
    return done;
  }

  /** Lets go of everything without ending it: the gateway stops, and the class goes on afterwards. */
  close(): void {
    const air = this.#air();
    if (air === undefined) return;
    air.intake.close();
    air.renditions.interrupt();
    air.mixer.close();
    if (this.#run.state !== 'live') return;
    air.ladder.interrupted();
    air.programme.interrupted();
  }

  #air(): OnAir | undefined {
    return 'air' in this.#run ? this.#run.air : undefined;
  }

  #open(): OnAir {
    const { outputs, mixing, sources, clock } = this.#deps;
    // The sinks may ask before the tracks are there; every track asks for itself when it is opened.
    const later: { intake?: Intake; pictures?: Pictures; mixer?: Mixer } = {};
    const shown = (): VideoTrack | undefined => later.pictures?.current;
    const ask = (track: VideoTrack | undefined) =>
      this.#contain('a key frame could not be asked for', () => later.intake?.requestKeyframe(track));
    const viewers = outputs.openProgramme(this.info, {
      keyframe: () => ask(shown()),
      sounds: (wanted) => later.mixer?.want(new Set([...wanted, ladder.sound])),
    });
    const ladder = this.#openLadder(viewers, () => ask(undefined));
    const programme = new MeteredProgramme(viewers, () => clock.nowMs(), ladder.sound);
    const timeline = new Timeline({
      startUs: ladder.resumeAtUs + LEAD_IN_US,
      wallOffsetMs: () => clock.wallMs() - clock.nowMs(),
      onFrame: (placed) => this.#placed(placed),
    });
    this.#endUs = ladder.resumeAtUs;
    const pictures = new Pictures({
      programme,
      ladder,
      requestKeyframe: (track) => later.intake?.requestKeyframe(track),
    });
    later.pictures = pictures;
    const mixer = mixing.open({
      onFrame: (frame) => this.#contain('sound could not be handed on', () => this.#sound(frame)),
      positionUs: () => timeline.positionUs(clock.nowMs()),
    });
    mixer.want(new Set([ladder.sound]));
    later.mixer = mixer;
    const group = sources.openGroup();
    const intermission = new Intermission(
      (frame) => timeline.push(INTERMISSION, frame, clock.nowMs()),
      () => mixer.remove(INTERMISSION),
    );
    const push = (track: string, frame: SourceFrame) =>
      this.#contain('a frame could not be handed on', () => {
        intermission.frame(clock.nowMs());
        if (frame.kind === 'video') renditions.take(track, frame);
        timeline.push(track, frame, clock.nowMs());
      });
    const renditions = new Renditions({
      channel: this.info.channel,
      scaling: this.#deps.scaling,
      told: () => ladder.renditions,
      onTracks: (tracks, made) => pictures.want(tracks, made),
      onPicture: push,
    });
    const intake = new Intake({
      group,
      onFrame: push,
      onVideoTracks: (tracks) => renditions.want(tracks),
      onSoundGone: (track) => mixer.remove(track),
      onKinds: (kinds) => timeline.expect(kinds),
      onNotice: (notice) => (this.#sourceNotice = notice),
      onFailed: (why) => this.#fail(why),
      shown,
    });
    later.intake = intake;
    return { intake, intermission, group, timeline, renditions, pictures, mixer, programme, ladder };
  }

  #openLadder(programme: ProgrammeSink, requestKeyframes: () => void): LadderSink {
    try {
      return this.#deps.outputs.openLadder({
        info: this.info,
        requestKeyframes,
        onRecording: this.#deps.onRecording,
        onTrouble: (trouble) => (this.#diskTrouble = trouble),
      });
    } catch (error) {
      programme.end();
      throw error;
    }
  }

  #placed(placed: Placed): void {
    const run = this.#run;
    if (!('air' in run)) return;
    const nowMs = this.#deps.clock.nowMs();
    this.#frameAtMs = nowMs;
    if (run.state !== 'live') {
      // After a restart of the gateway what was on air before counts too.
      this.#startedAtMs ??= Math.round(placed.wallMs - this.#endUs / 1_000);
      this.#move('media', { state: 'live', air: run.air });
    }
    this.#endUs = run.air.timeline.endUs;
    const { frame } = placed;
    if (frame.kind === 'audio') run.air.mixer.packet(placed.track, placed.ptsUs, frame.data);
    else run.air.pictures.show({ ...placed, frame }, nowMs);
  }

  #sound(frame: AudioFrame): void {
    const run = this.#run;
    // What the mixer still had when the source went away would open a segment of its own.
    if (run.state !== 'live') return;
    const { programme, ladder, timeline } = run.air;
    programme.frame(frame);
    if (frame.config.codec === ladder.sound) ladder.audio(frame, timeline.wallMs(frame.ptsUs));
  }

  #interrupt(): void {
    const run = this.#run;
    if (!('air' in run)) return;
    this.#move('gap', { state: 'interrupted', sinceMs: this.#deps.clock.nowMs(), air: run.air });
    run.air.renditions.interrupt();
    run.air.timeline.interrupt();
    run.air.pictures.interrupt();
    run.air.programme.interrupted();
    run.air.ladder.interrupted();
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
    void this.#release(air).then(resolve);
  }

  /** Never rejects: whoever waits for the end wants to know that it is one. A part that cannot close keeps no other open. */
  async #release(air: OnAir): Promise<void> {
    const ends = [
      () => air.intake.close(),
      () => air.renditions.interrupt(),
      () => air.mixer.close(),
      () => air.programme.end(),
    ];
    for (const end of ends) {
      try {
        end();
      } catch (error) {
        this.#deps.onError(error, 'a part of a broadcast could not be closed');
      }
    }
    try {
      await air.ladder.end();
    } catch (error) {
      this.#deps.onError(error, 'the recording could not be finalized');
    }
  }

  #move(event: BroadcastEvent, to: Run): void {
    const next = broadcastLifecycle.next(this.#run.state, event);
    if (next !== to.state) throw new Error(`'${event}' leads to ${next}, not to ${to.state}`);
    this.#run = to;
    this.#deps.onState(this);
  }
}
