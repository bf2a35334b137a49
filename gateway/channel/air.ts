// What a broadcast has only while it is not over: its tracks on the way in, one timeline, and its sinks on the way
// out. Frames go through it from top to bottom; what the sinks ask for goes back up.
import type { BroadcastFailure, BroadcastNotice } from '#shared/contract/broadcast-notice.ts';
import type { DiskTrouble } from '#shared/contract/errors.ts';
import type { BroadcastFeed, RecordingInfo, Teaching } from '#shared/contract/internal.ts';
import type { AudioFrame } from '#shared/media/frame.ts';
import { Continuity } from './continuity.ts';
import { Intake } from './intake.ts';
import { Interleaver } from './interleaver.ts';
import { INTERMISSION, Intermission } from './intermission.ts';
import { MeteredProgramme, type Flow } from './meter.ts';
import { VideoRouter } from './video-router.ts';
import type { BroadcastInfo, LadderSink, Outputs, ProgrammeSink } from './ports.ts';
import { Renditions } from './renditions.ts';
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
import { StillPicture } from './still-picture.ts';
import { Timeline, type Placed } from './timeline.ts';

/** Without a frame for this long people are told; a program may send a picture every few seconds. */
const GAP_MS = { tab: 1_500, encoder: 6_000 } as const;
/** Until then what comes may only have been held up, and goes on where it was. */
const CUT_MS = 10_000;
/** An AAC encoder is ahead of its first sample by one access unit: that has to lie on the timeline too. */
const LEAD_IN_US = (1_024 * 1_000_000) / 48_000;

export interface AirDeps {
  readonly sources: Sources;
  readonly mixing: Mixing;
  /** Undefined where no smaller renditions are made. */
  readonly scaling: Scaling | undefined;
  readonly outputs: Outputs;
  readonly clock: Clock;
  readonly onRecording: (recording: RecordingInfo) => void;
  readonly onError: (error: unknown, what: string) => void;
}

/** The broadcast around it. */
export interface AirHost {
  /** Does what may go wrong; what throws ends this broadcast. */
  contain(what: string, work: () => void): void;
  /** True while people were told that nothing comes. */
  isInterrupted(): boolean;
  /** A frame has its place. */
  placed(placed: Placed): void;
  /** Of the source: what a person should know although it goes on. */
  notice(notice: BroadcastNotice | null): void;
  /** Why it is not recorded now. */
  trouble(trouble: DiskTrouble | null): void;
  failed(why: BroadcastFailure): void;
}

export class Air {
  readonly #deps: AirDeps;
  readonly #host: AirHost;
  readonly #group: SourceGroup;
  readonly #intake: Intake;
  readonly #intermission: Intermission;
  readonly #renditions: Renditions;
  readonly #timeline: Timeline;
  readonly #mixer: Mixer;
  readonly #interleaver: Interleaver;
  readonly #video: VideoRouter;
  readonly #still = new StillPicture();
  readonly #continuity: Continuity;
  readonly #programme: MeteredProgramme;
  readonly #ladder: LadderSink;
  #frameAtMs = -Infinity;
  /** True once the sinks know that what comes next continues nothing. */
  #isCut = true;
  #isOver = false;

