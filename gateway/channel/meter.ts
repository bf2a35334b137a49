// Measures what a broadcast hands to its viewers, on its way to them.
import type { Frame, SoundCodec } from '#shared/media/frame.ts';
import type { ProgrammeSink } from './ports.ts';

/** The weight of what is measured now against what was measured before. */
const WEIGHT = 1 / 32;

/** What went into the programme so far, and how it keeps time now. */
export interface Flow {
  readonly pictures: number;
  readonly keyframes: number;
  readonly sounds: number;
  /** From the last key frame but one to the last, in ms of media; null before there are two. */
  readonly keyframeIntervalMs: number | null;
  /** How much later than its picture the sound of a moment is handed on, in ms; null without both. */
  readonly skewMs: number | null;
}

/** A programme that counts what passes. */
export class MeteredProgramme implements ProgrammeSink {
  readonly #sink: ProgrammeSink;
  readonly #nowMs: () => number;
  readonly #sound: SoundCodec;
  #counts = { pictures: 0, keyframes: 0, sounds: 0 };
  #keyframeUs: number | undefined;
  #intervalMs: number | null = null;
  /** How far behind the clock each kind is, in ms, with an origin of its own: only their difference says something. */
  #pictureLagMs: number | undefined;
  #soundLagMs: number | undefined;

  /** `nowMs` is monotonic. Of the codecs of sound `sound` is counted, which is always there. */
  constructor(sink: ProgrammeSink, nowMs: () => number, sound: SoundCodec) {
    this.#sink = sink;
    this.#nowMs = nowMs;
    this.#sound = sound;
  }

  get flow(): Flow {
    const [picture, sound] = [this.#pictureLagMs, this.#soundLagMs];
    return {
      ...this.#counts,
      keyframeIntervalMs: this.#intervalMs,
      skewMs: picture === undefined || sound === undefined ? null : Math.round(sound - picture),
    };
  }

  frame(frame: Frame): void {
    const lagMs = this.#nowMs() - frame.ptsUs / 1_000;
    if (frame.kind === 'audio') {
      if (frame.config.codec === this.#sound) {
        this.#counts.sounds += 1;
        this.#soundLagMs = smooth(this.#soundLagMs, lagMs);
      }
    } else {
      this.#counts.pictures += 1;
      this.#pictureLagMs = smooth(this.#pictureLagMs, lagMs);
      if (frame.key) this.#keyframe(frame.dtsUs);
    }
    this.#sink.frame(frame);
  }

  interrupted(): void {
    // The pause is no interval, and the clock goes on from elsewhere.
    this.#keyframeUs = undefined;
    this.#pictureLagMs = undefined;
    this.#soundLagMs = undefined;
    this.#sink.interrupted();
  }

  setBreak(on: boolean): void {
    this.#sink.setBreak(on);
  }

  end(): void {
    this.#sink.end();
  }

  #keyframe(atUs: number): void {
    if (this.#keyframeUs !== undefined) this.#intervalMs = Math.round((atUs - this.#keyframeUs) / 1_000);
    this.#keyframeUs = atUs;
    this.#counts.keyframes += 1;
  }
}

function smooth(before: number | undefined, now: number): number {
  return before === undefined ? now : before + (now - before) * WEIGHT;
}
