// What a broadcast needs on its way in: tracks that become frames with a time, a mixer for the sound,
// and a clock. `ingest/` and `audio/` implement these, `app.ts` joins them.
import type { BroadcastFailure } from '#shared/contract/broadcast-notice.ts';
import type { BroadcastFeed, FeedTrack } from '#shared/contract/internal.ts';
import type { AudioConfig, AudioFrame, AvcConfig, AudioCodec } from '#shared/media/frame.ts';

/**
 * A whole video frame as a track delivered it. `captureMs` is when it was captured, on this machine's
 * monotonic clock: tracks of one sender share a mapping, so that sound and picture stay together.
 */
export interface SourceVideoFrame {
  readonly kind: 'video';
  readonly captureMs: number;
  readonly key: boolean;
  /** NAL units behind 4-byte lengths, without parameter sets. */
  readonly data: Uint8Array;
  readonly config: AvcConfig;
}

/** One Opus packet. */
export interface SourceAudioFrame {
  readonly kind: 'audio';
  readonly captureMs: number;
  readonly data: Uint8Array;
}

export type SourceFrame = SourceVideoFrame | SourceAudioFrame;

export interface SourceHandlers {
  /** In decoding order; the first picture, and the first after a loss, is a key frame. */
  onFrame(frame: SourceFrame): void;
  /** The track cannot be used. */
  onFailure(why: BroadcastFailure): void;
}

/** A track that is being received. */
export interface TrackSource {
  /** Takes what the feed now says of the same track (a fresh sender report). */
  update(track: FeedTrack): void;
  /** Asks the sender for a key frame; requests within 500 ms of each other become one. */
  requestKeyframe(): void;
  /** True while the picture has to be transcoded because it is not H.264. */
  readonly transcoded: boolean;
  close(): void;
}

export type FeedAddress = NonNullable<BroadcastFeed['from']>;

/** What came of the tracks of one group so far. */
export interface SourceCounts {
  readonly packets: number;
  readonly bytes: number;
  /** Packets that never came. */
  readonly lost: number;
  readonly keyframeRequests: number;
}

/** The tracks of one broadcast; what they learn of their senders' clocks is common to them. */
export interface SourceGroup {
  /** Grows while the group is open. */
  readonly counts: SourceCounts;
  open(track: FeedTrack, from: FeedAddress, handlers: SourceHandlers): TrackSource;
  /** Closes every track that is still open. */
  close(): void;
}

export interface Sources {
  /** Where RTP is to be sent. */
  readonly address: FeedAddress;
  openGroup(): SourceGroup;
}

/** Turns the Opus of one broadcast's audio sources into one stream, in every codec that somebody needs. */
export interface Mixer {
  /**
   * What is needed from now on. A codec that is new comes at once with what was heard in the last seconds;
   * one that is needed no longer goes on for a moment.
   */
  want(codecs: ReadonlySet<AudioCodec>): void;
  /** Adds a packet of `source` at its place on the broadcast's timeline, in µs. */
  addPacket(source: string, ptsUs: number, data: Uint8Array): void;
  /**
   * How what it makes in `codec` is configured, for good. The first packet decides between mono and stereo; where it
   * is asked before that, because silence comes first, stereo: it holds whatever follows.
   */
  configOf(codec: AudioCodec): AudioConfig;
  /** Nothing more comes from `source`; nobody waits for it any longer. */
  remove(source: string): void;
  close(): void;
}

export interface MixerOptions {
  readonly onFrame: (frame: AudioFrame) => void;
  /** What the clock on the wall of the timeline shows, in µs; undefined while it stands still. */
  readonly positionUs: () => number | undefined;
}

export interface Mixing {
  open(options: MixerOptions): Mixer;
}

/** Even, in pixels. */
export interface FrameSize {
  readonly width: number;
  readonly height: number;
}

export interface ScalerOptions {
  readonly channel: string;
  /** Of what is to be made, smallest first; one or two. */
  readonly sizes: readonly FrameSize[];
  /** Takes what was made: of which size (its place in `sizes`), with the time of what it was made of. */
  readonly onFrame: (size: number, frame: SourceVideoFrame) => void;
}

/** Makes smaller pictures of those of one source. */
export interface Scaler {
  /** Takes the next picture, in decoding order; the first one is a key frame. Never throws. */
  scaleFrame(frame: SourceVideoFrame): void;
  /** Idempotent. */
  close(): void;
}

export interface Scaling {
  /** Undefined if this machine makes smaller pictures of as many sources as it can already. */
  open(options: ScalerOptions): Scaler | undefined;
}

/** Time, so that tests can turn it. `every` calls until the function that it returns is called. */
export interface Clock {
  /** Monotonic, ms. */
  nowMs(): number;
  /** Since 1970, ms. */
  wallMs(): number;
  every(intervalMs: number, call: () => void): () => void;
}
