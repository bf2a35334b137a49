// Which source a rendition slot shows. Slots are fixed for the life of a broadcast; sources come and go.

import { parseRenditionId, STILL, type RenditionId } from '../hls/rendition-id.ts';

/** A source that has a segment in this row. */
export interface SlotCandidate {
  readonly label: RenditionId;
  /** 0 is the smallest; the still picture is below it. */
  readonly layer: number;
  /** False if it began late or died early, so that the picture would stand still for part of the row. */
  readonly whole: boolean;
}

/** `whole` is what it is said to be; a still picture, which stands in for another, never is. */
export const candidateOf = (label: RenditionId, whole: boolean): SlotCandidate => ({
  label,
  layer: parseRenditionId(label)?.layer ?? -1,
  whole: whole && label !== STILL,
});

/**
 * Chooses for each of `count` slots, smallest first, the label it shows: its own layer, else the nearest
 * lower, else the nearest higher; whole segments before broken ones. The top slot takes the best there
 * is, whatever its layer. `candidates` holds at least one.
 */
export function pickSlots(candidates: readonly SlotCandidate[], count: number): RenditionId[] {
  const whole = candidates.filter((candidate) => candidate.whole);
  const pool = whole.length > 0 ? whole : candidates;
  const layers = [...pool].sort((a, b) => a.layer - b.layer);
  const top = layers.at(-1);
  if (top === undefined) throw new RangeError('no source to show');
  return Array.from({ length: count }, (_, slot) => {
    if (slot === count - 1) return top.label;
    return (layers.findLast((candidate) => candidate.layer <= slot) ?? layers[0] ?? top).label;
  });
}

/** How many layers a camera sends at most. */
const MAX_SLOTS = 3;

/**
 * How many slots a broadcast gets that begins with these sources: as many as its camera has layers. One
 * that begins without a camera may get one later, so it has all slots from the start: players read the
 * list of renditions only once.
 */
export function countSlots(labels: readonly RenditionId[]): number {
  const layers = labels.flatMap((label) => parseRenditionId(label) ?? []);
  const camera = layers.filter(({ source }) => source === 'camera');
  return camera.length === 0 ? MAX_SLOTS : Math.max(...camera.map(({ layer }) => layer)) + 1;
}
