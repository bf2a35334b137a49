// After `kill -9` or a power cut: what was being written is cut back to its last whole fragment and
// becomes the last row, so that everything up to the last half second is playable.
import { appendFile, copyFile, readFile, rm, truncate } from 'node:fs/promises';
import { join } from 'node:path';
import { expected } from '#shared/expected.ts';
import { readFragments, ticksToUs, timescaleOf } from '#shared/media/fmp4.ts';
import { findLost, INDEX, readIndex, rowLine, type OpenLine, type PlanLine } from './format.ts';
import { candidateOf, countSlots, pickSlots } from './slots.ts';
import { AUDIO, type RenditionId } from '../hls/rendition-id.ts';
import {
  entriesOf,
  segmentFile,
  YOUNG_US,
  type Fate,
  type Row,
  type Segment,
  type SegmentTimeline,
} from './segment-timeline.ts';

/**
 * Mends the recording in `dir` and returns what it holds now. Safe to repeat after another crash. What the
 * disk does not take now is left: a recording that goes on writes its index again.
 */
export async function recoverRecording(dir: string): Promise<SegmentTimeline> {
  const { timeline, open, plan, completeBytes, damaged } = await readIndex(dir);
  // For a person to look at; nothing reads it.
  if (damaged) await tried(copyFile(join(dir, INDEX), join(dir, `${INDEX}.damaged`)));
  if (damaged || completeBytes > 0) await tried(truncate(join(dir, INDEX), completeBytes));
  const numbers = [...new Set(open.map((line) => line.n))].sort((a, b) => a - b);
  for (const n of numbers) {
    // Of a row that was begun twice, the second time at another moment, what was said last.
    const lines = open.filter(
      ({ n: of, label }, at) =>
        of === n && at === open.findLastIndex((one) => one.n === n && one.label === label),
    );
    const recovered = n === timeline.nextRow ? await recoverRow(dir, timeline, lines, plan) : undefined;
    if (recovered?.fate !== 'kept')
      for (const line of lines) await tried(rm(join(dir, segmentFile(line.n, line.label)), { force: true }));
    if (recovered === undefined) continue;
    const { row, fate } = recovered;
    await tried(appendFile(join(dir, INDEX), rowLine(row, fate)));
    timeline.appendRow(row, fate);
  }
  await findLost(dir, timeline);
  return timeline;
}

const tried = (write: Promise<unknown>) => write.catch(expected('the disk takes nothing now'));

/**
 * Makes a row of segments that were left open. Undefined if picture or sound is missing; where viewers were told of the
 * row, it is lost then.
 */
async function recoverRow(
  dir: string,
  timeline: SegmentTimeline,
  lines: readonly OpenLine[],
  plan: PlanLine | undefined,
): Promise<{ row: Row; fate: Fate } | undefined> {
  const segments: Row['segments'] = {};
  for (const line of lines) {
    const segment = await recoverSegment(join(dir, segmentFile(line.n, line.label)), timeline, line);
    if (segment !== undefined) segments[line.label] = segment;
  }
  // The last picture may have been written to be shown until the next, which never came.
  const audio = segments[AUDIO];
  const audioEndUs = audio === undefined ? Infinity : audio.startUs + audio.durationUs + YOUNG_US;
  for (const [label, segment] of entriesOf(segments)) {
    const durationUs = Math.max(0, Math.min(segment.durationUs, audioEndUs - segment.startUs));
    if (durationUs > 0) segments[label] = { ...segment, durationUs };
  }
  const newest = lines.at(-1);
  const found = entriesOf(segments);
  const startUs = Math.min(...found.map(([, segment]) => segment.startUs));
  const candidates = found
    .filter(([label]) => label !== AUDIO)
    .map(([label, segment]) => candidateOf(label, segment.startUs - startUs <= YOUNG_US));
  const told = plan?.n === newest?.n ? plan : undefined;
  if (newest === undefined || audio === undefined || candidates.length === 0)
    return told && lostRow(timeline, segments, lines, told);
  if (told?.slots.every((label) => segments[label] !== undefined) === true) {
    const { n, epochMs, discontinuity, slots } = told;
    return { row: { n, epochMs, discontinuity, segments, slots }, fate: 'kept' };
  }
  const previous = timeline.rows.at(-1);
  const slots = pickSlots(candidates, timeline.slotCount || countSlots(found.map(([label]) => label)));
  const changed = (label: RenditionId, before: RenditionId | undefined) =>
    segments[label]?.init !== (before && previous?.segments[before]?.init);
  const discontinuity =
    previous !== undefined &&
    (previous.epochMs !== newest.epochMs ||
      changed(AUDIO, AUDIO) ||
      slots.some((label, slot) => changed(label, previous.slots[slot])));
  return { row: { n: newest.n, epochMs: newest.epochMs, discontinuity, segments, slots }, fate: 'kept' };
}

/** The row of which viewers were `told`, without media; undefined if they were told of none of its parts. */
function lostRow(
  { inits }: SegmentTimeline,
  found: Row['segments'],
  lines: readonly OpenLine[],
  told: PlanLine,
): { row: Row; fate: Fate } | undefined {
  const parts = Object.values(found);
  if (parts.length === 0 || !lines.every(({ init }) => inits.has(init))) return undefined;
  const startUs = Math.min(...parts.map((part) => part.startUs));
  const durationUs = Math.max(...parts.map((part) => part.startUs + part.durationUs)) - startUs;
  const segments: Row['segments'] = {};
  for (const { label, init } of lines) segments[label] = { init, startUs, durationUs, bytes: 0, frames: 0 };
  const { n, epochMs, discontinuity, slots } = told;
  return { row: { n, epochMs, discontinuity, segments, slots }, fate: 'lost' };
}

/** Cuts a segment's file back to whole fragments and measures it. Undefined if nothing is left. */
async function recoverSegment(
  path: string,
  timeline: SegmentTimeline,
  line: OpenLine,
): Promise<Segment | undefined> {
  const config = timeline.inits.get(line.init);
  const bytes = await readFile(path).catch(() => new Uint8Array());
  const { fragments, completeBytes } = readFragments(bytes);
  const samples = fragments.flatMap((fragment) => fragment.samples);
  const [first] = samples;
  const last = samples.at(-1);
  if (config === undefined || first === undefined || last === undefined) return undefined;
  if (completeBytes < bytes.length) await tried(truncate(path, completeBytes));
  const timescale = timescaleOf(config);
  const startUs = ticksToUs(first.dtsTicks, timescale);
  return {
    init: line.init,
    startUs,
    durationUs: ticksToUs(last.dtsTicks + last.durationTicks, timescale) - startUs,
    bytes: completeBytes,
    frames: samples.length,
  };
}