  /** Throws what an output throws that cannot be opened. */
  constructor(info: BroadcastInfo, deps: AirDeps, host: AirHost) {
    this.#deps = deps;
    this.#host = host;
    const { outputs, mixing, sources, clock } = deps;
    const viewers = outputs.openProgramme(info, {
      requestKeyframe: () => this.#ask(() => this.#intake.requestKeyframe(this.#video.current)),
      audioConfig: (codec) => this.#continuity.audioConfig(codec),
      wantAudio: (wanted, fromUs) => {
        this.#continuity.want(wanted, fromUs);
        this.#mixer.want(new Set([...wanted, this.#ladder.audioCodec]));
      },
    });
    this.#ladder = this.#openLadder(info, viewers);
    const { audioCodec, resumeAtUs } = this.#ladder;
    this.#programme = new MeteredProgramme(viewers, () => clock.nowMs(), audioCodec);
    this.#timeline = new Timeline({
      startUs: resumeAtUs + LEAD_IN_US,
      wallOffsetMs: () => clock.wallMs() - clock.nowMs(),
      onFrame: (placed) => this.#placed(placed),
    });
    this.#continuity = new Continuity({
      still: this.#still,
      programme: this.#programme,
      ladder: this.#ladder,
      audioConfig: (codec) => this.#mixer.configOf(codec),
      wallMs: (ptsUs) => this.#timeline.wallMs(ptsUs),
      requestKeyframe: () => this.#intake.requestKeyframe(this.#video.current),
    });
    this.#video = new VideoRouter({
      onShown: (frame) => this.#continuity.placeVideo(frame),
      ladder: this.#ladder,
      requestKeyframe: (track) => this.#intake.requestKeyframe(track),
    });
    this.#interleaver = new Interleaver({
      captureMs: (ptsUs) => this.#timeline.captureMs(ptsUs),
      onVideo: (placed) => this.#video.routeFrame(placed, clock.nowMs()),
      onAudio: (frame) => this.#continuity.placeAudio(frame),
      audioCodec,
    });
    this.#mixer = mixing.open({
      onFrame: (frame) => host.contain('sound could not be handed on', () => this.#queueAudio(frame)),
      positionUs: () => this.#positionUs(),
    });
    this.#mixer.want(new Set([audioCodec]));
    this.#group = sources.openGroup();
    this.#intermission = new Intermission(
      (frame) => this.#timeline.placeFrame(INTERMISSION, frame, clock.nowMs()),
      () => this.#mixer.remove(INTERMISSION),
    );
    const push = (track: string, frame: SourceFrame) =>
      host.contain('a frame could not be handed on', () => this.#queueFrame(track, frame));
    this.#renditions = new Renditions({
      channel: info.channel,
      scaling: deps.scaling,
      told: () => this.#ladder.renditions,
      onTracks: (tracks, made) => this.#interleaver.afterVideo(() => this.#video.want(tracks, made)),
      onFrame: push,
    });
    this.#intake = new Intake({
      group: this.#group,
      onFrame: push,
      onVideoTracks: (tracks) => this.#renditions.want(tracks),
      onAudioGone: (track) => this.#mixer.remove(track),
      onKinds: (kinds, isEncoder) => {
        this.#timeline.expect(kinds, isEncoder);
        this.#interleaver.expect(kinds, isEncoder, clock.nowMs());
      },
      onNotice: (notice) => host.notice(notice),
      onFailed: (why) => host.failed(why),
      shown: () => this.#video.current,
    });
  }

  get counts(): SourceCounts {
    return this.#group.counts;
  }

  get flow(): Flow {
    return this.#programme.flow;
  }

  /** Where it begins, in µs: where the disk ends. */
  get resumeAtUs(): number {
    return this.#ladder.resumeAtUs;
  }

  /** How much of it is recorded, in ms. */
  get recordedMs(): number {
    return this.#ladder.recordedMs;
  }

  /** The end of what was placed so far, in µs. */
  get endUs(): number {
    return this.#timeline.endUs;
  }

  /** True if nothing came for so long that people should be told. */
  isQuiet(nowMs: number): boolean {
    const isEncoder = this.#intake.isOpen && this.#intake.isEncoder;
    return nowMs - this.#frameAtMs >= GAP_MS[isEncoder ? 'encoder' : 'tab'];
  }

  feed(feed: BroadcastFeed, nowMs: number): void {
    this.#intake.feed(feed, nowMs);
  }

  /** States whether it is to be recorded, from `sinceMs` on, in ms since 1970. */
  record(isOn: boolean, sinceMs: number): void {
    this.#ladder.record(isOn, sinceMs);
  }

  /** The feed is lost: nothing is received until it is back. */
  clear(): void {
    this.#intake.clear();
  }

  teaching(teaching: Teaching, nowMs: number): void {
    this.#intermission.teaching(teaching, nowMs);
  }

  /** A break begins or ends. */
  setBreak(on: boolean): void {
    this.#still.setBreak(on);
  }

  /** `hasBegun` is false before the first frame: there is nothing to have a break from. Call it a few times a second. */
  tick(nowMs: number, hasBegun: boolean): void {
    if (hasBegun) this.#intermission.tick(nowMs);
    this.#timeline.tick(nowMs);
    this.#intake.tick(nowMs);
    this.#interleaver.tick(nowMs);
    const isOver = nowMs - this.#frameAtMs >= CUT_MS || !this.#intake.isOpen;
    if (this.#host.isInterrupted() && isOver) this.#cut();
  }

  /** Lets go of everything without ending it: the gateway stops, and the class goes on afterwards. */
  close(): void {
    this.#intake.close();
    this.#renditions.interrupt();
    this.#mixer.close();
    if (this.#isCut) return;
    this.#interleaver.interrupt();
    this.#ladder.interrupt();
  }

  /**
   * Ends it; `isWhole` unless something in it failed. Never rejects: anyone who waits for the end wants to know that it
   * is one. A part that cannot close keeps no other open.
   */
  async end(isWhole: boolean): Promise<void> {
    this.#isOver = true;
    const ends = [
      () => this.#intake.close(),
      () => this.#renditions.interrupt(),
      () => this.#mixer.close(),
      // What failed may have failed over what waits there.
      ...(isWhole ? [() => this.#interleaver.interrupt()] : []),
      () => this.#programme.end(),
    ];
    for (const end of ends) {
      try {
        end();
      } catch (error) {
        this.#deps.onError(error, 'a part of a broadcast could not be closed');
      }
    }
    try {
      await this.#ladder.end();
    } catch (error) {
      this.#deps.onError(error, 'the recording could not be finalized');
    }
  }

  #openLadder(info: BroadcastInfo, programme: ProgrammeSink): LadderSink {
    const { outputs, onRecording } = this.#deps;
    try {
      return outputs.openLadder({
        info,
        stills: this.#still,
        audioConfig: () => this.#mixer.configOf(this.#ladder.audioCodec),
        requestKeyframes: () => this.#ask(() => this.#intake.requestKeyframe(undefined)),
        onRecording,
        onTrouble: (trouble) => this.#host.trouble(trouble),
      });
    } catch (error) {
      programme.end();
      throw error;
    }
  }

  #ask(work: () => void): void {
    this.#host.contain('a key frame could not be asked for', work);
  }

  #queueFrame(track: string, frame: SourceFrame): void {
    if (this.#isOver) return;
    const nowMs = this.#deps.clock.nowMs();
    this.#intermission.noteFrame(nowMs);
    if (this.#host.isInterrupted() && !this.#timeline.isContinuedBy(frame)) this.#cut();
    if (frame.kind === 'video') this.#renditions.scaleFrame(track, frame);
    this.#timeline.placeFrame(track, frame, nowMs);
  }

  #placed(placed: Placed): void {
    if (this.#isOver) return;
    const nowMs = this.#deps.clock.nowMs();
    if (this.#host.isInterrupted() && !this.#isCut) this.#video.resumed(nowMs);
    this.#frameAtMs = nowMs;
    this.#isCut = false;
    this.#host.placed(placed);
    const { frame } = placed;
    if (frame.kind === 'audio') this.#mixer.addPacket(placed.track, placed.ptsUs, frame.data);
    else this.#interleaver.queueVideo({ ...placed, frame }, nowMs);
  }

  #queueAudio(frame: AudioFrame): void {
    // What the mixer still had when the source went away would open a segment of its own.
    if (this.#isCut || this.#isOver) return;
    this.#interleaver.queueAudio(frame, this.#deps.clock.nowMs());
  }

  /** No further than the sinks: while they wait for the sound, it is not late. */
  #positionUs(): number | undefined {
    const positionUs = this.#timeline.positionUs(this.#deps.clock.nowMs());
    return positionUs === undefined ? undefined : Math.min(positionUs, this.#interleaver.releasedUs);
  }

  /** What there is ends here: what comes next follows behind it and continues nothing. */
  #cut(): void {
    if (this.#isCut) return;
    this.#isCut = true;
    this.#renditions.interrupt();
    this.#interleaver.interrupt();
    this.#timeline.interrupt();
    this.#video.interrupt();
    this.#continuity.interrupt();
    this.#programme.interrupt();
    this.#ladder.interrupt();
  }
}
