// One source on its way into segments: a camera layer, the screen, the still picture or the sound.
import type { Frame } from '#shared/media/frame.ts';
import { fragment, ticks, timescaleOf, type FragmentSample } from '#shared/media/fmp4.ts';
import type { InitConfig, Segment } from '../../store/timeline.ts';

/** A fragment goes to disk when it holds this much, in µs: what `kill -9` may cost. */
const FRAGMENT_US = 300_000;
/** For the last frame of a segment if nothing tells its length. */
const DEFAULT_FRAME_US = 33_333;

/** Where segments go. */
export interface SegmentOutput {
  initFor(config: InitConfig): number;
  open(n: number, label: string, init: number, epochMs: number): void;
  append(n: number, label: string, fragment: Uint8Array): void;
}

/** Numbers the fragments of all lanes of a broadcast. */
export interface FragmentCounter {
  next(): number;
}

/** A segment that is complete, and when its last frame was shown. */
export interface Finished {
  readonly segment: Segment;
  readonly lastUs: number;
}

interface OpenSegment {
  readonly n: number;
  readonly init: number;
  readonly config: InitConfig;
  readonly startUs: number;
  frames: number;
  bytes: number;
}

const startOf = (frame: Frame) => (frame.kind === 'video' ? frame.dtsUs : frame.ptsUs);

export class Lane {
  readonly label: string;
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

  constructor(label: string, layer: number, output: SegmentOutput, counter: FragmentCounter) {
    this.label = label;
    this.layer = layer;
    this.#output = output;
    this.#counter = counter;
  }

  /** The segment that is being filled. */
  get segment(): { readonly n: number; readonly config: InitConfig; readonly startUs: number } | undefined {
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
    this.#segment = { n, init, config: frame.config, startUs: startOf(frame), frames: 0, bytes: 0 };
    this.#output.open(n, this.label, init, epochMs);
    this.add(frame);
  }

  /** Adds a frame to the open segment. */
  add(frame: Frame): void {
    const held = this.#held;
    if (held !== undefined) {
      const shownUs = startOf(frame) - startOf(held);
      if (shownUs > 0 && shownUs < FRAGMENT_US) this.#frameUs = shownUs;
      this.#push(held, startOf(frame));
    }
    this.#held = frame;
    this.#lastUs = frame.ptsUs;
    if (frame.kind === 'audio') this.#frameUs = frame.durationUs;
  }

  /** Completes the segment so that it lasts until `endUs`, or as long as its frames need if that is later. */
  finish(endUs: number): Finished {
    const segment = this.#segment;
    const held = this.#held;
    if (segment === undefined || held === undefined) throw new Error(`${this.label}: no segment is open`);
    const untilUs = Math.max(endUs, startOf(held) + (endUs > startOf(held) ? 0 : this.#frameUs));
    this.#push(held, untilUs);
    this.#flush();
    this.#held = undefined;
    this.#segment = undefined;
    this.#finishedUs = untilUs;
    const { init, startUs, bytes, frames } = segment;
    return { segment: { init, startUs, durationUs: untilUs - startUs, bytes, frames }, lastUs: this.#lastUs };
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

  #push(frame: Frame, untilUs: number): void {
    const timescale = timescaleOf(frame.config);
    const start = ticks(startOf(frame), timescale);
    if (this.#samples.length === 0) this.#samplesStartUs = startOf(frame);
    const ctsTicks = frame.kind === 'video' ? ticks(frame.ptsUs, timescale) - start : 0;
    this.#samples.push({
      data: frame.data,
      durationTicks: Math.max(1, ticks(untilUs, timescale) - start),
      key: frame.kind === 'audio' || frame.key,
      ...(ctsTicks === 0 ? {} : { ctsTicks }),
    });
    if (untilUs - this.#samplesStartUs >= FRAGMENT_US) this.#flush();
  }

  #flush(): void {
    const segment = this.#segment;
    if (segment === undefined || this.#samples.length === 0) return;
    const bytes = fragment({
      sequence: this.#counter.next(),
      baseDecodeTime: ticks(this.#samplesStartUs, timescaleOf(segment.config)),
      samples: this.#samples,
    });
    segment.frames += this.#samples.length;
    segment.bytes += bytes.length;
    this.#samples = [];
    this.#output.append(segment.n, this.label, bytes);
  }
}
