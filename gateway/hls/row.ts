// Makes a row of the segments that are complete: which rendition shows which, and whether players have
// to begin again.
import { candidateOf, countSlots, pickSlots } from '../store/slots.ts';
import type { RowPlan } from './live-edge.ts';
import { AUDIO_HOLE_US, QUIET_US } from '../channel/limits.ts';
import { YOUNG_US, type Row } from '../store/segment-timeline.ts';
import { AUDIO, STILL, type RenditionId } from './rendition-id.ts';
import { targetFor } from './boundary.ts';
import type { Finished } from './track-writer.ts';

export interface RowParts {
  readonly n: number;
  readonly epochMs: number;
  readonly startUs: number;
  readonly endUs: number;
  /** By label; holds the sound and at least one picture. */
  readonly done: ReadonlyMap<RenditionId, Finished>;
  /** The sources that flow, whether or not they gave anything to this row. */
  readonly labels: readonly RenditionId[];
  /** The row does not continue the one before. */
  readonly broken: boolean;
  readonly previous: Row | undefined;
  /** What viewers were told of it; it keeps to that. */
  readonly plan: RowPlan | undefined;
  /** A key frame ended it. */
  readonly isCut: boolean;
  /** Where the broadcast began. */
  readonly firstUs: number;
  /** The target duration; undefined while that is open. */
  readonly targetS: number | undefined;
}

/** What has begun in a row: by label, its init segment, where it starts (in µs) and whether by a key frame. */
export type Begun = ReadonlyMap<
  RenditionId,
  { readonly init: number; readonly startUs: number; readonly key: boolean }
>;

/**
 * Decides what a row will be, from what has begun in it; `isLate` says that nothing more is waited for.
 * Undefined while that is too early: the sound or a picture is missing, or one of the sources is.
 */
export function planRow(
  row: Pick<RowParts, 'n' | 'epochMs' | 'startUs' | 'labels' | 'broken' | 'previous'>,
  begun: Begun,
  isLate: boolean,
): RowPlan | undefined {
  const { n, epochMs, startUs, labels, broken, previous } = row;
  const videoTracks = [...begun].filter(([label]) => label !== AUDIO);
  if (previous === undefined || !begun.has(AUDIO) || videoTracks.length === 0) return undefined;
  if (!isLate && !labels.every((label) => begun.has(label))) return undefined;
  const candidates = videoTracks.map(([label, at]) => candidateOf(label, at.startUs - startUs <= YOUNG_US));
  const slots = previous.slots.map((before, slot) => {
    // What does not begin by itself can only go on where it was.
    const playable = candidates.filter(({ label }) => {
      const at = begun.get(label);
      return at?.key === true || (label === before && at?.init === previous.segments[label]?.init);
    });
    return pickSlots(playable.length > 0 ? playable : candidates, previous.slots.length)[slot] ?? before;
  });
  const discontinuity = broken || isNew(slots, (label) => begun.get(label)?.init, previous);
  return { n, epochMs, discontinuity, slots };
}

/** True if players have to begin again: one of the renditions has another init segment than before. */
function isNew(
  slots: readonly RenditionId[],
  initOf: (label: RenditionId) => number | undefined,
  previous: Row,
): boolean {
  const changed = (label: RenditionId, before: RenditionId | undefined) =>
    initOf(label) !== (before && previous.segments[before]?.init);
  return changed(AUDIO, AUDIO) || slots.some((label, slot) => changed(label, previous.slots[slot]));
}

/** Where a row begins whose first frame is at `atUs`: right behind the last picture, if that ended just before. */
export function joinUs(atUs: number, previous: Row | undefined): number {
  const picture = previous?.segments[previous.slots.at(-1) ?? STILL];
  const endUs = picture === undefined ? atUs : picture.startUs + picture.durationUs;
  return atUs - endUs > AUDIO_HOLE_US ? atUs : Math.min(atUs, endUs);
}

/** Composes the row. Segments that no slot shows are left out of it. */
export function composeRow(parts: RowParts): Row {
  const { n, epochMs, startUs, endUs, done, previous, plan } = parts;
  const videoTracks = [...done].filter(([label]) => label !== AUDIO);
  const candidates = videoTracks.map(([label, { segment, lastUs }]) => {
    const begins = n === 1 || segment.startUs - startUs <= YOUNG_US;
    return candidateOf(label, begins && endUs - lastUs <= QUIET_US);
  });
  const labels = parts.labels.length > 0 ? parts.labels : videoTracks.map(([label]) => label);
  const slots = [...(plan?.slots ?? pickSlots(candidates, previous?.slots.length ?? countSlots(labels)))];
  const segments: Row['segments'] = {};
  for (const label of [AUDIO, ...slots]) {
    const finished = done.get(label);
    if (finished !== undefined) segments[label] = finished.segment;
  }
  const discontinuity =
    previous !== undefined && (parts.broken || isNew(slots, (label) => segments[label]?.init, previous));
  const lengthUs = Math.max(...Object.values(segments).map(({ durationUs }) => durationUs));
  const isWhole = parts.isCut && videoTracks.some(([label, { key }]) => label !== STILL && key);
  const at = { isWhole, isAwaited: parts.labels.length > 0, ageUs: endUs - parts.firstUs };
  const targetS = parts.targetS ?? targetFor(lengthUs, at);
  return { n, epochMs, discontinuity, segments, slots, ...(targetS === undefined ? {} : { targetS }) };
}
