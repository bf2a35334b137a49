// One recording that is being written, and at the same time the segments of the broadcast on air: the
// newest are kept in memory, so that live viewers never wait for the disk, and go on while it takes nothing.
import { setTimeout as sleep } from 'node:timers/promises';
import type { RecordingInfo } from '#shared/contract/internal.ts';
import { NO_SPLIT, type Split } from '#shared/contract/split.ts';
import { recordingLifecycle, type RecordingEvent, type RecordingState } from '#shared/domain/lifecycle.ts';
import { expected } from '#shared/expected.ts';
import { equalBytes } from '#shared/media/bytes.ts';
import { initSegment } from '#shared/media/fmp4.ts';
import { Backlog } from './backlog.ts';
import { RecordingFolder } from './folder.ts';
import { piecesOf } from './pieces.ts';
import type { RecordingFile } from './format.ts';
import { LiveEdge, type Part, type RowPlan } from '../hls/live-edge.ts';
import type { RenditionId } from '../hls/rendition-id.ts';
import {
  entriesOf,
  parseInitFile,
  parsePartFile,
  segmentFile,
  type InitConfig,
  type Row,
  type SegmentTimeline,
} from './segment-timeline.ts';

/** The live window, and one row more for viewers that are about to ask for the oldest. */
const ROWS_IN_MEMORY = 8;
/** So many turns of the recording are known: more do not fit into what is on its way. */
const MAX_TURNS = 8;
/** A pause is heard this much later than it was pressed at most, in µs: the gateway did not hear of anything meanwhile. */
const LATE_US = 10_000_000;
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

export interface SegmentLogOptions {
  /** What all recordings of a gateway may keep in memory that the disk did not take yet. */
  readonly backlog?: Backlog;
  /** How its files are cut; asked at its end. */
  readonly split?: () => Split;
}

