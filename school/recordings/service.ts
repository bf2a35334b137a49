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
import { chatPage, hideMessage, type ChatSpan } from '../lessons/chat.ts';
import type { Links } from '../lessons/links.ts';
import { findLesson } from '../lessons/store.ts';
import { findWatching, watermarkFor } from '../lessons/watching.ts';
import type { ServiceClients } from '../clients.ts';
import { fateOf, type RetentionLimits } from './retention.ts';
import { searchReplay } from './search.ts';
import type { ShareRow } from './shares.ts';
import {
  addMissing,
  changeRecording,
  FINAL,
  findRecording,
  isWatchable,
  listRecordings,
  piecesOf,
  markErased,
  ON_AIR,
  replayOf,
  setTrim,
  titleOf,
  trimOf,
  updated,
  type RecordingFilter,
  type RecordingRow,
} from './store.ts';
import { getsFiles, requireReplay, seesChat, type ReplayViewer } from './viewer.ts';

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
      chapters: onAir === undefined ? [] : await chaptersOf(this.#deps.db, { lesson, broadcast: onAir.id }),
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
   * What the replay page shows; `markOf` is what stands for the viewer in the mark over a lesson's picture.
   * Throws LecternError `not-found`, or `ticket-invalid` for a link of something else.
   */
  async replay(id: string, viewer: ReplayViewer, markOf: (lesson: string) => string): Promise<ReplayIssued> {
    const { db } = this.#deps;
    const row = await this.#find(id);
    requireReplay(viewer, row);
    const watermark = watermarkFor(await findWatching(db, row.lesson), () => markOf(row.lesson));
    const share = viewer.kind === 'shared' ? viewer.share : undefined;
    const recording = await this.#view(row, await editionsOf(db, [row.lesson]), share);
    return {
      title: await titleOf(db, row),
      watermark,
      hasChat: seesChat(viewer),
      mayEdit: viewer.kind === 'owner',
      recording: getsFiles(viewer, watermark) ? recording : withoutFiles(recording),
    };
  }

  /** A page of what was written while the recording was made, with refusals as of `replay`. */
  async chat(
    id: string,
    viewer: ReplayViewer,
    { after, before }: Pick<ReplayChatQuery, 'after' | 'before'>,
  ): Promise<ReplayChatPage> {
    const row = await this.#told(id, viewer);
    if (!seesChat(viewer)) return { messages: [], next: null };
    return chatPage(this.#deps.db, { ...this.#spanOf(row, viewer), after, before });
  }

  /** Leaves a message of its chat out of the replay, or no longer. Throws LecternError `not-found`. */
  async hide(id: string, message: string, hidden: boolean): Promise<void> {
    const { db, log } = this.#deps;
    const { lesson } = await this.#told(id, { kind: 'owner' });
    if (!(await hideMessage(db, lesson, message, hidden))) throw new LecternError('not-found');
    log.info({ recording: id, message, hidden }, 'message of a replay changed');
  }

  /** The chapters that were marked while the recording was made, with refusals as of `replay`. */
  async chapters(id: string, viewer: ReplayViewer): Promise<ReplayChapters> {
    const row = await this.#told(id, viewer);
    return { chapters: await chaptersOf(this.#deps.db, { lesson: row.lesson, broadcast: id }, trimOf(row)) };
  }

  /** The moments at which `q` was written, or a chapter with it begins, with refusals as of `replay`. */
  async search(id: string, viewer: ReplayViewer, q: string): Promise<ReplayFound> {
    const row = await this.#told(id, viewer);
    const { db } = this.#deps;
    const chapters = await chaptersOf(db, { lesson: row.lesson, broadcast: id }, trimOf(row));
    return searchReplay(db, chapters, seesChat(viewer) ? this.#spanOf(row, viewer) : undefined, q);
  }

  /** The chat of the time that is shown of a recording, as far as it was told. */
  #spanOf(row: RecordingRow, viewer: ReplayViewer): ChatSpan {
    const { lesson, state, startedAtMs, durationMs, endedAtMs } = row;
    const endMs = Math.max(startedAtMs + durationMs, endedAtMs ?? 0);
    const toMs = FINAL.includes(state) ? endMs : this.#deps.now();
    const shown = trimOf(row) ?? { fromMs: startedAtMs, toMs };
    return { lesson, fromMs: shown.fromMs, toMs: shown.toMs, isWhole: viewer.kind === 'owner' };
  }

  /**
   * Sets whether a limit may delete it, what it is called, and what is shown of it. Throws LecternError `not-found`;
   * of the last, `conflict` for what is not ready or where nothing would be left, and `service-unavailable`.
   */
  async change(id: string, { trim, ...patch }: RecordingPatch): Promise<Recording> {
    const { db, clients, log } = this.#deps;
    if (trim !== undefined) {
      if (!isWatchable(await this.#find(id))) throw new LecternError('conflict');
      await setTrim(db, await clients.gateway.trimRecording({ params: { recording: id }, body: { trim } }));
    }
    await changeRecording(db, id, patch);
    const recording = await this.get(id);
    log.info({ recording: id, ...patch, ...(trim !== undefined && { trim }) }, 'recording changed');
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
  async #told(id: string, viewer: ReplayViewer): Promise<RecordingRow> {
    const row = await findRecording(this.#deps.db, id);
    if (row === undefined) throw new LecternError('not-found');
    requireReplay(viewer, row);
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

  async #view(
    row: RecordingRow,
    editions: ReadonlyMap<string, Edition>,
    share?: ShareRow,
  ): Promise<Recording> {
    const { id, lesson, title, state, startedAtMs, bytes } = row;
    const trim = trimOf(row);
    const { durationMs } = trim ?? row;
    const kept = row.isKept === 1;
    const fate = fateOf(row, this.#deps.limits);
    const { accessEpoch, watchLink } = editions.get(lesson) ?? { accessEpoch: 0, watchLink: 0 };
    const { page, hls, mp4, flv, piece } = await this.#deps.links.replay(
      lesson,
      id,
      accessEpoch,
      share ?? watchLink,
    );
    // Of a broadcast to which nothing ever came there is nothing to download.
    const whole = { piece: null, durationMs, bytes: trim?.bytes ?? bytes };
    const pieces = piecesOf(row);
    const files: Recording['files'] =
      bytes === 0
        ? []
        : [
            { format: 'mp4', url: mp4, ...whole },
            { format: 'flv', url: flv, ...whole },
            ...(['mp4', 'flv'] as const).flatMap((format) =>
              pieces.map((one, index) => ({
                format,
                piece: index + 1,
                url: piece(index + 1, format),
                durationMs: one.durationMs,
                bytes: one.bytes,
              })),
            ),
          ];
    const span = trim === undefined ? null : { fromMs: trim.fromMs, toMs: trim.toMs };
    const figures = { state, startedAtMs, durationMs, bytes, trim: span };
    const still = isWatchable(row) ? this.#deps.links.still(id, accessEpoch, trim, share) : null;
    return { id, lesson, title, ...figures, kept, ...fate, files, replay: page, hls, still };
  }
}

/** The recording as it is offered to those who get no files, such as people over whose picture there is a mark. */
export const withoutFiles = (recording: Recording): Recording => ({ ...recording, files: [] });

function update(row: RecordingRow, fresh: Fresh | undefined): RecordingRow {
  const info = fresh?.get(row.id);
  return info === undefined ? row : updated(row, info);
}
