// How long the segments of a replay are said to be. Between two discontinuities the sound may begin before the
// picture, or end after it; where players begin again, all renditions have to be at the same time, or a player that
// begins there has the picture of one side and the sound of the other, and waits forever.
import type { Row, Segment } from '../store/segment-timeline.ts';
import { AUDIO, type RenditionId } from './rendition-id.ts';

/** However little of a segment counts, it takes some time, in µs. */
const LEAST_US = 1_000;

/**
 * The lengths of what `labelOf` shows in `rows`, in µs; `isBreak` says with which of them players begin again. A run
 * counts from where the last of its renditions begins to where the first of them ends: what a rendition has before
 * or behind that lies over the run next to it, and nowhere is there a gap.
 */
export function lengthsOf(
  rows: readonly Row[],
  labelOf: (row: Row) => RenditionId,
  isBreak: (row: Row) => boolean,
): readonly number[] {
  return rows.map((row, index) => {
    const segment = row.segments[labelOf(row)];
    if (segment === undefined) return 0;
    const next = rows[index + 1];
    const startUs =
      index === 0 || isBreak(row) ? Math.max(...shown(row).map((one) => one.startUs)) : segment.startUs;
    const endUs = next === undefined || isBreak(next) ? Math.min(...shown(row).map(endOf)) : endOf(segment);
    return Math.max(LEAST_US, endUs - startUs);
  });
}

const endOf = ({ startUs, durationUs }: Segment): number => startUs + durationUs;

/** All that any rendition shows of a row. */
const shown = ({ segments, slots }: Row): Segment[] =>
  [AUDIO, ...slots].flatMap((label) => segments[label] ?? []);
