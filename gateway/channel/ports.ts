// What a channel needs from the outputs and the disk, and what they may ask of it. `channel/` knows
// nothing of sockets, HTTP or files; `egress/` and `store/` implement these, `app.ts` joins them.
import type { AudioFrame, Frame, SoundCodec, VideoFrame } from '#shared/media/frame.ts';
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
  /** Frames in decoding order; `ptsUs` and `dtsUs` never go back within a kind, nor within a codec of sound. */
  frame(frame: Frame): void;
  /** The source is gone for now; the next video frame will be a key frame. Viewers stay. */
  interrupted(): void;
  /** A break begins or ends: what stands in for the missing picture says so. */
  setBreak(on: boolean): void;
  /** The broadcast is over: viewers are let go in order. Called once, last. */
  end(): void;
}

/** What a programme asks for on behalf of its viewers. */
export interface ProgrammeAsks {
  keyframe(): void;
  /** These codecs of sound are what somebody listens to from now on. */
  sounds(wanted: ReadonlySet<SoundCodec>): void;
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
  /** The one codec of sound that it takes. */
  readonly sound: SoundCodec;
  /** States which video tracks flow now, smallest layer first. Called before frames of a new one. */
  tracks(tracks: readonly VideoTrack[]): void;
  video(track: VideoTrack, frame: VideoFrame, wallMs: number): void;
  audio(frame: AudioFrame, wallMs: number): void;
  /** The source is gone: what is begun is closed now, what comes next follows a discontinuity. */
  interrupted(): void;
  /** A break begins or ends: what stands in for the missing picture says so. */
  setBreak(on: boolean): void;
  /** The broadcast is over: finalizes the recording. Resolves when it is ready. Called once, last. */
  end(): Promise<void>;
}

export interface LadderOptions {
  readonly info: BroadcastInfo;
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
