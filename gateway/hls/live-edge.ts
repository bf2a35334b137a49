// The newest end of a broadcast: the parts of which the segments of the present row consist so far, which
// of them are public, and who waits for what comes next (draft-pantos-hls-rfc8216bis §6.2.5.2, "LL-HLS").
// A part is one fragment of a segment's file. Once it is public neither it nor its segment's place changes.
import { LecternError } from '#shared/contract/errors.ts';
import { makeId } from '#shared/contract/ids.ts';
import { segmentFile, type Row, type SegmentTimeline } from '../store/segment-timeline.ts';
import { AUDIO, type RenditionId } from './rendition-id.ts';

/** Parts of this many complete rows are known; playlists name those of the last three target durations. */
const ROWS_WITH_PARTS = 4;
/** What does not come within three target durations does not come soon: who waits is answered. */
const WAIT_TARGETS = 3;
/**
 * Parts of one rendition are announced this far apart, in ms: the last of a segment may be short. hls.js 1.7
 * takes a segment for whole that was completed while its last part but one was on the way, never asks for the
 * last one, and stands still for want of it.
 */
const APART_MS = 200;
/** So many requests may wait at one broadcast. */
const MAX_WAITING = 20_000;

/** A part as playlists describe it. */
export interface Part {
  readonly startUs: number;
  readonly durationUs: number;
  /** It begins with a picture that needs no other, or is sound. */
  readonly independent: boolean;
}

/** What the present row will be: said once, before its first part is public, and never taken back. */
export interface RowPlan {
  readonly n: number;
  readonly epochMs: number;
  readonly discontinuity: boolean;
  /** For each rendition slot, the segment it shows. */
  readonly slots: readonly RenditionId[];
}

/** A segment that grows, or one of the last rows. */
export interface Growing {
  readonly n: number;
  readonly init: number;
  readonly parts: readonly Part[];
  /** Nothing is added to it any more; its row may still wait for others. */
  readonly isFinished: boolean;
}

interface Wait {
  readonly isOver: () => boolean;
  readonly done: Promise<void>;
  readonly end: () => void;
  readonly timer: NodeJS.Timeout;
  waiting: number;
}

export class LiveEdge {
  /** In the names of its parts. */
  readonly run = makeId((bytes) => crypto.getRandomValues(bytes), 6);
  readonly #timeline: SegmentTimeline;
  readonly #segments = new Map<string, { n: number; init: number; parts: Part[]; isFinished: boolean }>();
  readonly #waits = new Map<string, Wait>();
  /** By label, from when on its newest part may be announced, and when that was made; monotonic, ms. */
  readonly #paces = new Map<string, { fromMs: number; madeMs: number }>();
  #plan: RowPlan | undefined;
  #version = 0;
  #waiting = 0;

  constructor(timeline: SegmentTimeline) {
    this.#timeline = timeline;
  }

  /** Grows with every change that a playlist shows. */
  get version(): number {
    return this.#version;
  }

  /** How many requests wait. */
  get waiting(): number {
    return this.#waiting;
  }

  /** The plan of the row that is being filled, once there is one. */
  get plan(): RowPlan | undefined {
    return this.#plan;
  }

  begin(n: number, label: RenditionId, init: number): void {
    this.#segments.set(segmentFile(n, label), { n, init, parts: [], isFinished: false });
  }

  appendPart(n: number, label: RenditionId, part: Part): void {
    this.#segments.get(segmentFile(n, label))?.parts.push(part);
    const madeMs = performance.now();
    this.#paces.set(label, { fromMs: (this.#paces.get(label)?.madeMs ?? -Infinity) + APART_MS, madeMs });
    if (this.#isPlanned(n, label)) this.#changed();
  }

  finish(n: number, label: RenditionId): void {
    const segment = this.#segments.get(segmentFile(n, label));
    if (segment !== undefined) segment.isFinished = true;
    if (this.#isPlanned(n, label)) this.#changed();
  }

  drop(n: number, label: RenditionId): void {
    this.#segments.delete(segmentFile(n, label));
  }

  /** From now on the parts of row `plan.n` are public. Throws Error if it is not the present row, or has a plan. */
  decide(plan: RowPlan): void {
    if (plan.n !== this.#timeline.nextRow || this.#plan !== undefined) throw new Error('not to be planned');
    this.#plan = plan;
    this.#changed();
  }

  /** `row` is in the timeline. */
  committed(row: Row): void {
    this.#plan = undefined;
    for (const [name, { n }] of this.#segments) {
      if (n <= row.n - ROWS_WITH_PARTS) this.#segments.delete(name);
    }
    this.#changed();
  }

  /** Nothing will come any more: anyone who waits is answered. */
  end(): void {
    this.#plan = undefined;
    this.#version += 1;
    for (const wait of [...this.#waits.values()]) wait.end();
  }

  /** The segment of `label` in row `n`, if it may be spoken of and its parts are still known. */
  segment(n: number, label: RenditionId): Growing | undefined {
    const isPublic = n < this.#timeline.nextRow || this.#isPlanned(n, label);
    return isPublic ? this.#segments.get(segmentFile(n, label)) : undefined;
  }

  /** How long the newest part of `label` is to be kept to oneself yet, in ms. */
  restMs(label: RenditionId): number {
    return Math.max(0, (this.#paces.get(label)?.fromMs ?? -Infinity) - performance.now());
  }

  /**
   * Resolves once `isOver` says so, after {@link WAIT_TARGETS}, or when the broadcast ends. Those who
   * give the same `key` wait together. Throws LecternError `service-unavailable` if too many wait.
   */
  async until(key: string, isOver: () => boolean): Promise<void> {
    if (isOver()) return;
    if (this.#waiting >= MAX_WAITING) throw new LecternError('service-unavailable');
    const wait = this.#waits.get(key) ?? this.#open(key, isOver);
    wait.waiting += 1;
    this.#waiting += 1;
    await wait.done;
  }

  #open(key: string, isOver: () => boolean): Wait {
    const { promise: done, resolve } = Promise.withResolvers<void>();
    const limitMs = WAIT_TARGETS * (this.#timeline.targetS ?? 2) * 1_000;
    const end = () => {
      clearTimeout(wait.timer);
      this.#waits.delete(key);
      this.#waiting -= wait.waiting;
      resolve();
    };
    const wait: Wait = { isOver, done, end, timer: setTimeout(end, limitMs), waiting: 0 };
    this.#waits.set(key, wait);
    return wait;
  }

  #isPlanned(n: number, label: RenditionId): boolean {
    return this.#plan?.n === n && (label === AUDIO || this.#plan.slots.includes(label));
  }

  #changed(): void {
    this.#version += 1;
    for (const wait of [...this.#waits.values()]) if (wait.isOver()) wait.end();
  }
}
