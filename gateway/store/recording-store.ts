// All recordings of this gateway. After a restart, what was being written is recovered and can be taken up
// by the same broadcast for a while; then it is finalized.
import { existsSync } from 'node:fs';
import { mkdir, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { LecternError } from '#shared/contract/errors.ts';
import { BroadcastId } from '#shared/contract/ids.ts';
import type { RecordingInfo } from '#shared/contract/internal.ts';
import { NO_SPLIT, type Split } from '#shared/contract/split.ts';
import type { TrimSpan } from '#shared/contract/trim.ts';
import { LruMap } from '#shared/lru-map.ts';
import { Serial } from '#shared/serial.ts';
import type { Log } from '#server/log.ts';
import type { BroadcastInfo } from '../channel/ports.ts';
import { Backlog } from './backlog.ts';
import { findLost, readIndex, readRecordingFile, writeRecordingFile, type RecordingFile } from './format.ts';
import { piecesOf } from './pieces.ts';
import { recoverRecording } from './recover.ts';
import { SegmentLog, type RecordingHooks } from './segment-log.ts';
import { SegmentTimeline } from './segment-timeline.ts';

/** Timelines of finished recordings that are kept for the next viewer. */
const TIMELINES_KEPT = 16;
/** How many recordings are read at a time at the start: files that are open are limited. */
const READ_AT_ONCE = 64;

export interface RecordingStoreOptions {
  readonly dir: string;
  /** How long a recording that a crash cut off waits for its broadcast. */
  readonly resumeMs: number;
  /** How the files of a channel's recordings are cut; not at all if it is left out. */
  readonly splitOf?: (channel: string) => Split;
  readonly log: Log;
  /** A recording that no broadcast holds has changed. */
  readonly onChanged: (info: RecordingInfo) => void;
  /** How much may wait in memory for a disk that takes nothing. */
  readonly backlog?: Backlog;
}

/** What there is to watch of a recording. */
export interface Replay {
  readonly info: RecordingInfo;
  readonly title: string;
  readonly dir: string;
  readonly timeline: SegmentTimeline;
  readonly isOver: boolean;
}

export class RecordingStore {
  readonly #options: RecordingStoreOptions;
  readonly #backlog: Backlog;
  /** Those that are not over, or ended in this run. */
  readonly #open = new Map<string, SegmentLog>();
  readonly #finished = new Map<string, RecordingFile>();
  readonly #timelines = new LruMap<string, Promise<SegmentTimeline>>(TIMELINES_KEPT);
  /** Two people may trim one recording: the last of them is right, on disk and in memory. */
  readonly #trims = new Serial();
  /** Finalizes a recording that nobody took up again. */
  readonly #deadlines = new Map<string, NodeJS.Timeout>();

  private constructor(options: RecordingStoreOptions) {
    this.#options = options;
    this.#backlog = options.backlog ?? new Backlog();
  }

  /** Reads what is on disk and recovers what a crash left. Damaged folders are logged and left alone. */
  static async open(options: RecordingStoreOptions): Promise<RecordingStore> {
    const store = new RecordingStore(options);
    await mkdir(options.dir, { recursive: true });
    const ids = (await readdir(options.dir)).filter((id) => BroadcastId.safeParse(id).success);
    for (let from = 0; from < ids.length; from += READ_AT_ONCE)
      await Promise.all(ids.slice(from, from + READ_AT_ONCE).map((id) => store.#loadOrLog(id)));
    return store;
  }

  /** Opens the recording of a broadcast, or takes it up where it stopped. */
  take(info: BroadcastInfo, hooks: RecordingHooks): SegmentLog {
    clearTimeout(this.#deadlines.get(info.broadcast));
    this.#deadlines.delete(info.broadcast);
    const known = this.#open.get(info.broadcast);
    if (known !== undefined) {
      known.attach(hooks);
      return known;
    }
    const file: RecordingFile = {
      id: info.broadcast,
      lesson: info.lesson,
      channel: info.channel,
      title: info.title,
      state: 'armed',
      startedAtMs: Date.now(),
      endedAtMs: null,
      durationMs: 0,
      bytes: 0,
      reason: null,
    };
    const recording = this.#segmentLog(this.#dir(info.broadcast), file, new SegmentTimeline());
    this.#open.set(info.broadcast, recording);
    recording.attach(hooks);
    recording.create();
    return recording;
  }

  /** The recording of a broadcast that is on air, ended a moment ago or may come back. */
  recording(id: string): SegmentLog | undefined {
    return this.#open.get(id);
  }

  /** The newest of a channel's recordings that are on air, ended a moment ago or may come back. */
  latest(channel: string): SegmentLog | undefined {
    return [...this.#open.values()].findLast((recording) => recording.info.channel === channel);
  }

  /** True if the broadcast has ended and cannot go on air again. */
  isOver(id: string): boolean {
    return this.#finished.has(id) || (this.#open.get(id)?.isOver ?? false);
  }

  /** What there is to watch of a recording; undefined if there is no such one. */
  async replay(id: string): Promise<Replay | undefined> {
    const open = this.#open.get(id);
    if (open !== undefined) {
      const { info, file, dir, timeline, isOver } = open;
      return { info, title: file.title, dir, timeline, isOver };
    }
    if (!this.#finished.has(id)) return undefined;
    const dir = this.#dir(id);
    let timeline = this.#timelines.get(id);
    if (timeline === undefined) {
      timeline = this.#read(id, dir);
      this.#timelines.set(id, timeline);
    }
    const there = await timeline;
    const file = this.#finished.get(id);
    return file && { info: infoOf(file), title: file.title, dir, timeline: there, isOver: true };
  }

  /** A file of a recording that should be on disk is not: what is gone is marked as lost. */
  missing(id: string): void {
    this.#timelines.delete(id);
    this.#open.get(id)?.missing();
  }

  /** The channel that a recording was made of; undefined if there is no such recording. */
  channelOf(id: string): string | undefined {
    return this.#open.get(id)?.info.channel ?? this.#finished.get(id)?.channel;
  }

  /** All recordings, or those of one channel, oldest first. */
  list(channel?: string): RecordingInfo[] {
    const all = [
      ...[...this.#finished.values()].map(infoOf),
      ...[...this.#open.values()].map((recording) => recording.info),
    ];
    return all
      .filter((info) => channel === undefined || info.channel === channel)
      .sort((a, b) => a.startedAtMs - b.startedAtMs);
  }

  /**
   * Removes a recording and its media; nothing happens if there is none. Throws LecternError
   * `disk-unavailable` while the disk is away: it would come back with it.
   */
  async erase(id: string): Promise<void> {
    const open = this.#open.get(id);
    if (open === undefined && !this.#finished.has(id)) return;
    if (!existsSync(this.#options.dir)) throw new LecternError('disk-unavailable');
    clearTimeout(this.#deadlines.get(id));
    this.#deadlines.delete(id);
    this.#open.delete(id);
    this.#finished.delete(id);
    this.#timelines.delete(id);
    await open?.abandon();
    await rm(this.#dir(id), { recursive: true, force: true });
    this.#options.log.info({ recording: id }, 'recording erased');
  }

  /**
   * Shows of a finished recording only what is wholly in this time; null: all of it again. Its media stay as they are.
   * Throws LecternError `not-found`; `conflict` while it is written or where nothing would be left of it.
   */
  trim(id: string, wanted: TrimSpan | null): Promise<RecordingInfo> {
    return this.#trims.run(async () => {
      await this.retire(id);
      const file = this.#finished.get(id);
      if (file === undefined) throw new LecternError(this.#open.has(id) ? 'conflict' : 'not-found');
      const { trim: _trim, pieces: _pieces, ...whole } = file;
      const { timeline } = await readIndex(this.#dir(id));
      await findLost(this.#dir(id), timeline);
      if (wanted !== null) timeline.trim(wanted);
      const { span, durationMs, bytes } = timeline;
      if (span === undefined) throw new LecternError('conflict', 'Nothing of the recording would be left.');
      const pieces = piecesOf(timeline.playable, this.#splitOf(file.channel));
      const next: RecordingFile = {
        ...whole,
        ...(wanted !== null && { trim: { ...span, durationMs, bytes } }),
        ...(pieces && { pieces }),
      };
      await writeRecordingFile(this.#dir(id), next);
      if (!this.#finished.has(id)) throw new LecternError('not-found');
      this.#finished.set(id, next);
      this.#timelines.set(id, Promise.resolve(timeline));
      this.#options.log.info({ recording: id, trim: next.trim }, 'recording trimmed');
      return infoOf(next);
    });
  }

  /** Removes all recordings of a channel. */
  async eraseChannel(channel: string): Promise<void> {
    for (const { id } of this.list(channel)) await this.erase(id);
  }

  /** Nobody takes up what a crash cut off of this channel: its recordings become final now. */
  conclude(channel: string): void {
    for (const [id, timer] of this.#deadlines) {
      const recording = this.#open.get(id);
      if (recording?.info.channel !== channel) continue;
      clearTimeout(timer);
      this.#conclude(id, recording);
    }
  }

  #conclude(id: string, recording: SegmentLog): void {
    this.#deadlines.delete(id);
    void recording.finalized().then(() => this.retire(id));
  }

  /** How much all recordings take on disk, in bytes. */
  get bytes(): number {
    return this.list().reduce((sum, info) => sum + info.bytes, 0);
  }

  /** Writes out what is open; broadcasts that are on air can be taken up again after a restart. */
  async close(): Promise<void> {
    for (const timer of this.#deadlines.values()) clearTimeout(timer);
    this.#deadlines.clear();
    await Promise.all([...this.#open.values()].map((recording) => recording.suspend()));
  }

  /** The last viewers of a broadcast that ended are served: from now on it lives on disk alone. */
  async retire(id: string): Promise<void> {
    const recording = this.#open.get(id);
    if (recording === undefined || !recording.isOver) return;
    await recording.finalized();
    // One that could not be finalized before the gateway closes is, when it is back.
    if (this.#open.get(id) !== recording || recording.info.state === 'finalizing') return;
    this.#open.delete(id);
    this.#finished.set(id, recording.file);
  }

  /** What a finished recording holds. Its figures follow what somebody deleted from its folder. */
  async #read(id: string, dir: string): Promise<SegmentTimeline> {
    const { timeline } = await readIndex(dir);
    const lost = await findLost(dir, timeline);
    const file = this.#finished.get(id);
    if (lost.length > 0 && file !== undefined) {
      this.#options.log.warn({ recording: id, rows: lost.length }, 'a part of a recording is gone');
      const { durationMs, bytes } = timeline;
      this.#finished.set(id, { ...file, durationMs, bytes });
    }
    if (file?.trim !== undefined) timeline.trim(file.trim);
    return timeline;
  }

  #segmentLog(dir: string, file: RecordingFile, timeline: SegmentTimeline): SegmentLog {
    return new SegmentLog(dir, file, timeline, {
      backlog: this.#backlog,
      split: () => this.#splitOf(file.channel),
    });
  }

  #splitOf(channel: string): Split {
    return this.#options.splitOf?.(channel) ?? NO_SPLIT;
  }

  #dir(id: string): string {
    return join(this.#options.dir, id);
  }

  async #loadOrLog(id: string): Promise<void> {
    await this.#load(id).catch((error: unknown) =>
      this.#options.log.error({ err: error, recording: id }, 'recording is damaged'),
    );
  }

  async #load(id: string): Promise<void> {
    const dir = this.#dir(id);
    const file = await readRecordingFile(dir);
    if (file.state === 'ready' || (file.state === 'failed' && file.endedAtMs !== null)) {
      this.#finished.set(id, file);
      return;
    }
    const timeline = await recoverRecording(dir);
    // What paused it, or an older Lectern gave up for, may be over. A crash may come before the file says
    // that media came, but not before the index does.
    const isWriting = file.state === 'armed' ? timeline.playable.length > 0 : file.state !== 'finalizing';
    const state = isWriting ? 'writing' : file.state;
    const recording = this.#segmentLog(dir, { ...file, state }, timeline);
    this.#open.set(id, recording);
    recording.attach({
      changed: this.#options.onChanged,
      troubled: (error) => {
        if (error === undefined) this.#options.log.info({ recording: id }, 'recording is written again');
        else
          this.#options.log.error({ err: error, recording: id }, 'recording cannot be written, trying again');
      },
    });
    if (recording.isOver) return this.retire(id);
    this.#deadlines.set(
      id,
      setTimeout(() => this.#conclude(id, recording), this.#options.resumeMs),
    );
  }
}

function infoOf(file: RecordingFile): RecordingInfo {
  const { title: _title, endedAtMs: _ended, reason: _reason, ...info } = file;
  return info;
}
