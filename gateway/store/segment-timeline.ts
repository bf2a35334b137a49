// What a recording consists of, row by row. A row is one step of about two seconds: one segment of the
// sound, one or more of the picture, and for each rendition slot the one that it shows. Live playlists,
// the time-shift and the replay are all views of the same rows.
import { z } from 'zod';
import type { TrimSpan } from '#shared/contract/trim.ts';
import type { AudioConfig, AvcConfig } from '#shared/media/frame.ts';
import { AUDIO, RenditionId } from '../hls/rendition-id.ts';

/** What begins later than this after the start of its row is not whole, in µs. */
export const YOUNG_US = 450_000;

const Count = z.number().int().min(0);

export const Segment = z.object({
  /** Number of the init segment. */
  init: Count,
  startUs: z.number(),
  durationUs: z.number().min(0),
  bytes: Count,
  frames: Count,
});
export type Segment = z.infer<typeof Segment>;

export const Row = z.object({
  /** The media sequence number, from 1. */
  n: z.number().int().min(1),
  /** When the timeline's zero was, in ms since 1970, by the clock of this run of the source. */
  epochMs: z.number(),
  /** In every rendition alike, so that their discontinuity sequences agree. */
  discontinuity: z.boolean(),
  segments: z.partialRecord(RenditionId, Segment),
  /** For each rendition slot, smallest first, the segment it shows. */
  slots: z.array(RenditionId).min(1).max(3),
  /** What playlists say of how long a segment can be, from this row on; they are not shown before. */
  targetS: z.number().int().min(1).max(60).optional(),
});
export type Row = z.infer<typeof Row>;

/** The segments of a row with their labels. */
export const entriesOf = (segments: Row['segments']) => Object.entries(segments) as [RenditionId, Segment][];

export type InitConfig = AvcConfig | AudioConfig;

export const initFile = (init: number) => `init-${init}.mp4`;
/** The number of the init segment that a file name names. */
export function parseInitFile(name: string): number | undefined {
  const init = /^init-(\d{1,6})\.mp4$/.exec(name)?.[1];
  return init === undefined ? undefined : Number(init);
}

export interface SegmentName {
  readonly n: number;
  readonly label: RenditionId;
}

export const segmentFile = (n: number, label: RenditionId) => `${n}-${label}.m4s`;
/** The row and the label of the segment that a file name names. */
export function parseSegmentFile(name: string): SegmentName | undefined {
  const [, n, text] = /^(\d{1,9})-(\w+)\.m4s$/.exec(name) ?? [];
  const label = RenditionId.safeParse(text);
  return label.success ? { n: Number(n), label: label.data } : undefined;
}

export interface PartName extends SegmentName {
  /** Of the part in its segment, from 0. */
  readonly index: number;
  /** Tells the parts of this process from those of one that was killed before their row was complete. */
  readonly run: string;
}

/** A part of a segment: in memory alone, while its row is one of the newest. */
export const partFile = ({ n, label, index, run }: PartName) => `${n}-${label}-${index}-${run}.m4s`;
/** The part that a file name names. */
export function parsePartFile(name: string): PartName | undefined {
  const [, n, text, index, run] = /^(\d{1,9})-(\w+)-(\d{1,3})-([a-z0-9]{1,12})\.m4s$/.exec(name) ?? [];
  const label = RenditionId.safeParse(text);
  if (!label.success || run === undefined) return undefined;
  return { n: Number(n), label: label.data, index: Number(index), run };
}

/** When a row begins and ends, in ms since 1970 by the clock of the source. */
const startMs = ({ epochMs, segments }: Row) =>
  epochMs + Math.min(...Object.values(segments).map(({ startUs }) => startUs)) / 1_000;
const endMs = (row: Row) => row.epochMs + endOf(row) / 1_000;

/** The end of a row: where its longest rendition stops, in µs on the timeline. */
function endOf(row: Row): number {
  return Math.max(...Object.values(row.segments).map((segment) => segment.startUs + segment.durationUs));
}

/**
 * What became of a row's media: they are still to be written, lie on disk, are gone, or were not to be recorded:
 * then they are in memory alone, while live viewers need them; or they lie on disk and are not shown.
 */
export type Fate = 'waiting' | 'kept' | 'trimmed' | Absence;
/** Why a row has no media on disk and will have none. */
export const Absence = z.enum(['lost', 'unrecorded']);
export type Absence = z.infer<typeof Absence>;

export const isAbsence = (fate: Fate | undefined): fate is Absence =>
  fate === 'lost' || fate === 'unrecorded';

/** A row that was cut at a moment may end with the frame that was under way, in ms. */
const FRAME_MS = 60;

