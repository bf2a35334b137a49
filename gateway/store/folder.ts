// The folder of a recording that is being written. Fragments go into their files as they come, so that a
// crash costs half a second; a row counts once all its files are there as a whole. Where the disk did not
// take one, it is written again out of memory, for as long as there is memory to keep it in.
import { mkdir, open, readdir, rm, stat, writeFile, type FileHandle } from 'node:fs/promises';
import { join } from 'node:path';
import { expected } from '#shared/expected.ts';
import { isErrno } from '#server/secrets.ts';
import { WaitingRows, type Backlog } from './backlog.ts';
import { DiskQueue } from './disk-queue.ts';
import {
  absentLine,
  findLost,
  INDEX,
  openLine,
  planLine,
  RECORDING,
  rowLine,
  setAside,
  writeRecordingFile,
  type OpenLine,
  type RecordingFile,
} from './format.ts';
import { IndexFile } from './index-file.ts';
import type { RowPlan } from '../hls/live-edge.ts';
import { entriesOf, initFile, segmentFile, type Row, type SegmentTimeline } from './segment-timeline.ts';

/** After this many rows it is looked whether what was written is still there: every ten seconds. */
const LOOK_EVERY_ROWS = 5;
/** A row that waits for longer than this, in ms, waits for a disk that is too slow. */
const SLOW_MS = 10_000;

/** What the folder is written from. */
export interface FolderSource {
  readonly dir: string;
  readonly timeline: SegmentTimeline;
  /** What recording.json has to say now. */
  file(): RecordingFile;
  /** The fragments of a segment that is still in memory. */
  partsOf(name: string): readonly Uint8Array[] | undefined;
  readonly inits: ReadonlyMap<number, Uint8Array>;
  /** Nothing can be written now; undefined once all is written again. */
  troubled(error: Error | undefined): void;
  /** Row `n` is written, or given up: its fragments need not stay in memory for the disk. */
  settled(n: number): void;
  /** These rows are lost. */
  lost(rows: readonly number[]): void;
}

export class RecordingFolder {
  readonly #source: FolderSource;
  readonly #disk: DiskQueue;
  readonly #index: IndexFile;
  readonly #waiting: WaitingRows;
  /** A look-over waits for its turn. */
  #willLook = false;
  readonly #handles = new Map<string, FileHandle>();
  /** The last row that the index has. */
  #indexedRow: number;
  #isSaveDue = false;

  constructor(source: FolderSource, backlog: Backlog) {
    this.#source = source;
    this.#indexedRow = source.timeline.nextRow - 1;
    this.#disk = new DiskQueue((error) => source.troubled(error));
    this.#index = new IndexFile(join(source.dir, INDEX), () => this.#wholeIndex());
    this.#waiting = new WaitingRows(backlog);
  }

  /** Why nothing can be written now, if so. */
  get trouble(): Error | undefined {
    return this.#disk.trouble;
  }

