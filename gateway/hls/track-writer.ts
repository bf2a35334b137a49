// One source on its way into segments: a camera layer, the screen, the still picture or the sound.
import type { Frame, VideoFrame } from '#shared/media/frame.ts';
import { fragment, ticks, timescaleOf, type FragmentSample } from '#shared/media/fmp4.ts';
import type { Part } from './live-edge.ts';
import { QUIET_US } from '../channel/limits.ts';
import type { InitConfig, Segment } from '../store/segment-timeline.ts';
import { PART_US } from './boundary.ts';
import type { RenditionId } from './rendition-id.ts';

/** How much later than its part's end a picture may come before the part goes out without it. */
const IDLE_GRACE_US = 300_000;
/** For the last frame of a segment if nothing tells its length. */
const DEFAULT_FRAME_US = 33_333;

/** Where segments go. */
export interface SegmentOutput {
  initFor(config: InitConfig): number;
  open(n: number, label: RenditionId, init: number, epochMs: number, startUs: number): void;
  append(n: number, label: RenditionId, fragment: Uint8Array, part: Part): void;
  finish(n: number, label: RenditionId): void;
}

/** Numbers the fragments of all writers of a broadcast. */
export interface FragmentCounter {
  next(): number;
}

/** A segment that is complete, and when its last frame was shown. */
export interface Finished {
  /** It begins with a key frame, or is sound. */
  readonly key: boolean;
  readonly segment: Segment;
  readonly lastUs: number;
}

interface OpenSegment {
  readonly n: number;
  readonly init: number;
  readonly config: InitConfig;
  readonly startUs: number;
  readonly key: boolean;
  frames: number;
  bytes: number;
}

/**
 * A picture that stood still where a segment had to end: the next one is shown from there, a moment early,
 * rather than leave a hole at which players stop.
 */
export function shownFrom(frame: VideoFrame, startUs: number): VideoFrame {
  return startUs < frame.dtsUs ? { ...frame, ptsUs: startUs, dtsUs: startUs } : frame;
}

const startOf = (frame: Frame) => (frame.kind === 'video' ? frame.dtsUs : frame.ptsUs);

export class TrackWriter {
  readonly label: RenditionId;
  readonly layer: number;
  readonly #output: SegmentOutput;
  readonly #counter: FragmentCounter;
  #segment: OpenSegment | undefined;
  #samples: FragmentSample[] = [];
  #samplesStartUs = 0;
  /** The newest frame waits for the next, which tells how long it is shown. */
  #held: Frame | undefined;
  #frameUs = DEFAULT_FRAME_US;
  #lastUs = 0;
  #finishedUs = 0;

  constructor(label: RenditionId, layer: number, output: SegmentOutput, counter: FragmentCounter) {
    this.label = label;
    this.layer = layer;
    this.#output = output;
    this.#counter = counter;
  }

  /** The segment that is being filled. */
  get segment():
    (Pick<Finished, 'key'> & Pick<OpenSegment, 'n' | 'init' | 'config' | 'startUs'>) | undefined {
    return this.#segment;
  }

  /** When the newest frame is shown, in µs. */
  get lastUs(): number {
    return this.#lastUs;
  }

  /** Where what was added ends, in µs. */
  get endUs(): number {
    return this.#held === undefined ? this.#finishedUs : startOf(this.#held) + this.#frameUs;
  }

  /** Begins the segment of row `n` with `frame`. The one before must be finished. */
  begin(n: number, frame: Frame, epochMs: number): void {
    const init = this.#output.initFor(frame.config);
    const key = frame.kind === 'audio' || frame.key;
    this.#segment = { n, init, config: frame.config, startUs: startOf(frame), key, frames: 0, bytes: 0 };
    this.#output.open(n, this.label, init, epochMs, startOf(frame));
    this.appendFrame(frame);
  }