export class SegmentLog {
  readonly dir: string;
  readonly timeline: SegmentTimeline;
  /** The parts of the newest rows, and who waits for the next. */
  readonly edge: LiveEdge;
  #file: RecordingFile;
  #hooks: RecordingHooks | undefined;
  readonly #folder: RecordingFolder;
  readonly #split: () => Split;
  readonly #initBytes = new Map<number, Uint8Array>();
  /** Files of the newest rows and of those that are not written yet, in fragments. */
  readonly #memory = new Map<string, { n: number; parts: Uint8Array[] }>();
  /** From when on it is wanted or not, in ms since 1970, the newest last: what was drawn before may still come. */
  #wanted: readonly { readonly isOn: boolean; readonly sinceMs: number }[] = [
    { isOn: true, sinceMs: -Infinity },
  ];
  /** When each row that is not complete begins, in ms since 1970; and which of them are not recorded. */
  readonly #begun = new Map<number, number>();
  readonly #unrecorded = new Set<number>();
  #final: Promise<void> | undefined;
  #kept: { readonly version: number; readonly done: Promise<void> } | undefined;

  constructor(
    dir: string,
    file: RecordingFile,
    timeline: SegmentTimeline,
    { backlog = new Backlog(), split = () => NO_SPLIT }: SegmentLogOptions = {},
  ) {
    this.dir = dir;
    this.#split = split;
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
    const { id, lesson, channel, state, startedAtMs, pieces } = this.#file;
    const { durationMs, bytes } = this.timeline;
    return { id, lesson, channel, state, startedAtMs, durationMs, bytes, ...(pieces && { pieces }) };
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

  /**
   * States whether what comes at `sinceMs` or later, in ms since 1970, is to be recorded. Returns true if that is news.
   */
  record(isOn: boolean, sinceMs: number): boolean {
    if (isOn === this.#isWantedNow) return false;
    const isPressed = sinceMs > Math.max(0, this.#wanted.at(-1)?.sinceMs ?? 0);
    const before = this.#wanted.filter((one) => one.sinceMs < sinceMs).slice(1 - MAX_TURNS);
    this.#wanted = [...before, { isOn, sinceMs }];
    // It may be heard late.
    for (const [n, wallMs] of this.#begun) if (!this.isWanted(wallMs)) this.#leaveOut(n);
    // Where nobody pressed anything since the last turn, what was recorded by then stays.
    if (!isOn && isPressed) this.#takeBack(sinceMs);
    const { state } = this.#file;
    if (!isOn && state === 'writing') this.#move('pause');
    if (isOn && state === 'paused' && this.#folder.trouble === undefined) this.#move('resume');
    return true;
  }

  /** True if a row that is not complete is to be recorded, or nothing is at present. */
  isRecorded(n: number): boolean {
    return !this.#unrecorded.has(n);
  }

  /** True if what comes at `wallMs`, in ms since 1970, is to be recorded. */
  isWanted(wallMs: number): boolean {
    return this.#wanted.findLast(({ sinceMs }) => sinceMs <= wallMs)?.isOn ?? false;
  }

  /** Rows behind `n` that have begun are not recorded: they hold what came after a pause began. */
  leaveOutAfter(n: number): void {
    for (const other of this.#begun.keys()) if (other > n) this.#leaveOut(other);
  }

  get #isWantedNow(): boolean {
    return this.#wanted.at(-1)?.isOn ?? false;
  }

  /** Of rows that are complete, what was shown at `sinceMs` or later goes, too. */
  #takeBack(sinceMs: number): void {
    for (const { n, segments } of this.timeline.playingSince(sinceMs, LATE_US)) {
      this.timeline.settle(n, 'unrecorded');
      this.#folder.takeBack(
        n,
        entriesOf(segments).map(([label]) => segmentFile(n, label)),
      );
    }
  }

  /** What is on disk of the row goes at once: it would be recovered after a crash. */
  #leaveOut(n: number): void {
    if (this.#unrecorded.has(n)) return;
    this.#unrecorded.add(n);
    for (const [name, segment] of this.#memory) if (segment.n === n) this.#folder.dropSegment(name);
  }

  /** Begins a segment; it starts at `startUs` on the timeline. */
  open(n: number, label: RenditionId, init: number, epochMs: number, startUs: number): void {
    if (!this.#begun.has(n)) {
      const wallMs = epochMs + startUs / 1_000;
      this.#begun.set(n, wallMs);
      if (!this.isWanted(wallMs)) this.#unrecorded.add(n);
    }
    const isRecorded = this.isRecorded(n);
    if (isRecorded && this.#file.state === 'armed') {
      this.#move('media');
      if (this.#folder.trouble !== undefined) this.#move('pause');
    }
    const name = segmentFile(n, label);
    this.#memory.set(name, { n, parts: [] });
    this.edge.begin(n, label, init);
    if (isRecorded) this.#folder.openSegment(name, { n, label, init, epochMs });
  }

  /** Adds a fragment to a segment that was opened: its next part. */
  append(n: number, label: RenditionId, fragment: Uint8Array, part: Part): void {
    const name = segmentFile(n, label);
    const parts = this.#memory.get(name)?.parts ?? [];
    parts.push(fragment);
    this.edge.appendPart(n, label, part);
    if (this.isRecorded(n)) this.#folder.appendPart(name, parts.length - 1);
  }

  /** Says what the present row will be: from now on its parts are public. */
  decide(plan: RowPlan): void {
    this.edge.decide(plan);
    if (this.isRecorded(plan.n)) this.#folder.announce(plan);
  }

  /** Nothing is added to a segment any more. */
  finish(n: number, label: RenditionId): void {
    this.edge.finish(n, label);
  }

  /** A segment that no rendition shows is taken back. */
  drop(n: number, label: RenditionId): void {
    const name = segmentFile(n, label);
    this.edge.drop(n, label);
    this.#memory.delete(name);
    this.#folder.dropSegment(name);
    if ([...this.#memory.values()].some((segment) => segment.n === n)) return;
    // The row begins again, at another time.
    this.#begun.delete(n);
    this.#unrecorded.delete(n);
  }

  /** Completes a row: from now on it is in the playlists. */
  commit(row: Row): void {
    const isRecorded = !this.#unrecorded.delete(row.n);
    this.#begun.delete(row.n);
    this.timeline.appendRow(row, isRecorded ? 'waiting' : 'unrecorded');
    this.edge.committed(row);
    this.#hooks?.completed?.();
    if (isRecorded) this.#folder.commit(row);
    else this.#folder.leaveOut(row);
    this.#forget();
  }

  /**
   * Resolves once what playlists name now is on disk: from then on no crash takes it back. A disk that does not keep up
   * is not waited for.
   */
  kept(): Promise<void> {
    const { version } = this.edge;
    if (this.#kept?.version !== version) this.#kept = { version, done: this.#folder.caughtUp() };
    return this.#kept.done;
  }

  /** A file that should be on disk is not: what is gone is marked. */
  missing(): void {
    if (this.#final === undefined) this.#folder.lookOver();
  }

  /** The bytes of a file that is in memory, in pieces. */
  inMemory(name: string): readonly Uint8Array[] | undefined {
    const segment = this.#memory.get(name);
    if (segment !== undefined) return segment.parts;
    const at = parsePartFile(name);
    if (at?.run === this.edge.run) {
      const part = this.#memory.get(segmentFile(at.n, at.label))?.parts[at.index];
      return part && [part];
    }
    const init = parseInitFile(name);
    const bytes = init === undefined ? undefined : this.#initBytes.get(init);
    return bytes && [bytes];
  }

  /**
   * Ends the recording and resolves when it can be replayed, or after {@link END_PATIENCE_MS} if the disk
   * does not take it: it is finalized as soon as it does. Twice is once. Never rejects.
   */
  async end(): Promise<void> {
    const patience = new AbortController();
    const limit = sleep(END_PATIENCE_MS, undefined, { signal: patience.signal }).catch(
      expected('it ended in time'),
    );
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
    if (
      this.timeline.playable.length === 0 &&
      recordingLifecycle.peek(this.#file.state, 'fail') !== undefined
    ) {
      this.#file.reason =
        this.timeline.rows.length > 0 ? 'It was not to be recorded.' : 'Nothing came to be recorded.';
      this.#move('fail');
    }
    if (recordingLifecycle.peek(this.#file.state, 'end') !== undefined) this.#move('end');
    await this.#folder.drained();
    if (this.#file.state !== 'finalizing') return;
    const pieces = piecesOf(this.timeline.playable, this.#split());
    if (pieces !== undefined) this.#file = { ...this.#file, pieces };
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
    if (error === undefined && this.#file.state === 'paused' && this.#isWantedNow) this.#move('resume');
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