  /** Makes the folder of a new recording. */
  create(): void {
    this.#disk.insist(async () => {
      await this.#ensureFolder();
      await setAside(this.#source.dir);
    });
    this.save();
  }

  /** Writes recording.json. */
  save(): void {
    if (this.#isSaveDue) return;
    this.#isSaveDue = true;
    this.#disk.insist(async () => {
      // Before it is written: what changes while it is needs another save.
      this.#isSaveDue = false;
      await writeRecordingFile(this.#source.dir, this.#source.file());
    });
  }

  /** Writes `file` as recording.json; resolves with false if that was given up. */
  async saveLast(file: RecordingFile): Promise<boolean> {
    let isWritten = false;
    this.#disk.insist(async () => {
      await writeRecordingFile(this.#source.dir, file);
      isWritten = true;
    });
    await this.#disk.drained();
    return isWritten;
  }

  writeInit(init: number, bytes: Uint8Array): void {
    this.#disk.insist(() => writeFile(this.#pathOf(initFile(init)), bytes));
  }

  openSegment(name: string, line: Omit<OpenLine, 'type'>): void {
    this.#disk.attempt(async () => {
      if (this.#source.partsOf(name) === undefined) return;
      // Never added to: a row that a damaged index no longer knows may have left a file of this name.
      this.#handles.set(name, await open(this.#pathOf(name), 'w'));
      await this.#index.append(openLine(line));
    });
  }

  /** Adds fragment `part` of a segment to its file. */
  appendPart(name: string, part: number): void {
    this.#disk.attempt(async () => {
      const bytes = this.#source.partsOf(name)?.[part];
      try {
        if (bytes !== undefined) await this.#handles.get(name)?.appendFile(bytes);
      } catch (error) {
        // What follows would have no place in it.
        await this.#closeFile(name);
        throw error;
      }
    });
  }

  announce(plan: RowPlan): void {
    this.#disk.attempt(() => this.#index.append(planLine({ ...plan, slots: [...plan.slots] })));
  }

  dropSegment(name: string): void {
    this.#disk.attempt(() => this.#remove(name));
  }

  /** Row `row.n` is complete. */
  commit(row: Row): void {
    const bytes = Object.values(row.segments).reduce((sum, segment) => sum + segment.bytes, 0);
    const given = this.#waiting.append(row.n, bytes);
    if (given.length > 0) this.#giveUp(given);
    if (this.#waiting.ageMs > SLOW_MS) this.#disk.notify(new Error('The disk is too slow to record on.'));
    this.#disk.insist(() => this.#writeRow(row));
    this.#disk.insist(() => this.#indexRow(row));
    if (row.n % LOOK_EVERY_ROWS === 0) this.lookOver();
  }

  /** Row `row.n` is complete, and was not to be recorded: nothing of it stays but when it was. */
  leaveOut(row: Row): void {
    this.#disk.insist(() => this.#indexRow(row));
  }

  /** Row `n`, which is complete, was not to be recorded after all: its files go. */
  takeBack(n: number, names: readonly string[]): void {
    this.#waiting.remove(n);
    this.#disk.insist(async () => {
      for (const name of names) await this.#remove(name);
      await this.#index.append(absentLine('unrecorded', n));
    });
  }

  /** Writes again what somebody took away; what is not in memory any more is lost. One look stands for all that wait. */
  lookOver(): void {
    if (this.#willLook) return;
    this.#willLook = true;
    this.#disk.insist(async () => {
      this.#willLook = false;
      const { dir, timeline, inits } = this.#source;
      await this.#ensureFolder();
      const there = new Set(await readdir(dir));
      if (!there.has(RECORDING)) this.save();
      for (const [init, bytes] of inits) {
        if (!there.has(initFile(init))) await writeFile(this.#pathOf(initFile(init)), bytes);
      }
      for (const row of timeline.rows.slice(-2 * LOOK_EVERY_ROWS)) {
        if (timeline.fateOf(row.n) === 'kept') await this.#completeFiles(row);
      }
      const lost = await findLost(dir, timeline);
      if (lost.length === 0) return;
      this.#source.lost(lost);
      await this.#index.append(lost.map((n) => absentLine('lost', n)).join(''));
    });
  }

  /** Resolves when all that was added so far is written, if the disk keeps up. */
  caughtUp(): Promise<void> {
    return this.#disk.caughtUp();
  }

  /** Resolves when all is written that can be, and the files are closed. */
  async drained(): Promise<void> {
    await this.#disk.drained();
    for (const name of [...this.#handles.keys()])
      await this.#closeFile(name).catch(expected('written again when it opens'));
  }

  /** Tries once more what waits, and stops writing. */
  async close(): Promise<void> {
    this.#disk.close();
    await this.drained();
    this.#waiting.clear();
  }

  /** Stops writing at once. */
  async abandon(): Promise<void> {
    this.#disk.abandon();
    await this.drained();
    this.#waiting.clear();
  }

  async #writeRow(row: Row): Promise<void> {
    const { timeline } = this.#source;
    if (timeline.isAbsent(row.n)) return;
    await this.#ensureFolder();
    await this.#completeFiles(row);
    // It may have been given up meanwhile.
    if (timeline.isAbsent(row.n)) return;
    this.#waiting.remove(row.n);
    timeline.settle(row.n, 'kept');
    this.#source.settled(row.n);
  }

  async #indexRow(row: Row): Promise<void> {
    const { timeline } = this.#source;
    const fate = timeline.fateOf(row.n);
    // The folder is closed and this row was given up: it is recovered from what there is of it.
    if (fate === 'waiting') return;
    if (timeline.isAbsent(row.n))
      for (const [label] of entriesOf(row.segments)) await this.#remove(segmentFile(row.n, label));
    await this.#index.append(rowLine(row, fate));
    this.#indexedRow = row.n;
  }

  /** Makes the files of a row what they should be, as far as they are in memory. */
  async #completeFiles(row: Row): Promise<void> {
    for (const [label] of entriesOf(row.segments)) {
      const name = segmentFile(row.n, label);
      await this.#closeFile(name);
      const parts = this.#source.partsOf(name);
      if (parts === undefined) continue;
      const bytes = parts.reduce((sum, part) => sum + part.length, 0);
      if ((await sizeOf(this.#pathOf(name))) !== bytes) await this.#writeWhole(name, parts);
    }
  }

  async #writeWhole(name: string, parts: readonly Uint8Array[]): Promise<void> {
    try {
      await writeFile(this.#pathOf(name), parts);
    } catch (error) {
      // Others need the room more: the school and the SFU have little to write.
      await rm(this.#pathOf(name), { force: true }).catch(expected('not there'));
      throw error;
    }
  }

  #giveUp(rows: readonly number[]): void {
    const { timeline } = this.#source;
    for (const n of rows) {
      timeline.settle(n, 'lost');
      this.#source.settled(n);
    }
    this.#source.lost(rows);
  }

  /** Makes the folder if it alone is gone. Where all recordings are, the disk was moved away and may come back. */
  async #ensureFolder(): Promise<void> {
    try {
      await mkdir(this.#source.dir);
    } catch (error) {
      if (!isErrno(error, 'EEXIST')) throw error;
    }
  }

  #wholeIndex(): string {
    const { timeline } = this.#source;
    return timeline.rows
      .filter(({ n }) => n <= this.#indexedRow)
      .map((row) => rowLine(row, timeline.fateOf(row.n)))
      .join('');
  }

  async #remove(name: string): Promise<void> {
    await this.#closeFile(name);
    await rm(this.#pathOf(name), { force: true });
  }

  async #closeFile(name: string): Promise<void> {
    const handle = this.#handles.get(name);
    this.#handles.delete(name);
    await handle?.close();
  }

  #pathOf(name: string): string {
    return join(this.#source.dir, name);
  }
}

/** The size of a file in bytes; undefined if there is none. */
async function sizeOf(path: string): Promise<number | undefined> {
  try {
    return (await stat(path)).size;
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return undefined;
    throw error;
  }
}
