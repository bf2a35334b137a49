// One recording that is being written, and at the same time the segments of the broadcast on air: the
// newest are kept in memory, so that live viewers never wait for the disk, and go on if it fails.
import { appendFile, mkdir, open, rm, writeFile, type FileHandle } from 'node:fs/promises';
import { join } from 'node:path';
import type { RecordingInfo } from '#shared/contract/internal.ts';
import { recordingLifecycle, type RecordingEvent, type RecordingState } from '#shared/domain/lifecycle.ts';
import { equalBytes } from '#shared/media/bytes.ts';
import { initSegment } from '#shared/media/fmp4.ts';
import { DiskQueue } from './disk-queue.ts';
import {
  INDEX,
  openLine,
  planLine,
  rowLine,
  setAside,
  writeRecordingFile,
  type RecordingFile,
} from './format.ts';
import { LiveEdge, type Part, type RowPlan } from './live-edge.ts';
import { initFile, PART_FILE, segmentFile, type InitConfig, type Row, type Timeline } from './timeline.ts';

/** The live window, and one row more for viewers that are about to ask for the oldest. */
const ROWS_IN_MEMORY = 8;

export interface RecordingHooks {
  changed(info: RecordingInfo): void;
  /** Writing failed; called once. */
  failed(error: Error): void;
  /** A row is complete. */
  completed?(): void;
}

export class Recording {
  readonly dir: string;
  readonly timeline: Timeline;
  /** The parts of the newest rows, and who waits for the next. */
  readonly edge: LiveEdge;
  #file: RecordingFile;
  #hooks: RecordingHooks | undefined;
  #disk: DiskQueue;
  readonly #handles = new Map<string, FileHandle>();
  readonly #initBytes = new Map<number, Uint8Array>();
  /** Files of the newest rows, in fragments. */
  readonly #memory = new Map<string, { n: number; parts: Uint8Array[] }>();
  #ending: Promise<void> | undefined;

  constructor(dir: string, file: RecordingFile, timeline: Timeline) {
    this.dir = dir;
    this.#file = file;
    this.timeline = timeline;
    this.edge = new LiveEdge(timeline);
    this.#disk = new DiskQueue((error) => this.#failed(error));
    for (const [init, config] of timeline.inits) this.#initBytes.set(init, initSegment(config));
  }

  get info(): RecordingInfo {
    const { id, lesson, channel, state, startedAtMs } = this.#file;
    const { durationMs, bytes } = this.timeline;
    return { id, lesson, channel, state, startedAtMs, durationMs, bytes };
  }

