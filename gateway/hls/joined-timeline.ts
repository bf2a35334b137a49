// The parts of one class as if they were one recording: their rows and init segments are counted through, so that
// playlists, keys and initialization vectors are made as those of any other. Players begin again at each seam.
import { displaySize } from '#shared/media/avc.ts';
import {
  entriesOf,
  initFile,
  parseInitFile,
  parseSegmentFile,
  segmentFile,
  SegmentTimeline,
  type Row,
} from '../store/segment-timeline.ts';
import { MIN_TARGET_S } from './boundary.ts';
import { measure } from './multivariant.ts';
import { labelOf } from './playlists.ts';

/** A segment or init segment by what its own recording calls it. */
export interface PartFile {
  /** Which part it is of, from 0. */
  readonly part: number;
  readonly file: string;
  /** Its media sequence number in the whole; undefined for an init segment. */
  readonly n: number | undefined;
}

export class JoinedTimeline {
  /** All rows, those without media too: numbers stay when media are lost. */
  readonly timeline = new SegmentTimeline();
  /** For each part, how many rows and init segments come before it. */
  readonly #before: { readonly rows: number; readonly inits: number }[] = [];

  /** `parts` are recordings that are over, in their order. */
  constructor(parts: readonly SegmentTimeline[]) {
    const targetS = Math.max(...parts.map((part) => part.targetS ?? MIN_TARGET_S));
    const slots = slotsOf(parts);
    let rows = 0;
    let inits = 0;
    for (const [index, part] of parts.entries()) {
      this.#before.push({ rows, inits });
      for (const [init, config] of part.inits) this.timeline.inits.set(inits + init, config);
      for (const row of part.rows) {
        const isSeam = index > 0 && row === part.rows[0];
        const joined = countedOn(row, { rows, inits }, slots[index] ?? [], isSeam);
        this.timeline.appendRow({ ...joined, targetS }, part.fateOf(row.n));
      }
      rows += part.nextRow - 1;
      inits += initCount(part);
    }
  }

  /** The file that `name` names; undefined if it can be none. */
  locate(name: string): PartFile | undefined {
    const at = parseSegmentFile(name);
    const init = at === undefined ? parseInitFile(name) : undefined;
    const part = this.#before.findLastIndex(({ rows, inits }) =>
      at === undefined ? init !== undefined && inits <= init : rows < at.n,
    );
    const before = this.#before[part];
    if (before === undefined) return undefined;
    if (at !== undefined) return { part, file: segmentFile(at.n - before.rows, at.label), n: at.n };
    return init === undefined ? undefined : { part, file: initFile(init - before.inits), n: undefined };
  }
}

function countedOn(
  row: Row,
  before: { rows: number; inits: number },
  slots: readonly number[],
  isSeam: boolean,
): Row {
  const segments: Row['segments'] = {};
  for (const [label, segment] of entriesOf(row.segments))
    segments[label] = { ...segment, init: segment.init + before.inits };
  return {
    n: before.rows + row.n,
    epochMs: row.epochMs,
    discontinuity: row.discontinuity || isSeam,
    segments,
    slots: slots.map((slot) => labelOf(row, slot)),
  };
}

/** How many init segments a recording can name. */
const initCount = ({ rows }: SegmentTimeline): number =>
  rows.reduce((count, row) => Math.max(count, ...entriesOf(row.segments).map(([, { init }]) => init + 1)), 0);

/**
 * For each part, which of its renditions each rendition of the whole shows: there are as many as the part with the
 * most has, and one with fewer gives the nearest in size.
 */
function slotsOf(parts: readonly SegmentTimeline[]): readonly (readonly number[])[] {
  const most = parts.reduce((a, b) => (b.slotCount > a.slotCount ? b : a));
  const wanted = sizesOf(most);
  return parts.map((part) => {
    const sizes = part.slotCount === most.slotCount ? wanted : sizesOf(part);
    return wanted.map((size, slot) => (sizes === wanted ? slot : nearest(size, slot, sizes)));
  });
}

/** How many pixels the picture of each rendition has; 1 where none is known. */
function sizesOf(timeline: SegmentTimeline): number[] {
  const rows = timeline.playable;
  return Array.from({ length: timeline.slotCount }, (_, slot) => {
    const config = timeline.inits.get(measure(rows, slot).best?.init ?? -1);
    if (config?.codec !== 'h264') return 1;
    const { width, height } = displaySize(config);
    return width * height;
  });
}

/** The index of the size that is nearest to `size`; of equal ones the one nearest to `slot`. */
function nearest(size: number, slot: number, sizes: readonly number[]): number {
  const offBy = (index: number) => Math.abs(Math.log((sizes[index] ?? 1) / size));
  return sizes.reduce((best, _, index) => {
    const isNearer =
      offBy(index) < offBy(best) ||
      (offBy(index) === offBy(best) && Math.abs(index - slot) < Math.abs(best - slot));
    return isNearer ? index : best;
  }, 0);
}
