// What a recording consists of, row by row. A row is one step of about two seconds: one segment of the
// sound, one or more of the picture, and for each rendition slot the one that it shows. Live playlists,
// the time-shift and the replay are all views of the same rows.
import { z } from 'zod';
import type { AudioConfig, AvcConfig } from '#shared/media/frame.ts';

/** Names a source within a row: a camera layer, a screen layer, the still picture, or the sound. */
export const Label = z.string().regex(/^(?:(?:camera|screen)[0-2]|still|audio)$/);
export const AUDIO = 'audio';
export const STILL = 'still';

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
  segments: z.record(Label, Segment),
  /** For each rendition slot, smallest first, the label of the segment it shows. */
  slots: z.array(Label).min(1).max(3),
  /** What playlists say of how long a segment can be, from this row on; they are not shown before. */
  targetS: z.number().int().min(1).max(60).optional(),
});
export type Row = z.infer<typeof Row>;

export type InitConfig = AvcConfig | AudioConfig;

export const segmentFile = (n: number, label: string) => `${n}-${label}.m4s`;
/**
 * Part `index` of a segment, from 0: in memory alone, while its row is one of the newest. `run` tells the
 * parts of this process from those of one that was killed before their row was complete.
 */
export const partFile = (n: number, label: string, index: number, run: string) =>
  `${n}-${label}-${index}-${run}.m4s`;
export const PART_FILE = /^(\d{1,9})-((?:camera|screen)[0-2]|still|audio)-(\d{1,3})-([a-z0-9]{1,12})\.m4s$/;
export const initFile = (init: number) => `init-${init}.mp4`;
/** Everything that may be asked for by name in a recording's folder. */
export const MEDIA_FILE = /^(?:\d{1,9}-(?:(?:camera|screen)[0-2]|still|audio)\.m4s|init-\d{1,6}\.mp4)$/;

/** The end of a row: where its longest rendition stops, in µs on the timeline. */
function endOf(row: Row): number {
  return Math.max(...Object.values(row.segments).map((segment) => segment.startUs + segment.durationUs));
}

/** What became of a row's media: they are still to be written, lie on disk, or are gone. */
export type Fate = 'waiting' | 'kept' | 'lost';

export class Timeline {
  readonly inits = new Map<number, InitConfig>();
  readonly #rows: Row[] = [];
  readonly #fates = new Map<number, Fate>();
  /** For each row, how many discontinuities there are before it. */
  readonly #discontinuities: number[] = [];
  #bytes = 0;
  #durationUs = 0;
  #losses = 0;
  #targetS: number | undefined;

  /** How long a segment can be, in s, rounded; undefined while that is open. It never changes. */
  get targetS(): number | undefined {
    return this.#targetS;
  }

  /** All rows that viewers were told of. */
  get rows(): readonly Row[] {
    return this.#rows;
  }

  /** Those whose media are there. */
  get playable(): readonly Row[] {
    return this.#losses === 0 ? this.#rows : this.#rows.filter(({ n }) => !this.isLost(n));
  }

  /** How many rows are lost. */
  get losses(): number {
    return this.#losses;
  }

  /** What lies on disk, in bytes. */
  get bytes(): number {
    return this.#bytes;
  }

  /** How long what lies on disk plays. */
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

  add(row: Row, fate: Fate = 'kept'): void {
    const previous = this.#rows.length - 1;
    const before = (this.#discontinuities[previous] ?? 0) + (this.#rows[previous]?.discontinuity ? 1 : 0);
    this.#rows.push(row);
    this.#discontinuities.push(before);
    this.#targetS ??= row.targetS;
    this.#note(row, fate);
  }

  /** Row `n` was written, or is lost. */
  settle(n: number, fate: 'kept' | 'lost'): void {
    const row = this.#rows.findLast((one) => one.n === n);
    if (row !== undefined && this.#fates.get(n) !== fate) this.#note(row, fate);
  }

  /** What became of row `n`; undefined if there is none. */
  fateOf(n: number): Fate | undefined {
    return this.#fates.get(n);
  }

  isLost(n: number): boolean {
    return this.#fates.get(n) === 'lost';
  }

  #note(row: Row, fate: Fate): void {
    const before = this.#fates.get(row.n);
    const change = (fate === 'kept' ? 1 : 0) - (before === 'kept' ? 1 : 0);
    for (const segment of Object.values(row.segments)) this.#bytes += change * segment.bytes;
    this.#durationUs += change * (row.segments[AUDIO]?.durationUs ?? 0);
    if (fate === 'lost') this.#losses += 1;
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

  /** How many discontinuities come before the row at `index`. */
  discontinuitiesBefore(index: number): number {
    return this.#discontinuities[index] ?? 0;
  }
}
