// What a channel needs from the outputs and the disk, and what they may ask of it. `channel/` knows
// nothing of sockets, HTTP or files; `egress/` and `store/` implement these, `app.ts` joins them.
import type { AudioConfig, AudioFrame, Frame, AudioCodec, VideoFrame } from '#shared/media/frame.ts';
import type { DiskTrouble } from '#shared/contract/errors.ts';
import type { RecordingInfo } from '#shared/contract/internal.ts';

/** A video source of the programme that flows now: one simulcast layer, or the screen. */
export interface VideoTrack {
  /** Unique in the broadcast; a new producer gets a new one. */
  readonly id: string;
  /** 0 is the smallest simulcast layer. */
  readonly layer: number;
  readonly source: 'camera' | 'screen';
}

export interface BroadcastInfo {
  readonly broadcast: string;
  readonly lesson: string;
  readonly channel: string;
  readonly title: string;
}

/** Takes the one selected picture and the sound: HTTP-FLV, WebSocket-FLV, RTMP. */
export interface ProgrammeSink {
  /**
   * Frames in decoding order, without a hole: what is missing is filled in. `ptsUs` and `dtsUs` never go back within a kind, nor within a codec of sound.
   */
  writeFrame(frame: Frame): void;
  /** The broadcast is over: viewers are let go in order. Called once, last. */
  end(): void;
}

/** What a programme asks for on behalf of its viewers. */
export interface ProgrammeAsks {
  requestKeyframe(): void;
  /** The configuration of the sound in `codec`, if it flows: what viewers need to begin. */
  audioConfig(codec: AudioCodec): AudioConfig | undefined;
  /**
   * These codecs of sound are what somebody listens to from now on. `fromUs` is where the oldest picture is that a new viewer gets; undefined if there is
   * none.
   */
  wantAudio(wanted: ReadonlySet<AudioCodec>, fromUs: number | undefined): void;
}

/** Takes every video track and the sound: HLS and, being the same segments, the recording. */
export interface LadderSink {
  /**
   * Where the timeline of this broadcast continues, in µs: 0 for a new one, the end of what is on
   * disk after a restart of the gateway.
   */
  readonly resumeAtUs: number;
  /** How many renditions the audience was told of; undefined until it was told. It never changes. */
  readonly renditions: number | undefined;
  /** How much of it is recorded, in ms. */
  readonly recordedMs: number;
  /** The one codec of sound that it takes. */
  readonly audioCodec: AudioCodec;
  /** States which video tracks flow now, smallest layer first. Called before frames of a new one. */
  setTracks(tracks: readonly VideoTrack[]): void;
  writeVideo(track: VideoTrack, frame: VideoFrame, wallMs: number): void;
  writeAudio(frame: AudioFrame, wallMs: number): void;
  /** A picture that stands in for a missing one. */
  writeStill(frame: VideoFrame): void;
  /** States whether it is to be recorded, from `sinceMs` on (in ms since 1970): nothing else of it changes. */
  record(isOn: boolean, sinceMs: number): void;
  /** The source is gone: what is begun is closed now, what comes next follows a discontinuity. */
  interrupt(): void;
  /** The broadcast is over: finalizes the recording. Resolves when it is ready. Called once, last. */
  end(): Promise<void>;
}

/** Pictures for when there is none. */
export interface Stills {
  /** True while they are shown. */
  readonly isShowing: boolean;
  /** The one for a time on the timeline. */
  at(ptsUs: number): VideoFrame;
}

export interface LadderOptions {
  readonly info: BroadcastInfo;
  /** What stands in for a missing picture, at any time. */
  readonly stills: Stills;
  /** How the sound is configured: silence before the first of it is, too. */
  readonly audioConfig: () => AudioConfig;
  /** Asks every source track for a key frame, now. */
  readonly requestKeyframes: () => void;
  /** The recording changed its state (`recording:changed` to `school`). */
  readonly onRecording: (recording: RecordingInfo) => void;
  /** The disk takes nothing now, or all again if null: the broadcast goes on, and recording by itself. */
  readonly onTrouble: (trouble: DiskTrouble | null) => void;
}

/** How many watch, by protocol. */
export interface ViewerCount {
  flv: number;
  hls: number;
  rtmp: number;
}

/** All outputs of the gateway, made by `egress/` and `store/`. */
export interface Outputs {
  /** Opens the FLV and RTMP side of a channel for a broadcast. */
  openProgramme(info: BroadcastInfo, asks: ProgrammeAsks): ProgrammeSink;
  /** Opens (or after a restart re-opens, by the same broadcast id) the ladder and its recording. */
  openLadder(options: LadderOptions): LadderSink;
  viewers(channel: string): ViewerCount;
  /** True if this broadcast's recording is finalized: it cannot go on air again. */
  isOver(broadcast: string): boolean;
}
