// One publisher's connection, from its first picture to its last.
import type { LecternError } from '#shared/contract/errors.ts';
import {
  sentenceOf,
  type PublisherNotice,
  type PublisherNoticeCode,
} from '#shared/contract/publisher-notice.ts';
import type { Log } from '#server/log.ts';
import { isDeepStrictEqual } from 'node:util';
import type {
  Publication,
  PublicationAsk,
  PublicationEvents,
  PublishedAudio,
  PublishedVideo,
} from './types.ts';
import { PublisherClock } from './clock.ts';
import type { PublicationMetrics } from './metrics.ts';
import { PublicationVideo } from './publication-video.ts';
import type { PublisherSlot } from './slot/slot.ts';
import type { Semaphore } from '../../ffmpeg/semaphore.ts';
import { Skew } from './skew.ts';
import { PublicationAudio } from './publication-audio.ts';

const KEYFRAME_EVERY_MS = 500;
/** How long what was sent last may take to be converted. */
const DRAIN_MS = 5_000;

export interface SessionOptions {
  readonly ask: PublicationAsk;
  readonly slot: PublisherSlot;
  readonly events: PublicationEvents;
  readonly ffmpeg: string;
  readonly conversions: Semaphore;
  readonly metrics: PublicationMetrics;
  readonly log: Log;
}

export class PublisherSession implements Publication {
  readonly ask: PublicationAsk;
  readonly #options: SessionOptions;
  readonly #clock: PublisherClock;
  readonly #skew = new Skew();
  readonly #video: PublicationVideo;
  readonly #audio: PublicationAudio;
  readonly #notices = new Map<PublisherNoticeCode, PublisherNotice>();
  #keyframeAtMs = -Infinity;
  #state: 'open' | 'ending' | 'over' = 'open';
  #timer: NodeJS.Timeout | undefined;

  constructor(options: SessionOptions) {
    const { ask, slot, ffmpeg, log } = options;
    this.ask = ask;
    this.#options = options;
    const floorUs = slot.reachedUs;
    this.#clock = new PublisherClock(floorUs);
    const onNotice = (notice: PublisherNotice) => this.advise(notice);
    const onSettled = (...codes: readonly PublisherNoticeCode[]) => this.settle(...codes);
    const onLog = (line: string) => log.warn({ line }, 'ffmpeg says');
    this.#video = new PublicationVideo({
      ffmpeg,
      slots: options.conversions,
      send: (nals, ptsUs) => slot.video(this, nals, ptsUs),
      onKeyframeWanted: () => this.keyframeWanted(),
      onNotice,
      onFailure: (error) => this.refuse(error),
      onLog,
    });
    this.#audio = new PublicationAudio({
      ffmpeg,
      floorUs,
      send: (packet, ptsUs, durationUs) => slot.audio(this, packet, ptsUs, durationUs),
      onConversion: () => slot.expect(this, 'audio'),
      onGivenUp: () => slot.unexpect(this, 'audio'),
      onNotice,
      onSettled,
      onLog,
    });
  }

  get mode(): 'pass' | 'convert' {
    return this.#video.mode;
  }

  get aheadMs(): number {
    return this.#clock.aheadUs(this.#options.slot.nowUs) / 1_000;
  }

  /** The publisher is gone, and the last of what it sent is on its way. */
  get isEnding(): boolean {
    return this.#state === 'ending';
  }

  publishVideo(frame: PublishedVideo): void {
    if (this.#state !== 'open') return;
    const dtsUs = this.#map('video', frame.dtsUs, frame.data.length);
    this.#video.submitFrame({ ...frame, dtsUs, ptsUs: dtsUs + frame.ptsUs - frame.dtsUs });
  }

  publishAudio(frame: PublishedAudio): void {
    if (this.#state !== 'open') return;
    const ptsUs = this.#map('audio', frame.ptsUs, frame.data.length);
    this.#audio.submitFrame(frame.config, frame.data, ptsUs);
  }

  advise(notice: PublisherNotice): void {
    if (this.#state !== 'open' || isDeepStrictEqual(this.#notices.get(notice.code), notice)) return;
    this.#notices.set(notice.code, notice);
    this.#options.log.info({ notice: sentenceOf(notice) }, 'publisher advised');
    this.#options.slot.notices(this, [...this.#notices.values()]);
    this.#options.events.notice(notice);
  }

  settle(...codes: readonly PublisherNoticeCode[]): void {
    const settled = codes.filter((code) => this.#notices.delete(code));
    if (settled.length === 0 || this.#state === 'over') return;
    this.#options.log.info({ settled }, 'publisher advised no longer');
    this.#options.slot.notices(this, [...this.#notices.values()]);
  }

  rename(name: string): void {
    if (this.#state === 'open') this.#options.slot.rename(this, name);
  }

  end(how: 'finished' | 'lost'): void {
    if (this.#state !== 'open') return;
    const leave = () => {
      if (this.#close()) this.#options.slot.leave(this, how);
    };
    // Who vanished comes back soon, and nothing of the time before may come behind that.
    if (how === 'lost') {
      leave();
      return;
    }
    this.#state = 'ending';
    this.#timer = setTimeout(leave, DRAIN_MS);
    // What a converter holds is the last that was taught.
    void Promise.allSettled([this.#video.finish(), this.#audio.finish()]).then(leave);
  }

  /** Somebody needs a key frame. Publishers are asked no more often than they could make one. */
  keyframeWanted(): void {
    const nowMs = performance.now();
    if (this.#state === 'over' || nowMs - this.#keyframeAtMs < KEYFRAME_EVERY_MS) return;
    this.#keyframeAtMs = nowMs;
    this.#options.events.keyframeWanted();
  }

  /** Sends the publisher away. */
  refuse(error: LecternError): void {
    const isTold = this.#state === 'open';
    if (this.deny(error) && isTold) this.#options.events.refused(error);
  }

  /** Ends it without a word to the publisher, who hears of it otherwise. Returns false if it was over. */
  deny(error: LecternError): boolean {
    if (!this.#close()) return false;
    const { slot, metrics, log } = this.#options;
    metrics.refused(error.code);
    log.info({ code: error.code, reason: error.message }, 'publisher refused');
    slot.leave(this, error.code === 'peer-removed' ? 'removed' : 'finished');
    return true;
  }

  #map(kind: 'audio' | 'video', timestampUs: number, bytes: number): number {
    const { slot, metrics } = this.#options;
    slot.heard(this);
    metrics.bytes(kind, bytes);
    const { jumps } = this.#clock;
    const { nowUs } = slot;
    const timelineUs = this.#clock.map(kind, timestampUs, nowUs);
    if (this.#clock.jumps > jumps) metrics.jumped();
    const late = this.#skew.note(kind, timelineUs, nowUs);
    if (late === null) this.settle('apart');
    else this.advise({ code: 'apart', late });
    return timelineUs;
  }

  /** Returns false if it was closed before. */
  #close(): boolean {
    if (this.#state === 'over') return false;
    this.#state = 'over';
    clearTimeout(this.#timer);
    this.#video.close();
    this.#audio.close();
    return true;
  }
}
