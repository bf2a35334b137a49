// One recording that is being written, and at the same time the segments of the broadcast on air: the
// newest are kept in memory, so that live viewers never wait for the disk, and go on while it takes nothing.
import { setTimeout as sleep } from 'node:timers/promises';
import type { RecordingInfo } from '#shared/contract/internal.ts';
import { recordingLifecycle, type RecordingEvent, type RecordingState } from '#shared/domain/lifecycle.ts';
import { equalBytes } from '#shared/media/bytes.ts';
import { initSegment } from '#shared/media/fmp4.ts';
import { Backlog } from './backlog.ts';
import { RecordingFolder } from './folder.ts';
import type { RecordingFile } from './format.ts';
import { LiveEdge, type Part, type RowPlan } from './live-edge.ts';
import { PART_FILE, segmentFile, type InitConfig, type Row, type Timeline } from './timeline.ts';

/** The live window, and one row more for viewers that are about to ask for the oldest. */
const ROWS_IN_MEMORY = 8;
/** For so long the end of a broadcast waits for a disk that takes nothing now, in ms. */
const END_PATIENCE_MS = 5_000;

export interface RecordingHooks {
  changed(info: RecordingInfo): void;
  /** Nothing can be written now, or again if undefined: the broadcast goes on, and recording by itself. */
  troubled(error: Error | undefined): void;
  /** The media of so many rows are lost. */
  lost?(rows: number): void;
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
  readonly #folder: RecordingFolder;
  readonly #initBytes = new Map<number, Uint8Array>();
  /** Files of the newest rows and of those that are not written yet, in fragments. */
  readonly #memory = new Map<string, { n: number; parts: Uint8Array[] }>();
  #final: Promise<void> | undefined;

  /** `backlog` is what all recordings of a gateway may keep in memory that the disk did not take yet. */
  constructor(dir: string, file: RecordingFile, timeline: Timeline, backlog = new Backlog()) {
    this.dir = dir;
    this.#file = file;
    this.timeline = timeline;
    this.edge = new LiveEdge(timeline);
    for (const [init, config] of timeline.inits) this.#initBytes.set(init, initSegment(config));
    this.#folder = new RecordingFolder(
      {
        dir,
        timeline,
        file: () => this.file,
        partsOf: (name) => this.#memory.get(name)?.parts,
        inits: this.#initBytes,
        troubled: (error) => this.#troubled(error),
        settled: () => this.#forget(),
        lost: (rows) => this.#hooks?.lost?.(rows.length),
      },
      backlog,
    );
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

  /** Makes the folder, for a recording that is new. */
  create(): void {
    this.#folder.create();
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
    this.#folder.writeInit(init, bytes);
    return init;
  }

  /** Begins a segment. */
  open(n: number, label: string, init: number, epochMs: number): void {
    if (this.#file.state === 'armed') {
      this.#move('media');
      if (this.#folder.trouble !== undefined) this.#move('pause');
    }
    const name = segmentFile(n, label);
    this.#memory.set(name, { n, parts: [] });
    this.edge.begin(n, label, init);
    this.#folder.openSegment(name, { n, label, init, epochMs });
  }

  /** Adds a fragment to a segment that was opened: its next part. */
  append(n: number, label: string, fragment: Uint8Array, part: Part): void {
    const name = segmentFile(n, label);
    const parts = this.#memory.get(name)?.parts ?? [];
    parts.push(fragment);
    this.edge.add(n, label, part);
    this.#folder.appendPart(name, parts.length - 1);
  }

  /** Says what the present row will be: from now on its parts are public. */
  decide(plan: RowPlan): void {
    this.edge.decide(plan);
    this.#folder.announce(plan);
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
    this.#folder.dropSegment(name);
  }

  /** Completes a row: from now on it is in the playlists. */
  commit(row: Row): void {
    this.timeline.add(row, 'waiting');
    this.edge.committed(row);
    this.#hooks?.completed?.();
    this.#folder.commit(row);
    this.#forget();
  }

  /** A file that should be on disk is not: what is gone is marked. */
  missing(): void {
    if (this.#final === undefined) this.#folder.lookOver();
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

  /**
   * Ends the recording and resolves when it can be replayed, or after {@link END_PATIENCE_MS} if the disk
   * does not take it: it is finalized as soon as it does. Twice is once. Never rejects.
   */
  async end(): Promise<void> {
    const patience = new AbortController();
    const limit = sleep(END_PATIENCE_MS, undefined, { signal: patience.signal }).catch(() => undefined);
    await Promise.race([this.finalized(), limit]);
    patience.abort();
  }

  /** Ends the recording and resolves when it is final. Never rejects. */
  finalized(): Promise<void> {
    this.#final ??= this.#end();
    return this.#final;
  }

  /** Stops writing and closes the files; the recording can be taken up again after a restart. */
  async suspend(): Promise<void> {
    this.edge.end();
    await this.#folder.close();
  }

  /** Stops writing for good, because the recording is being erased. */
  async abandon(): Promise<void> {
    this.#hooks = undefined;
    this.edge.end();
    await this.#folder.abandon();
  }

  async #end(): Promise<void> {
    this.#folder.lookOver();
    this.#file = { ...this.#file, endedAtMs: Date.now() };
    this.edge.end();
    if (this.#file.state === 'armed') {
      this.#file.reason = 'Nothing came to be recorded.';
      this.#move('fail');
    }
    if (recordingLifecycle.peek(this.#file.state, 'end') !== undefined) this.#move('end');
    await this.#folder.drained();
    if (this.#file.state !== 'finalizing') return;
    // Said only once it is on disk: what is ready after this survives everything.
    if (await this.#folder.saveLast({ ...this.file, state: 'ready' })) this.#move('finalized');
  }

  #move(event: RecordingEvent): void {
    const state: RecordingState = recordingLifecycle.next(this.#file.state, event);
    this.#file = { ...this.#file, state };
    if (state !== 'ready') this.#folder.save();
    this.#hooks?.changed(this.info);
  }

  #troubled(error: Error | undefined): void {
    if (error !== undefined && this.#file.state === 'writing') this.#move('pause');
    if (error === undefined && this.#file.state === 'paused') this.#move('resume');
    this.#hooks?.troubled(error);
  }

  /** What viewers do not need any more stays in memory until it is written. */
  #forget(): void {
    const newest = this.timeline.nextRow - 1;
    for (const [name, { n }] of this.#memory) {
      if (n <= newest - ROWS_IN_MEMORY && this.timeline.fateOf(n) !== 'waiting') this.#memory.delete(name);
    }
  }
}