  /** What recording.json says. */
  get file(): RecordingFile {
    return { ...this.#file, ...this.info };
  }

  /** True once the broadcast has ended: nothing can be added any more. */
  get isOver(): boolean {
    return this.#file.endedAtMs !== null;
  }

  /** Makes the folder, for a recording that is new. Failures reach the hooks. */
  create(): void {
    this.#disk.add(async () => {
      await mkdir(this.dir, { recursive: true });
      await setAside(this.dir);
    });
    this.#save();
  }

  /** Who is told of changes from now on. */
  attach(hooks: RecordingHooks): void {
    this.#hooks = hooks;
  }

  /** The number of the init segment for `config`; written when it is new. */
  initFor(config: InitConfig): number {
    const bytes = initSegment(config);
    for (const [init, known] of this.#initBytes) if (equalBytes(bytes, known)) return init;
    const init = Math.max(-1, ...this.#initBytes.keys()) + 1;
    this.#initBytes.set(init, bytes);
    this.timeline.inits.set(init, config);
    this.#disk.add(() => writeFile(join(this.dir, initFile(init)), bytes));
    return init;
  }

  /** Begins a segment. */
  open(n: number, label: string, init: number, epochMs: number): void {
    if (this.#file.state === 'armed') this.#move('media');
    const name = segmentFile(n, label);
    this.#memory.set(name, { n, parts: [] });
    this.edge.begin(n, label, init);
    this.#disk.add(async () => {
      // Never added to: a row that a damaged index no longer knows may have left a file of this name.
      this.#handles.set(name, await open(join(this.dir, name), 'w'));
      await appendFile(join(this.dir, INDEX), openLine({ n, label, init, epochMs }));
    });
  }

  /** Adds a fragment to a segment that was opened: its next part. */
  append(n: number, label: string, fragment: Uint8Array, part: Part): void {
    const name = segmentFile(n, label);
    this.#memory.get(name)?.parts.push(fragment);
    this.edge.add(n, label, part);
    this.#disk.add(async () => this.#handles.get(name)?.appendFile(fragment), fragment.length);
  }

  /** Says what the present row will be: from now on its parts are public. */
  decide(plan: RowPlan): void {
    this.edge.decide(plan);
    this.#disk.add(() => appendFile(join(this.dir, INDEX), planLine({ ...plan, slots: [...plan.slots] })));
  }

  /** Nothing is added to a segment any more. */
  finish(n: number, label: string): void {
    this.edge.finish(n, label);
  }

  /** A segment that no rendition shows is taken back. */
  drop(n: number, label: string): void {
    const name = segmentFile(n, label);
    this.edge.drop(n, label);
    this.#memory.delete(name);
    this.#disk.add(async () => {
      await this.#closeFile(name);
      await rm(join(this.dir, name), { force: true });
    });
  }

  /** Completes a row: from now on it is in the playlists. */
  commit(row: Row): void {
    this.timeline.add(row);
    this.edge.committed(row);
    this.#hooks?.completed?.();
    for (const [name, { n }] of this.#memory) if (n <= row.n - ROWS_IN_MEMORY) this.#memory.delete(name);
    this.#disk.add(async () => {
      for (const label of Object.keys(row.segments)) await this.#closeFile(segmentFile(row.n, label));
      await appendFile(join(this.dir, INDEX), rowLine(row));
    });
  }

  /** The bytes of a file that is in memory, in pieces. */
  inMemory(name: string): readonly Uint8Array[] | undefined {
    const segment = this.#memory.get(name);
    if (segment !== undefined) return segment.parts;
    const [, n, label = '', index, run] = PART_FILE.exec(name) ?? [];
    if (index !== undefined && run === this.edge.run) {
      const part = this.#memory.get(segmentFile(Number(n), label))?.parts[Number(index)];
      return part && [part];
    }
    const init = /^init-(\d+)\.mp4$/.exec(name)?.[1];
    const bytes = init === undefined ? undefined : this.#initBytes.get(Number(init));
    return bytes && [bytes];
  }

  /** Ends the recording and resolves when it can be replayed. Twice is once. Never rejects. */
  end(): Promise<void> {
    this.#ending ??= this.#end();
    return this.#ending;
  }

  /** Stops writing and closes the files; the recording can be taken up again after a restart. */
  async suspend(): Promise<void> {
    this.edge.end();
    await this.#disk.drained();
    await this.#closeFiles();
  }

  /** Stops writing for good, because the recording is being erased. */
  async abandon(): Promise<void> {
    this.#hooks = undefined;
    this.#disk.fail(new Error('The recording was erased.'));
    await this.suspend();
  }

  async #end(): Promise<void> {
    this.#file = { ...this.#file, endedAtMs: Date.now() };
    this.edge.end();
    if (this.#file.state === 'armed') {
      this.#file.reason = 'Nothing came to be recorded.';
      this.#move('fail');
    }
    if (recordingLifecycle.peek(this.#file.state, 'end') !== undefined) this.#move('end');
    await this.#disk.drained();
    await this.#closeFiles();
    if (this.#file.state === 'finalizing') {
      // Said only once it is on disk: what is ready after this survives everything.
      const ready: RecordingFile = { ...this.#file, ...this.info, state: 'ready' };
      this.#disk.add(() => writeRecordingFile(this.dir, ready));
      await this.#disk.drained();
      if (this.#disk.failure === undefined) this.#move('finalized');
    } else {
      // It failed before: all that is left to note is that it is over, if the disk takes even that.
      await writeRecordingFile(this.dir, { ...this.#file, ...this.info }).catch(() => undefined);
    }
  }

  #move(event: RecordingEvent): void {
    const state: RecordingState = recordingLifecycle.next(this.#file.state, event);
    this.#file = { ...this.#file, ...this.info, state };
    if (state !== 'ready') this.#save();
    this.#hooks?.changed(this.info);
  }

  #save(): void {
    const file = this.#file;
    this.#disk.add(() => writeRecordingFile(this.dir, file));
  }

  #failed(error: Error): void {
    if (recordingLifecycle.peek(this.#file.state, 'fail') !== undefined) {
      this.#file = { ...this.#file, ...this.info, state: 'failed', reason: error.message.slice(0, 500) };
      // The disk may still take so little, or may not.
      void writeRecordingFile(this.dir, this.#file).catch(() => undefined);
      this.#hooks?.changed(this.info);
    }
    this.#hooks?.failed(error);
    void this.#closeFiles();
  }

  async #closeFile(name: string): Promise<void> {
    const handle = this.#handles.get(name);
    this.#handles.delete(name);
    await handle?.close();
  }

  async #closeFiles(): Promise<void> {
    for (const name of [...this.#handles.keys()]) await this.#closeFile(name).catch(() => undefined);
  }
}
