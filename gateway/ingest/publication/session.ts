// One publisher's connection, from its first picture to its last.
import type { LecternError } from '#shared/contract/errors.ts';
import type { Log } from '#server/log.ts';
import type {
  Publication,
  PublicationAsk,
  PublicationEvents,
  PublishedAudio,
  PublishedVideo,
} from '../publication.ts';
import { PublisherClock } from './clock.ts';
import type { PublicationMetrics } from './metrics.ts';
import { PictureLine } from './picture.ts';
import type { Slot } from './slot.ts';
import type { TranscodeSlots } from './slots.ts';
import { SoundLine } from './sound.ts';

const KEYFRAME_EVERY_MS = 500;

export interface SessionOptions {
  readonly ask: PublicationAsk;
  readonly slot: Slot;
  readonly events: PublicationEvents;
  readonly ffmpeg: string;
  readonly conversions: TranscodeSlots;
  readonly metrics: PublicationMetrics;
  readonly log: Log;
}

export class Session implements Publication {
  readonly ask: PublicationAsk;
  readonly #options: SessionOptions;
  readonly #clock: PublisherClock;
  readonly #picture: PictureLine;
  readonly #sound: SoundLine;
  #keyframeAtMs = -Infinity;
  #state: 'open' | 'over' = 'open';

  constructor(options: SessionOptions) {
    const { ask, slot, ffmpeg, log } = options;
    this.ask = ask;
    this.#options = options;
    const floorUs = slot.reachedUs;
    this.#clock = new PublisherClock(floorUs);
    const onNotice = (text: string) => this.advise(text);
    const onLog = (line: string) => log.warn({ line }, 'ffmpeg says');
    this.#picture = new PictureLine({
      ffmpeg,
      slots: options.conversions,
      send: (nals, ptsUs) => slot.video(this, nals, ptsUs),
      onKeyframeWanted: () => this.keyframeWanted(),
      onNotice,
      onFailure: (error) => this.refuse(error),
      onLog,
    });
    this.#sound = new SoundLine({
      ffmpeg,
      floorUs,
      send: (packet, ptsUs, durationUs) => slot.audio(this, packet, ptsUs, durationUs),
      onNotice,
      onLog,
    });
  }

  get mode(): 'pass' | 'convert' {
    return this.#picture.mode;
  }

  get aheadMs(): number {
    return this.#clock.aheadUs(this.#options.slot.nowUs) / 1_000;
  }

  video(frame: PublishedVideo): void {
    if (this.#state === 'over') return;
    const dtsUs = this.#map('video', frame.dtsUs, frame.data.length);
    this.#picture.push({ ...frame, dtsUs, ptsUs: dtsUs + frame.ptsUs - frame.dtsUs });
  }

  audio(frame: PublishedAudio): void {
    if (this.#state === 'over') return;
    const ptsUs = this.#map('audio', frame.ptsUs, frame.data.length);
    this.#sound.push(frame.config, frame.data, ptsUs);
  }

  advise(text: string): void {
    if (this.#state === 'over') return;
    this.#options.log.info({ notice: text }, 'publisher advised');
    this.#options.slot.notice(this, text);
    this.#options.events.notice(text);
  }

  rename(name: string): void {
    if (this.#state === 'open') this.#options.slot.rename(this, name);
  }

  end(how: 'finished' | 'lost'): void {
    if (!this.#close()) return;
    this.#options.slot.leave(this, how);
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
    if (this.deny(error)) this.#options.events.refused(error);
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
    const timelineUs = this.#clock.map(kind, timestampUs, slot.nowUs);
    if (this.#clock.jumps > jumps) metrics.jumped();
    return timelineUs;
  }

  /** Returns false if it was closed before. */
  #close(): boolean {
    if (this.#state === 'over') return false;
    this.#state = 'over';
    this.#picture.close();
    this.#sound.close();
    return true;
  }
}