export class SegmentTimeline {
  readonly inits = new Map<number, InitConfig>();
  readonly #rows: Row[] = [];
  readonly #fates = new Map<number, Fate>();
  /** For each row, how many discontinuities there are before it. */
  readonly #discontinuities: number[] = [];
  /** What is lost, was not to be recorded or is not shown. */
  readonly #hidden = new Set<number>();
  #bytes = 0;
  #durationUs = 0;
  #targetS: number | undefined;

  /** How long a segment can be, in s, rounded; undefined while that is open. It never changes. */
  get targetS(): number | undefined {
    return this.#targetS;
  }

  /** All rows that viewers were told of. */
  get rows(): readonly Row[] {
    return this.#rows;
  }

  /** Those whose media are there to be shown. */
  get playable(): readonly Row[] {
    return this.absences === 0 ? this.#rows : this.#rows.filter(({ n }) => !this.isAbsent(n));
  }

  /** How many rows have no media that can be shown, and will have none. */
  get absences(): number {
    return this.#hidden.size;
  }

  /** What lies on disk and is shown, in bytes. */
  get bytes(): number {
    return this.#bytes;
  }

  /** How long that plays. */
  get durationMs(): number {
    return Math.round(this.#durationUs / 1_000);
  }

  /** Where the timeline goes on, in µs. */
  get endUs(): number {
    const last = this.#rows.at(-1);
    return last === undefined ? 0 : endOf(last);
  }

  get nextRow(): number {
    return (this.#rows.at(-1)?.n ?? 0) + 1;
  }

  /** How many renditions of the picture there are; fixed by the first row. */
  get slotCount(): number {
    return this.#rows[0]?.slots.length ?? 0;
  }

  appendRow(row: Row, fate: Fate = 'kept'): void {
    const previous = this.#rows.length - 1;
    const before = (this.#discontinuities[previous] ?? 0) + (this.#rows[previous]?.discontinuity ? 1 : 0);
    this.#rows.push(row);
    this.#discontinuities.push(before);
    this.#targetS ??= row.targetS;
    this.#note(row, fate);
  }

  /** Row `n` was written, is lost, or was not to be recorded. */
  settle(n: number, fate: 'kept' | Absence): void {
    const row = this.#rows.findLast((one) => one.n === n);
    if (row !== undefined && this.#fates.get(n) !== fate) this.#note(row, fate);
  }

  /** What became of row `n`; undefined if there is none. */
  fateOf(n: number): Fate | undefined {
    return this.#fates.get(n);
  }

  /** True for a row that is lost, was not to be recorded or is not shown. */
  isAbsent(n: number): boolean {
    return this.#hidden.has(n);
  }

  /** Shows only those rows that are wholly in this time, by the clock of the source. */
  trim({ fromMs, toMs }: TrimSpan): void {
    for (const row of this.#rows) {
      const isWithin = startMs(row) >= fromMs - FRAME_MS && endMs(row) <= toMs + FRAME_MS;
      if (this.#fates.get(row.n) === 'kept' && !isWithin) this.#note(row, 'trimmed');
    }
  }

  /** From when to when it plays what it shows; undefined where that is nothing. */
  get span(): TrimSpan | undefined {
    const { playable } = this;
    const [first] = playable;
    const last = playable.at(-1);
    return first && last && { fromMs: startMs(first), toMs: endMs(last) };
  }

  #note(row: Row, fate: Fate): void {
    const before = this.#fates.get(row.n);
    const change = (fate === 'kept' ? 1 : 0) - (before === 'kept' ? 1 : 0);
    for (const segment of Object.values(row.segments)) this.#bytes += change * segment.bytes;
    this.#durationUs += change * (row.segments[AUDIO]?.durationUs ?? 0);
    if (isAbsence(fate) || fate === 'trimmed') this.#hidden.add(row.n);
    else this.#hidden.delete(row.n);
    this.#fates.set(row.n, fate);
  }

  /** How many of the newest rows last `us` together, and no fewer than `least`. */
  newest(least: number, us: number): number {
    let count = 0;
    let restUs = us;
    for (; count < this.#rows.length && (count < least || restUs > 0); count += 1) {
      restUs -= this.#rows.at(-1 - count)?.segments[AUDIO]?.durationUs ?? 0;
    }
    return count;
  }

  /** The rows of the newest `us` that play at `wallMs` (since 1970) or later and have media, or will have. */
  playingSince(wallMs: number, us: number): Row[] {
    const fromUs = this.endUs - us;
    return this.#rows.filter((row) => {
      const endUs = endOf(row);
      return endUs > fromUs && endMs(row) > wallMs + FRAME_MS && !this.isAbsent(row.n);
    });
  }

  /** How many discontinuities come before the row at `index`. */
  discontinuitiesBefore(index: number): number {
    return this.#discontinuities[index] ?? 0;
  }
}
