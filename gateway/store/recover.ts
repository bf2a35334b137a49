// After `kill -9` or a power cut: what was being written is cut back to its last whole fragment and
// becomes the last row, so that everything up to the last half second is playable.
import { appendFile, copyFile, open as openFile, readFile, rm, truncate } from 'node:fs/promises';
import { join } from 'node:path';
import { expected } from '#shared/expected.ts';
import {
  fragment,
  readFragments,
  ticks,
  ticksToUs,
  timescaleOf,
  type FragmentInfo,
  type FragmentSample,
} from '#shared/media/fmp4.ts';
import { findLost, INDEX, readIndex, rowLine, type OpenLine, type PlanLine } from './format.ts';
import { candidateOf, countSlots, pickSlots } from './slots.ts';
import { silence } from '../channel/silence.ts';
import { PART_US } from '../hls/boundary.ts';
import { AUDIO, type RenditionId } from '../hls/rendition-id.ts';
import {
  segmentFile,
  YOUNG_US,
  type Fate,
  type InitConfig,
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

/** A segment that was left open, as its file has it. */
interface Found {
  readonly label: RenditionId;
  readonly init: number;
  readonly path: string;
  readonly config: InitConfig;
  readonly bytes: Uint8Array;
  /** Those that are whole; one at least. */
  readonly fragments: readonly FragmentInfo[];
  readonly startUs: number;
  /** Where its last sample begins and ends. */
  readonly lastUs: number;
  readonly endUs: number;
}

/**
 * Makes a row of segments that were left open, in which sound and picture end together. Undefined if one of them is
 * missing; where viewers were told of the row, it is lost then.
 */
async function recoverRow(
  dir: string,
  timeline: SegmentTimeline,
  lines: readonly OpenLine[],
  plan: PlanLine | undefined,
): Promise<{ row: Row; fate: Fate } | undefined> {
  const found = (await Promise.all(lines.map((line) => findSegment(dir, timeline, line)))).filter(
    (segment) => segment !== undefined,
  );
  const newest = lines.at(-1);
  const soundUs = found.find(({ label }) => label === AUDIO)?.endUs;
  const startUs = Math.min(...found.map((segment) => segment.startUs));
  const candidates = found
    .filter(({ label }) => label !== AUDIO)
    .map((segment) => candidateOf(segment.label, segment.startUs - startUs <= YOUNG_US));
  const told = plan?.n === newest?.n ? plan : undefined;
  if (newest === undefined || soundUs === undefined || candidates.length === 0)
    return told && lostRow(timeline, found, lines, told);
  // The last picture may have been written to be shown until the next, which never came.
  const endsUs = found.map(({ endUs, lastUs }) => Math.min(endUs, Math.max(soundUs, lastUs + PART_US)));
  const endUs = Math.max(...endsUs);
  const segments: Row['segments'] = {};
  for (const segment of found) segments[segment.label] = await completeSegment(segment, endUs);
  if (told?.slots.every((label) => segments[label] !== undefined) === true) {
    const { n, epochMs, discontinuity, slots } = told;
    return { row: { n, epochMs, discontinuity, segments, slots }, fate: 'kept' };
  }
  const previous = timeline.rows.at(-1);
  const slots = pickSlots(candidates, timeline.slotCount || countSlots(found.map(({ label }) => label)));
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
  found: readonly Found[],
  lines: readonly OpenLine[],
  told: PlanLine,
): { row: Row; fate: Fate } | undefined {
  if (found.length === 0 || !lines.every(({ init }) => inits.has(init))) return undefined;
  const startUs = Math.min(...found.map((segment) => segment.startUs));
  const durationUs = Math.max(...found.map(({ endUs }) => endUs)) - startUs;
  const segments: Row['segments'] = {};
  for (const { label, init } of lines) segments[label] = { init, startUs, durationUs, bytes: 0, frames: 0 };
  const { n, epochMs, discontinuity, slots } = told;
  return { row: { n, epochMs, discontinuity, segments, slots }, fate: 'lost' };
}

/** Cuts a segment's file back to whole fragments. Undefined if nothing is left. */
async function findSegment(
  dir: string,
  timeline: SegmentTimeline,
  { n, label, init }: OpenLine,
): Promise<Found | undefined> {
  const path = join(dir, segmentFile(n, label));
  const config = timeline.inits.get(init);
  const file = await readFile(path).catch(() => new Uint8Array());
  const { fragments, completeBytes } = readFragments(file);
  const samples = fragments.flatMap((one) => one.samples);
  const [first] = samples;
  const last = samples.at(-1);
  if (config === undefined || first === undefined || last === undefined) return undefined;
  if (completeBytes < file.length) await tried(truncate(path, completeBytes));
  const timescale = timescaleOf(config);
  const startUs = ticksToUs(first.dtsTicks, timescale);
  const lastUs = ticksToUs(last.dtsTicks, timescale);
  const endUs = ticksToUs(last.dtsTicks + last.durationTicks, timescale);
  const bytes = file.subarray(0, completeBytes);
  return { label, init, path, config, bytes, fragments, startUs, lastUs, endUs };
}

/** Lets a segment last until `endUs`: a picture stands until then, and sound is followed by silence. */
async function completeSegment(found: Found, endUs: number): Promise<Segment> {
  const { init, path, config, bytes, fragments, startUs } = found;
  const frames = fragments.reduce((sum, { samples }) => sum + samples.length, 0);
  const whole = { init, startUs, durationUs: endUs - startUs, bytes: bytes.length, frames };
  const last = fragments.at(-1);
  if (last === undefined || found.endUs === endUs) return whole;
  const silent = config.codec === 'h264' ? [] : silence(found.endUs, endUs, config);
  if (silent.length === 0) {
    const samples = last.samples.map((sample) => ({
      ...sample,
      data: bytes.subarray(sample.offset, sample.offset + sample.sizeBytes),
    }));
    const longer = fragmentUntil(endUs, config, last.sequence, last.samples[0]?.dtsTicks ?? 0, samples);
    // Over the one that was there, so that nothing is lost whatever happens.
    if (longer.length === last.end - last.start) await tried(writeAt(path, longer, last.start));
    return whole;
  }
  const timescale = timescaleOf(config);
  const samples = silent.map(({ data, durationUs }) => ({
    data,
    durationTicks: ticks(durationUs, timescale),
    key: true,
  }));
  const more = fragmentUntil(endUs, config, last.sequence + 1, ticks(found.endUs, timescale), samples);
  await tried(writeAt(path, more, bytes.length));
  return { ...whole, bytes: bytes.length + more.length, frames: frames + samples.length };
}

/** A fragment of which the last sample lasts until `endUs`. */
function fragmentUntil(
  endUs: number,
  config: InitConfig,
  sequence: number,
  baseDecodeTime: number,
  samples: readonly FragmentSample[],
): Uint8Array {
  const before = samples.slice(0, -1);
  const lastTicks = before.reduce((sum, { durationTicks }) => sum + durationTicks, baseDecodeTime);
  const durationTicks = Math.max(1, ticks(endUs, timescaleOf(config)) - lastTicks);
  const last = samples.slice(-1).map((sample) => ({ ...sample, durationTicks }));
  return fragment({ sequence, baseDecodeTime, samples: [...before, ...last] });
}

async function writeAt(path: string, bytes: Uint8Array, position: number): Promise<void> {
  const file = await openFile(path, 'r+');
  try {
    await file.write(bytes, 0, bytes.length, position);
  } finally {
    await file.close();
  }
}
