// Makes a row of the segments that are complete: which rendition shows which, and whether players have
// to begin anew.
import { countSlots, pickSlots, type Candidate } from '../../store/slots.ts';
import { AUDIO, STILL, type Row, type Segment } from '../../store/timeline.ts';
import type { Finished } from './lane.ts';

/** A source that begins later than this after the start of a row is not whole, in µs. */
export const YOUNG_US = 450_000;
/** Nor is one whose last frame is this far from the end; a still screen repeats its picture every second. */
const DIED_US = 1_250_000;

export interface RowParts {
  readonly n: number;
  readonly epochMs: number;
  readonly startUs: number;
  readonly endUs: number;
  /** By label; holds the sound and at least one picture. */
  readonly done: ReadonlyMap<string, Finished>;
  /** The sources that flow, whether or not they gave anything to this row. */
  readonly labels: readonly string[];
  /** The row does not continue the one before. */
  readonly broken: boolean;
  readonly previous: Row | undefined;
}

/** Composes the row. Segments that no slot shows are left out of it. */
export function composeRow(parts: RowParts): Row {
  const { n, epochMs, startUs, endUs, done, previous } = parts;
  const pictures = [...done].filter(([label]) => label !== AUDIO);
  const candidates = pictures.map(([label, { segment, lastUs }]): Candidate => {
    const begins = n === 1 || segment.startUs - startUs <= YOUNG_US;
    const whole = label !== STILL && begins && endUs - lastUs <= DIED_US;
    return { label, layer: label === STILL ? -1 : Number(label.at(-1)), whole };
  });
  const labels = parts.labels.length > 0 ? parts.labels : pictures.map(([label]) => label);
  const slots = pickSlots(candidates, previous?.slots.length ?? countSlots(labels));
  const segments: Record<string, Segment> = {};
  for (const label of [AUDIO, ...slots]) {
    const finished = done.get(label);
    if (finished !== undefined) segments[label] = finished.segment;
  }
  const changed = (label: string, before: string | undefined) =>
    segments[label]?.init !== previous?.segments[before ?? '']?.init;
  const discontinuity =
    previous !== undefined &&
    (parts.broken ||
      changed(AUDIO, AUDIO) ||
      slots.some((label, slot) => changed(label, previous.slots[slot])));
  return { n, epochMs, discontinuity, segments, slots };
}