  /** Adds a frame to the open segment. */
  appendFrame(frame: Frame): void {
    const held = this.#held;
    if (held !== undefined) {
      const shownUs = startOf(frame) - startOf(held);
      if (shownUs > 0 && shownUs < PART_US) this.#frameUs = shownUs;
      this.#appendFragment(held, startOf(frame));
      // The next frame would make the part too long.
      if (startOf(frame) - this.#samplesStartUs + this.#frameUs > PART_US) this.#flush(startOf(frame));
    }
    this.#held = frame;
    this.#lastUs = frame.ptsUs;
    if (frame.kind === 'audio') this.#frameUs = frame.durationUs;
  }

  /** Completes the segment so that it lasts until `endUs`, or as long as its frames need if that is later. */
  finish(endUs: number): Finished {
    const segment = this.#segment;
    const held = this.#held;
    if (segment === undefined) throw new Error(`${this.label}: no segment is open`);
    let untilUs = Math.max(endUs, this.#finishedUs);
    if (held !== undefined) {
      untilUs = Math.max(endUs, startOf(held) + (endUs > startOf(held) ? 0 : this.#frameUs));
      this.#appendFragment(held, untilUs);
    }
    this.#flush(untilUs);
    this.#held = undefined;
    this.#segment = undefined;
    this.#finishedUs = untilUs;
    this.#output.finish(segment.n, this.label);
    const { init, startUs, bytes, frames, key } = segment;
    const whole = { init, startUs, durationUs: untilUs - startUs, bytes, frames };
    return { segment: whole, lastUs: this.#lastUs, key };
  }

  /**
   * Time has come to `headUs`. If no picture came for longer than a part, the last one goes out, to be
   * shown until the next: live viewers would stop at its place otherwise.
   */
  advance(headUs: number): void {
    const held = this.#held;
    if (held?.kind !== 'video') return;
    const partUs = this.#samples.length === 0 ? startOf(held) : this.#samplesStartUs;
    if (headUs < partUs + PART_US + IDLE_GRACE_US) return;
    this.#flush(startOf(held));
    this.#appendFragment(held, startOf(held) + QUIET_US);
    this.#flush(startOf(held) + PART_US);
    this.#finishedUs = startOf(held) + this.#frameUs;
    this.#held = undefined;
  }

  /** Nothing was added yet; what comes will follow on `atUs`. */
  rest(atUs: number): void {
    this.#finishedUs = atUs;
  }

  /** Forgets the open segment. */
  discard(): void {
    this.#segment = undefined;
    this.#held = undefined;
    this.#samples = [];
  }

  #appendFragment(frame: Frame, untilUs: number): void {
    const timescale = timescaleOf(frame.config);
    const start = ticks(startOf(frame), timescale);
    if (untilUs - this.#samplesStartUs > PART_US) this.#flush(startOf(frame));
    if (this.#samples.length === 0) this.#samplesStartUs = startOf(frame);
    const ctsTicks = frame.kind === 'video' ? ticks(frame.ptsUs, timescale) - start : 0;
    this.#samples.push({
      data: frame.data,
      durationTicks: Math.max(1, ticks(untilUs, timescale) - start),
      key: frame.kind === 'audio' || frame.key,
      ...(ctsTicks === 0 ? {} : { ctsTicks }),
    });
  }

  /** Makes a part of the samples there are; it ends at `endUs`. */
  #flush(endUs: number): void {
    const segment = this.#segment;
    if (segment === undefined || this.#samples.length === 0) return;
    const bytes = fragment({
      sequence: this.#counter.next(),
      baseDecodeTime: ticks(this.#samplesStartUs, timescaleOf(segment.config)),
      samples: this.#samples,
    });
    segment.frames += this.#samples.length;
    segment.bytes += bytes.length;
    const independent = this.#samples[0]?.key ?? false;
    this.#samples = [];
    const startUs = this.#samplesStartUs;
    // A picture that stands still is a part of its own, and may be shown for longer than a part can say.
    const durationUs = Math.min(endUs - startUs, PART_US);
    this.#output.append(segment.n, this.label, bytes, { startUs, durationUs, independent });
  }
}

/** A writer of a picture. */
export interface VideoWriter {
  readonly writer: TrackWriter;
  /** The source is gone; what it gave to this row is still used. */
  gone: boolean;
}

/** The best writer that flows; its key frame ends the row. */
export function leaderOf(writers: Iterable<VideoWriter>, headUs: number): TrackWriter | undefined {
  let best: TrackWriter | undefined;
  for (const { writer, gone } of writers) {
    if (gone || writer.segment === undefined || headUs - writer.lastUs > QUIET_US) continue;
    if (best === undefined || writer.layer > best.layer) best = writer;
  }
  return best;
}
