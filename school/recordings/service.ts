// Recordings: what there is to watch again. The gateway knows best while it runs; what it told before
// is in the database.
import { LecternError } from '#shared/contract/errors.ts';
import type { RecordingInfo } from '#shared/contract/internal.ts';
import type {
  Recording,
  ReplayChatPage,
  ReplayChatQuery,
  ReplayIssued,
  ReplayState,
} from '#shared/contract/rest.ts';
import type { Log } from '#server/log.ts';
import { editionsOf, type Edition } from '../access/store.ts';
import type { Database } from '../database.ts';
import type { Errands } from '../errands/errands.ts';
import { chatPage } from '../lessons/chat.ts';
import type { Links } from '../lessons/links.ts';
import { findLesson } from '../lessons/store.ts';
import type { Neighbours } from '../neighbours.ts';
import {
  addMissing,
  FINAL,
  findRecording,
  isWatchable,
  listRecordings,
  markErased,
  replayOf,
  type RecordingFilter,
  type RecordingRow,
} from './store.ts';

export interface RecordingDeps {
  db: Database;
  errands: Errands;
  links: Links;
  neighbours: Neighbours;
  log: Log;
  /** The time in ms since 1970. */
  now: () => number;
}

/** What the gateway says now, by the recording's id. */
type Fresh = ReadonlyMap<string, RecordingInfo>;

export class Recordings {
  readonly #deps: RecordingDeps;

  constructor(deps: RecordingDeps) {
    this.#deps = deps;
  }

  /** Newest first. Throws LecternError `not-found` if the lesson in `filter` is not there. */
  async list(filter: RecordingFilter): Promise<Recording[]> {
    return (await this.#list(filter)).recordings;
  }

  /**
   * What the audience of a lesson can watch again: its `limit` newest recordings, and whether that is all:
   * `preparing` while another is being made ready. While the gateway, which alone knows of what it has not told
   * yet, does not answer, a replay that is not known of is, too. Throws LecternError `not-found`.
   */
  async ofAudience(lesson: string, limit: number): Promise<{ replay: ReplayState; recordings: Recording[] }> {
    const { recordings, isCertain } = await this.#list({ lesson, limit });
    const replay = replayOf(recordings);
    const isMaking =
      recordings.some(({ state }) => !FINAL.includes(state)) || (replay === 'none' && !isCertain);
    return {
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
   * What the replay page shows. `lesson` is the one that the caller was invited to, null for all.
   * Throws LecternError `not-found`, or `ticket-invalid` if the recording is of another lesson.
   */
  async replay(id: string, lesson: string | null): Promise<ReplayIssued> {
    const { db } = this.#deps;
    const row = await this.#find(id);
    if (lesson !== null && row.lesson !== lesson) throw new LecternError('ticket-invalid');
    const { title } = (await findLesson(db, row.lesson)) ?? { title: '' };
    return { title, recording: await this.#view(row, await editionsOf(db, [row.lesson])) };
  }

  /** A page of what was written while the recording was made; `lesson` and refusals as in `replay`. */
  async chat(
    id: string,
    lesson: string | null,
    { after, before }: Pick<ReplayChatQuery, 'after' | 'before'>,
  ): Promise<ReplayChatPage> {
    const { db, now } = this.#deps;
    // What was told is enough here: pages come often, and the gateway need not be asked for each.
    const row = await findRecording(db, id);
    if (row === undefined) throw new LecternError('not-found');
    if (lesson !== null && row.lesson !== lesson) throw new LecternError('ticket-invalid');
    const { startedAtMs, durationMs, endedAtMs } = row;
    const toMs = FINAL.includes(row.state) ? Math.max(startedAtMs + durationMs, endedAtMs ?? 0) : now();
    return chatPage(db, { lesson: row.lesson, fromMs: startedAtMs, toMs, after, before });
  }

  /**
   * Deletes a finished recording; it is gone for everyone at once.
   * Throws LecternError `not-found`, or `conflict` while it is being written.
   */
  async delete(id: string): Promise<void> {
    const { db, errands, log, now } = this.#deps;
    const { state } = await this.#find(id);
    if (!FINAL.includes(state)) {
      throw new LecternError('conflict', 'This recording is being written; stop the broadcast first.');
    }
    await db.transaction().execute(async (transaction) => {
      await markErased(transaction, id, now());
      await errands.add(transaction, { type: 'erase-recording', recording: id });
    });
    log.info({ recording: id }, 'recording deleted');
    await errands.run();
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
    const { db, log, neighbours, now } = this.#deps;
    try {
      const infos = await neighbours.recordings(channel);
      await addMissing(db, infos, now());
      return new Map(infos.map((info) => [info.id, info]));
    } catch (error) {
      if (!(error instanceof LecternError)) throw error;
      log.debug({ err: error }, 'the gateway does not tell its recordings');
      return undefined;
    }
  }

  async #view(row: RecordingRow, editions: ReadonlyMap<string, Edition>): Promise<Recording> {
    const { id, lesson, state, startedAtMs, durationMs, bytes } = row;
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
    return { id, lesson, state, startedAtMs, durationMs, bytes, files, replay: page, hls };
  }
}

function update(row: RecordingRow, fresh: Fresh | undefined): RecordingRow {
  const info = fresh?.get(row.id);
  if (info === undefined) return row;
  const { state, startedAtMs, durationMs, bytes } = info;
  return { ...row, state, startedAtMs, durationMs, bytes };
}
