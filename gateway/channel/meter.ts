// Measures what a broadcast hands to its viewers, on its way to them.
import type { Frame, AudioCodec } from '#shared/media/frame.ts';
import type { ProgrammeSink } from './ports.ts';

/** The weight of what is measured now against what was measured before. */
const WEIGHT = 1 / 32;

/** What went into the programme so far, and how it keeps time now. */
export interface Flow {
  readonly videoFrames: number;
  readonly keyframes: number;
  readonly audioFrames: number;
  /** From the last key frame but one to the last, in ms of media; null before there are two. */
  readonly keyframeIntervalMs: number | null;
  /** How much later than its picture the sound of a moment is handed on, in ms; null without both. */
  readonly skewMs: number | null;
}

/** A programme that counts what passes of the source: what is made in place of what is missing does not count. */
export class MeteredProgramme implements ProgrammeSink {
  readonly #sink: ProgrammeSink;
  readonly #nowMs: () => number;
  readonly #audioCodec: AudioCodec;
  #counts = { videoFrames: 0, keyframes: 0, audioFrames: 0 };
  #keyframeUs: number | undefined;
  #intervalMs: number | null = null;
  /** How far behind the clock each kind is, in ms, with an origin of its own: only their difference says something. */
  #videoLagMs: number | undefined;
  #audioLagMs: number | undefined;

  /** `nowMs` is monotonic. Of the codecs of sound `audioCodec` is counted, which is always there. */
  constructor(sink: ProgrammeSink, nowMs: () => number, audioCodec: AudioCodec) {
    this.#sink = sink;
    this.#nowMs = nowMs;
    this.#audioCodec = audioCodec;
  }

  get flow(): Flow {
    const [video, audio] = [this.#videoLagMs, this.#audioLagMs];
    return {
      ...this.#counts,
      keyframeIntervalMs: this.#intervalMs,
      skewMs: video === undefined || audio === undefined ? null : Math.round(audio - video),
    };
  }

  writeFrame(frame: Frame): void {
    if (frame.isFiller !== true) this.#measure(frame);
    this.#sink.writeFrame(frame);
  }

  interrupt(): void {
    // The pause is no interval, and the clock goes on from elsewhere.
    this.#keyframeUs = undefined;
    this.#videoLagMs = undefined;
    this.#audioLagMs = undefined;
  }

  end(): void {
    this.#sink.end();
  }

  #measure(frame: Frame): void {
    const lagMs = this.#nowMs() - frame.ptsUs / 1_000;
    if (frame.kind === 'audio') {
      if (frame.config.codec === this.#audioCodec) {
        this.#counts.audioFrames += 1;
        this.#audioLagMs = smooth(this.#audioLagMs, lagMs);
      }
    } else {
      this.#counts.videoFrames += 1;
      this.#videoLagMs = smooth(this.#videoLagMs, lagMs);
      if (frame.key) this.#keyframe(frame.dtsUs);
    }
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
