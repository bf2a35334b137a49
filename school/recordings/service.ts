// Recordings: what there is to watch again. The gateway knows best while it runs; what it told before
// is in the database.
import { LecternError } from '#shared/contract/errors.ts';
import type { RecordingInfo } from '#shared/contract/internal.ts';
import type {
  PlaybackIssued,
  Recording,
  RecordingPatch,
  ReplayChapters,
  ReplayChatPage,
  ReplayChatQuery,
  ReplayFound,
  ReplayIssued,
} from '#shared/contract/rest.ts';
import type { Log } from '#server/log.ts';
import { editionsOf, type Edition } from '../access/store.ts';
import type { Database } from '../database/database.ts';
import type { Jobs } from '../jobs/jobs.ts';
import { chaptersOf } from '../lessons/chapters.ts';
import { chatPage } from '../lessons/chat.ts';
import type { Links } from '../lessons/links.ts';
import { findLesson } from '../lessons/store.ts';
import { findWatching, watermarkFor } from '../lessons/watching.ts';
import type { ServiceClients } from '../clients.ts';
import { fateOf, type RetentionLimits } from './retention.ts';
import { searchReplay } from './search.ts';
import {
  addMissing,
  changeRecording,
  FINAL,
  findRecording,
  isWatchable,
  listRecordings,
  markErased,
  ON_AIR,
  replayOf,
  titleOf,
  type RecordingFilter,
  type RecordingRow,
} from './store.ts';

export interface RecordingDeps {
  db: Database;
  jobs: Jobs;
  links: Links;
  clients: ServiceClients;
  log: Log;
  /** The time in ms since 1970. */
  now: () => number;
  limits: RetentionLimits;
}

/** What the gateway says now, by the recording's id. */
type Fresh = ReadonlyMap<string, RecordingInfo>;

export class Recordings {
  readonly #deps: RecordingDeps;
  /** Many pages ask at once when a class ends: those that come while a question is under way share it. */
  readonly #asking = new Map<string | undefined, Promise<RecordingInfo[]>>();

  constructor(deps: RecordingDeps) {
    this.#deps = deps;
  }

