// Which row shows a moment, by the clock of a playlist that begins at minute zero.
import { thumbnailAtS, thumbnailStepS } from '#shared/domain/thumbnails.ts';
import type { Row } from '../store/segment-timeline.ts';
import { labelOf } from './playlists.ts';

/** What is asked for by whole seconds may be this far beyond the end, in s. */
const ROUNDING_S = 1;
/** So many moments of a raster belong together. */
const TOGETHER = 25;

/** A moment that has a thumbnail. */
export interface Moment {
  /** The one of which the beginning is nearest to it. */
  readonly row: Row;
  /** Those of the moments around it, and itself. */
  around(): Row[];
}

/** The moment that is nearest to second `atS` of `rows`; undefined if that is beyond their end. */
export function momentAt(rows: readonly Row[], atS: number): Moment | undefined {
  let endS = 0;
  const starts = rows.map((row) => {
    const startS = endS;
    endS += (row.segments[labelOf(row, 0)]?.durationUs ?? 0) / 1e6;
    return startS;
  });
  const rowAt = (momentS: number): Row | undefined => {
    const next = starts.findIndex((startS) => startS > momentS);
    const index = next < 0 ? rows.length - 1 : next - 1;
    const isNextNearer = next >= 0 && (starts[next] ?? 0) - momentS < momentS - (starts[index] ?? 0);
    return rows[isNextNearer ? next : index];
  };
  const momentS = thumbnailAtS(atS, endS);
  const row = rowAt(momentS);
  if (row === undefined || atS > endS + ROUNDING_S) return undefined;
  return {
    row,
    around() {
      const stepS = thumbnailStepS(endS);
      const firstS = Math.floor(momentS / stepS / TOGETHER) * TOGETHER * stepS;
      const moments = Array.from({ length: TOGETHER }, (_, index) => firstS + index * stepS);
      const found = moments.filter((one) => one <= endS).flatMap((one) => rowAt(one) ?? []);
      return [...new Set(found)];
    },
  };
}
