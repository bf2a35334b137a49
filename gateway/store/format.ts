// How a recording lies on disk, in a folder named by its broadcast:
//   recording.json   what it is and its state; replaced as a whole
//   index.ndjson     one line per fact, only ever appended to: a segment was opened, a row was announced,
//                    a row is complete, the media of a row are lost or were not to be recorded
//   init-<k>.mp4     init segments, one for each configuration
//   <n>-<label>.m4s  segments, which grow by a fragment every few hundred milliseconds
import { readdir, readFile, rename } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { RecordingInfo } from '#shared/contract/internal.ts';
import { MalformedError } from '#shared/media/bytes.ts';
import { readInit } from '#shared/media/fmp4.ts';
import { writeAtomically } from '#server/atomic-file.ts';
import { isErrno } from '#server/secrets.ts';
import { RenditionId } from '../hls/rendition-id.ts';
import {
  Absence,
  entriesOf,
  initFile,
  isAbsence,
  Row,
  segmentFile,
  SegmentTimeline,
  type Fate,
} from './segment-timeline.ts';

export const RECORDING = 'recording.json';
export const INDEX = 'index.ndjson';

export const RecordingFile = RecordingInfo.extend({
  title: z.string().max(400),
  /** When the broadcast ended: then it cannot go on air again. */
  endedAtMs: z.number().nullable(),
  /** Why it failed, if it did. */
  reason: z.string().max(500).nullable(),
});
export type RecordingFile = z.infer<typeof RecordingFile>;

/** A segment was begun; if its row never became complete, this says what its file is. */
export const OpenLine = z.object({
  type: z.literal('open'),
  n: z.number().int().min(1),
  label: RenditionId,
  init: z.number().int().min(0),
  epochMs: z.number(),
});
export type OpenLine = z.infer<typeof OpenLine>;
/** What viewers were told of a row before it was complete: if it never became so, it still is that. */
export const PlanLine = Row.pick({ n: true, epochMs: true, discontinuity: true, slots: true }).extend({
  type: z.literal('plan'),
});
export type PlanLine = z.infer<typeof PlanLine>;
const RowLine = Row.extend({ type: z.literal('row') });
/**
 * The media of a row could not be written or are gone (players are told of a gap), or were not to be recorded. It may
 * come before its row, or after it.
 */
const AbsentLine = z.object({ type: Absence, n: z.number().int().min(1) });
const IndexLine = z.discriminatedUnion('type', [OpenLine, PlanLine, RowLine, AbsentLine]);

export const openLine = (line: Omit<OpenLine, 'type'>) => JSON.stringify({ type: 'open', ...line }) + '\n';
export const planLine = (line: Omit<PlanLine, 'type'>) => JSON.stringify({ type: 'plan', ...line }) + '\n';
/** What the index says of a row that is complete, or that has no media. */
export const rowLine = (row: Row, fate: Fate = 'kept') =>
  (isAbsence(fate) ? absentLine(fate, row.n) : '') + JSON.stringify({ type: 'row', ...row }) + '\n';
export const absentLine = (type: Absence, n: number) => JSON.stringify({ type, n }) + '\n';

export async function readRecordingFile(dir: string): Promise<RecordingFile> {
  return RecordingFile.parse(JSON.parse(await readFile(join(dir, RECORDING), 'utf8')));
}

export function writeRecordingFile(dir: string, file: RecordingFile): Promise<void> {
  return writeAtomically(join(dir, RECORDING), JSON.stringify(file, null, 2));
}

/** Keeps an index that cannot be gone on with for a person to look at; nothing reads it. */
export async function setAside(dir: string): Promise<void> {
  try {
    await rename(join(dir, INDEX), join(dir, `${INDEX}.damaged`));
  } catch (error) {
    if (!isErrno(error, 'ENOENT')) throw error;
  }
}

export interface Index {
  readonly timeline: SegmentTimeline;
  /** Segments that were begun in rows that are not complete. */
  readonly open: readonly OpenLine[];
  /** What viewers were told of the row that is not complete. */
  readonly plan: PlanLine | undefined;
  /** The length of the file up to the last line that is whole and of use. */
  readonly completeBytes: number;
  /** True if more than a line that was cut short is left out. */
  readonly damaged: boolean;
}

/**
 * Reads the index and the init segments it speaks of. A last line that was cut short is left out, and so
 * is all from a line on that is spoiled or needs an init segment that is: a power cut leaves behind what
 * was not on disk yet, and all that came before it can be played.
 */
export async function readIndex(dir: string): Promise<Index> {
  const bytes = await readFile(join(dir, INDEX)).catch(() => Buffer.alloc(0));
  const timeline = new SegmentTimeline();
  let open: OpenLine[] = [];
  let plan: PlanLine | undefined;
  const absent = new Map<number, Absence>();
  let completeBytes = 0;
  let end = bytes.indexOf(0x0a);
  for (; end >= 0; end = bytes.indexOf(0x0a, completeBytes)) {
    const line = parseLine(bytes.toString('utf8', completeBytes, end));
    if (line === undefined) break;
    if (line.type === 'open') {
      open.push(line);
    } else if (line.type === 'plan') {
      plan = line;
    } else if (line.type === 'row') {
      const { type: _, ...row } = line;
      const inits = Object.values(row.segments).map((segment) => segment.init);
      const fate = absent.get(row.n) ?? 'kept';
      // Of rows without media too, as far as they are there: their numbers are taken.
      const isKnown = await loadInits(dir, timeline, inits);
      if (row.n < timeline.nextRow || (fate === 'kept' && !isKnown)) break;
      timeline.appendRow(row, fate);
      open = open.filter((opened) => opened.n > row.n);
    } else {
      absent.set(line.n, line.type);
      timeline.settle(line.n, line.type);
    }
    completeBytes = end + 1;
  }
  for (const { init } of open) await loadInits(dir, timeline, [init]);
  const isOpen = plan?.n === timeline.nextRow;
  return { timeline, open, plan: isOpen ? plan : undefined, completeBytes, damaged: end >= 0 };
}

/** Takes rows whose segments are not in the folder for lost; returns their numbers. Rejects with what the disk says. */
export async function findLost(dir: string, timeline: SegmentTimeline): Promise<number[]> {
  const there = new Set(await readdir(dir));
  const lost = timeline.rows
    .filter(({ n, segments }) => {
      if (timeline.fateOf(n) !== 'kept') return false;
      return entriesOf(segments).some(([label]) => !there.has(segmentFile(n, label)));
    })
    .map(({ n }) => n);
  for (const n of lost) timeline.settle(n, 'lost');
  return lost;
}

function parseLine(text: string): z.infer<typeof IndexLine> | undefined {
  try {
    return IndexLine.parse(JSON.parse(text));
  } catch (error) {
    if (error instanceof SyntaxError || error instanceof z.ZodError) return undefined;
    throw error;
  }
}

/** Makes these init segments known to the timeline; resolves with false if one is gone or spoiled. */
async function loadInits(dir: string, timeline: SegmentTimeline, inits: readonly number[]): Promise<boolean> {
  for (const init of inits) {
    if (timeline.inits.has(init)) continue;
    try {
      timeline.inits.set(init, readInit(await readFile(join(dir, initFile(init)))).config);
    } catch (error) {
      if (error instanceof MalformedError || isErrno(error, 'ENOENT')) return false;
      throw error;
    }
  }
  return true;
}