  /** Newest first. Throws LecternError `not-found` if the lesson in `filter` is not there. */
  async list(filter: RecordingFilter): Promise<Recording[]> {
    return (await this.#list(filter)).recordings;
  }

  /**
   * What the audience of a lesson can watch again: how much there is of the broadcast on air, in ms, and when it began
   * (null if there is none, or the gateway does not answer), its chapters, the lesson's `limit` newest recordings, and
   * whether that is all: `preparing` while another is being made ready. While the gateway, which alone knows of what
   * it has not told yet, does not answer, a replay that is not known of is, too. Throws LecternError `not-found`.
   */
  async ofAudience(
    lesson: string,
    limit: number,
  ): Promise<Pick<PlaybackIssued, 'seekableMs' | 'startedAtMs' | 'chapters' | 'replay' | 'recordings'>> {
    const { recordings, isCertain } = await this.#list({ lesson, limit });
    const replay = replayOf(recordings);
    const isMaking =
      recordings.some(({ state }) => !FINAL.includes(state)) || (replay === 'none' && !isCertain);
    const onAir = isCertain ? recordings.find(({ state }) => ON_AIR.includes(state)) : undefined;
    return {
      seekableMs: onAir?.durationMs ?? null,
      startedAtMs: onAir?.startedAtMs ?? null,
      chapters: onAir === undefined ? [] : await chaptersOf(this.#deps.db, lesson, onAir.id),
      replay: isMaking ? 'preparing' : replay,
      recordings: recordings.filter(isWatchable),
    };
  }

  /** `isCertain`: the gateway answered. */
  async #list(filter: RecordingFilter): Promise<{ recordings: Recording[]; isCertain: boolean }> {
    const { db } = this.#deps;
    let channel: string | undefined;
    if (filter.lesson !== undefined) {
      const lesson = await findLesson(db, filter.lesson);
      if (lesson === undefined) throw new LecternError('not-found');
      channel = lesson.channel;
    }
    const fresh = await this.#ask(channel);
    const rows = await listRecordings(db, filter);
    const editions = await editionsOf(
      db,
      rows.map(({ lesson }) => lesson),
    );
    const recordings = await Promise.all(rows.map((row) => this.#view(update(row, fresh), editions)));
    return { recordings, isCertain: fresh !== undefined };
  }

  /** Throws LecternError `not-found`. */
  async get(id: string): Promise<Recording> {
    const row = await this.#find(id);
    return this.#view(row, await editionsOf(this.#deps.db, [row.lesson]));
  }

  /**
   * What the replay page shows. `lesson` is the one that the caller was invited to, null for all; `markOf` is what
   * stands for the caller in the mark over a lesson's picture.
   * Throws LecternError `not-found`, or `ticket-invalid` if the recording is of another lesson.
   */
  async replay(id: string, lesson: string | null, markOf: (lesson: string) => string): Promise<ReplayIssued> {
    const { db } = this.#deps;
    const row = await this.#find(id);
    if (lesson !== null && row.lesson !== lesson) throw new LecternError('ticket-invalid');
    const watermark = watermarkFor(await findWatching(db, row.lesson), () => markOf(row.lesson));
    const recording = await this.#view(row, await editionsOf(db, [row.lesson]));
    return {
      title: await titleOf(db, row),
      watermark,
      recording: offeredWith(recording, lesson === null ? null : watermark),
    };
  }

  /** A page of what was written while the recording was made; `lesson` and refusals as in `replay`. */
  async chat(
    id: string,
    lesson: string | null,
    { after, before }: Pick<ReplayChatQuery, 'after' | 'before'>,
  ): Promise<ReplayChatPage> {
    const { db } = this.#deps;
    const row = await this.#told(id, lesson);
    const { fromMs, toMs } = this.#spanOf(row);
    return chatPage(db, { lesson: row.lesson, fromMs, toMs, after, before });
  }

  /** The chapters that were marked while the recording was made; `lesson` and refusals as in `replay`. */
  async chapters(id: string, lesson: string | null): Promise<ReplayChapters> {
    const row = await this.#told(id, lesson);
    return { chapters: await chaptersOf(this.#deps.db, row.lesson, id) };
  }

  /** The moments at which `q` was written, or a chapter with it begins; `lesson` and refusals as in `replay`. */
  async search(id: string, lesson: string | null, q: string): Promise<ReplayFound> {
    const row = await this.#told(id, lesson);
    return searchReplay(this.#deps.db, { lesson: row.lesson, broadcast: id, ...this.#spanOf(row) }, q);
  }

  /** The time that a recording is of, as far as it was told. */
  #spanOf({ state, startedAtMs, durationMs, endedAtMs }: RecordingRow): { fromMs: number; toMs: number } {
    const endMs = Math.max(startedAtMs + durationMs, endedAtMs ?? 0);
    return { fromMs: startedAtMs, toMs: FINAL.includes(state) ? endMs : this.#deps.now() };
  }

  /** Sets whether a limit may delete it, and what it is called. Throws LecternError `not-found`. */
  async change(id: string, patch: RecordingPatch): Promise<Recording> {
    const { db, log } = this.#deps;
    await changeRecording(db, id, patch);
    const recording = await this.get(id);
    log.info({ recording: id, ...patch }, 'recording changed');
    return recording;
  }

  /**
   * Deletes a finished recording, or does nothing if it is one `unlessKept` and somebody keeps it; it is gone for
   * everyone at once. Throws LecternError `not-found`, or `conflict` while it is being written.
   */
  async delete(id: string, { unlessKept = false } = {}): Promise<void> {
    const { db, jobs, log, now } = this.#deps;
    const { state } = await this.#find(id);
    if (!FINAL.includes(state)) {
      throw new LecternError('conflict', 'This recording is being written; stop the broadcast first.');
    }
    const isErased = await db.transaction().execute(async (transaction) => {
      const isMarked = await markErased(transaction, id, now(), { unlessKept });
      if (isMarked) await jobs.add(transaction, { type: 'erase-recording', recording: id });
      return isMarked;
    });
    if (!isErased) return;
    log.info({ recording: id }, 'recording deleted');
    await jobs.run();
  }

  /** What was told of a recording is enough for what goes with it: the gateway need not be asked each time. */
  async #told(id: string, lesson: string | null): Promise<RecordingRow> {
    const row = await findRecording(this.#deps.db, id);
    if (row === undefined) throw new LecternError('not-found');
    if (lesson !== null && row.lesson !== lesson) throw new LecternError('ticket-invalid');
    return row;
  }

  async #find(id: string): Promise<RecordingRow> {
    const { db } = this.#deps;
    const row = await findRecording(db, id);
    const fresh = await this.#ask(row?.channel);
    const found = row ?? (await findRecording(db, id));
    if (found === undefined) throw new LecternError('not-found');
    return update(found, fresh);
  }

  /** Asks the gateway for the recordings of a channel, or of all; undefined where it does not answer. */
  async #ask(channel: string | undefined): Promise<Fresh | undefined> {
    const { db, jobs, log, now } = this.#deps;
    try {
      const infos = await this.#recordingsOf(channel);
      if ((await addMissing(db, infos, now())) > 0) void jobs.run();
      return new Map(infos.map((info) => [info.id, info]));
    } catch (error) {
      if (!(error instanceof LecternError)) throw error;
      log.debug({ err: error }, 'the gateway does not tell its recordings');
      return undefined;
    }
  }

  #recordingsOf(channel: string | undefined): Promise<RecordingInfo[]> {
    let answer = this.#asking.get(channel);
    if (answer === undefined) {
      const { gateway } = this.#deps.clients;
      answer = gateway.listRecordings({ query: { channel } }).finally(() => this.#asking.delete(channel));
      this.#asking.set(channel, answer);
    }
    return answer;
  }

  async #view(row: RecordingRow, editions: ReadonlyMap<string, Edition>): Promise<Recording> {
    const { id, lesson, title, state, startedAtMs, durationMs, bytes } = row;
    const kept = row.isKept === 1;
    const fate = fateOf(row, this.#deps.limits);
    const { accessEpoch, watchLink } = editions.get(lesson) ?? { accessEpoch: 0, watchLink: 0 };
    const { page, hls, mp4, flv } = await this.#deps.links.replay(lesson, id, accessEpoch, watchLink);
    // Of a broadcast to which nothing ever came there is nothing to download.
    const files: Recording['files'] =
      bytes === 0
        ? []
        : [
            { format: 'mp4', url: mp4, durationMs, bytes },
            { format: 'flv', url: flv, durationMs, bytes },
          ];
    const figures = { state, startedAtMs, durationMs, bytes };
    const still = isWatchable(row) ? this.#deps.links.still(id, accessEpoch) : null;
    return { id, lesson, title, ...figures, kept, ...fate, files, replay: page, hls, still };
  }
}

/** The recording as it is offered to people over whose picture there is this mark: a file would have none. */
export const offeredWith = (recording: Recording, watermark: string | null): Recording =>
  watermark === null ? recording : { ...recording, files: [] };

function update(row: RecordingRow, fresh: Fresh | undefined): RecordingRow {
  const info = fresh?.get(row.id);
  if (info === undefined) return row;
  const { state, startedAtMs, durationMs, bytes } = info;
  return { ...row, state, startedAtMs, durationMs, bytes };
}
