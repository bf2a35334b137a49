// What is published to a channel from outside, whatever the protocol: RTMP, WebCodecs, a relay. This is the port that
// they use.
import type { LecternError } from '#shared/contract/errors.ts';
import type { EncoderState } from '#shared/contract/internal.ts';
import type { SfuClient } from '#shared/contract/internal-api.ts';
import type { PublisherNotice, PublisherNoticeCode } from '#shared/contract/publisher-notice.ts';
import type { AudioConfig, AvcConfig } from '#shared/media/frame.ts';
import type { CodedVideo } from '../../ffmpeg/containers/matroska.ts';

export interface PublicationAsk {
  readonly channel: string;
  /** The lesson, which is the room, as the key named it. */
  readonly lesson: string;
  readonly kind: EncoderState['kind'];
  /** What its tile is called. */
  readonly name: string;
  /** Of the lesson, for the broadcast that starts with it. */
  readonly title: string;
}

export interface PublicationEvents {
  /** Somebody needs a key frame now. Who cannot make one ignores it. */
  keyframeWanted(): void;
  /** It is over: the room closed, another took over, it cannot be shown. What is pushed now is dropped. */
  refused(error: LecternError): void;
  /** What is not as it should be from now on. */
  notice(notice: PublisherNotice): void;
}

/** One access unit. */
export interface PublishedVideo {
  /** On the publisher's clock, which may start anywhere, in µs. Sound and picture share it. */
  readonly ptsUs: number;
  readonly dtsUs: number;
  readonly key: boolean;
  /** H.264: NAL units, each behind a 4-byte length. Other codecs: as Matroska holds them. */
  readonly data: Uint8Array;
  /** The same object while nothing changes. */
  readonly config: AvcConfig | CodedVideo;
}

/** One AAC frame (without ADTS) or Opus packet. */
export interface PublishedAudio {
  readonly ptsUs: number;
  readonly data: Uint8Array;
  /** The same object while nothing changes. */
  readonly config: AudioConfig;
}

export interface Publication {
  /** Throws MalformedError if it is no access unit. */
  publishVideo(frame: PublishedVideo): void;
  /** Throws MalformedError if it is no sound. */
  publishAudio(frame: PublishedAudio): void;
  /** How far its clock is ahead of the time that passed, in ms: who sends faster than life should wait. */
  readonly aheadMs: number;
  /** Tells the publisher, and the teacher, what is not as it should be. There is one notice of each code. */
  advise(notice: PublisherNotice): void;
  /** It is as it should be again. */
  settle(...codes: readonly PublisherNoticeCode[]): void;
  /** Another name for its tile. */
  rename(name: string): void;
  /**
   * `finished`: the publisher said goodbye. `lost`: it vanished, and has 15 s to return. Idempotent.
   */
  end(how: 'finished' | 'lost'): void;
}

/** Where rooms are. */
export type Rooms = Pick<SfuClient, 'stateEncoder' | 'endEncoder'>;
