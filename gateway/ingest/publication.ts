// What is published to a channel from outside, whatever the protocol: RTMP, WebCodecs, a relay. This is
// the port that they use. Pictures and sounds go on to the SFU, where they are a peer of the room.
import type { EncoderState } from '#shared/contract/internal.ts';
import { LecternError } from '#shared/contract/errors.ts';
import type { PublisherNotice, PublisherNoticeCode } from '#shared/contract/publisher-notice.ts';
import type { AudioConfig, AvcConfig } from '#shared/media/frame.ts';
import type { Log } from '#server/log.ts';
import type { CodedVideo } from './publication/matroska.ts';
import { Session } from './publication/session.ts';
import { Slot } from './publication/slot.ts';
import { TranscodeSlots } from './publication/slots.ts';
import type { PublicationMetrics } from './publication/metrics.ts';

/** A publisher that brought media within this time is there; another is told so. */
const PRESENT_MS = 3_000;

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
  video(frame: PublishedVideo): void;
  /** Throws MalformedError if it is no sound. */
  audio(frame: PublishedAudio): void;
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

/** Where rooms are: the SFU's internal API. */
export interface Rooms {
  put(room: string, state: EncoderState): Promise<{ to: { ip: string; port: number } }>;
  end(room: string, publication: string): Promise<void>;
}

export interface PublicationsOptions {
  readonly rooms: Rooms;
  readonly ffmpeg: string;
  /** How many publications may be converted at once. */
  readonly maxConversions: number;
  readonly metrics: PublicationMetrics;
  readonly log: Log;
}

/** All publications of this gateway. */
export class Publications {
  readonly #options: PublicationsOptions;
  readonly #conversions: TranscodeSlots;
  readonly #slots = new Map<string, Slot>();
  #closed = false;

  constructor(options: PublicationsOptions) {
    this.#options = options;
    this.#conversions = new TranscodeSlots(options.maxConversions);
    options.metrics.watch(() => this.#count());
  }

  /**
   * Takes the channel for a publisher, in place of one that brought nothing lately. Rejects with
   * LecternError: `already-publishing`, `room-closed`, `service-unavailable` …
   */
  async open(ask: PublicationAsk, events: PublicationEvents): Promise<Publication> {
    if (this.#closed) throw new LecternError('service-unavailable');
    const { metrics, log } = this.#options;
    let slot = this.#slots.get(ask.channel);
    if (slot !== undefined && slot.isTaken(PRESENT_MS)) {
      metrics.refused('already-publishing');
      throw new LecternError('already-publishing');
    }
    if (slot === undefined || slot.ask.lesson !== ask.lesson) {
      slot?.close();
      const made: Slot = new Slot({
        ask,
        rooms: this.#options.rooms,
        log: log.child({ channel: ask.channel }),
        onClosed: () => {
          if (this.#slots.get(ask.channel) === made) this.#slots.delete(ask.channel);
        },
      });
      slot = made;
      this.#slots.set(ask.channel, slot);
    }
    const session = new Session({
      ask,
      slot,
      events,
      ffmpeg: this.#options.ffmpeg,
      conversions: this.#conversions,
      metrics,
      log: log.child({ channel: ask.channel }),
    });
    try {
      await slot.enter(session);
    } catch (error) {
      const refusal = error instanceof LecternError ? error : new LecternError('internal-error');
      session.deny(refusal);
      throw error;
    }
    return session;
  }

  /** Ends all of them, as publishers that vanished: they find their channels again after a restart. */
  close(): void {
    this.#closed = true;
    for (const slot of [...this.#slots.values()]) slot.close();
  }

  #count(): { pass: number; convert: number } {
    const count = { pass: 0, convert: 0 };
    for (const slot of this.#slots.values()) {
      if (slot.session !== undefined) count[slot.session.mode] += 1;
    }
    return count;
  }
}
