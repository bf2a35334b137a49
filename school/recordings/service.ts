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
import { firstPartsOf, listOfLessons, partsToPlay, partsTold } from './parts.ts';
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

/** What was told of the recordings of a class. */
interface ReplayTold {
  readonly lesson: string;
  /** In the order of time. */
  readonly parts: readonly RecordingRow[];
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
    const rows = (await listRecordings(db, filter)).map((row) => update(row, fresh));
    const lessons = [...new Set(rows.map(({ lesson }) => lesson))];
    const editions = await editionsOf(db, lessons);
    const firstParts = firstPartsOf(await this.#ofLessons(lessons, fresh));
    const recordings = await Promise.all(rows.map((row) => this.#view(row, editions, firstParts)));
    return { recordings, isCertain: fresh !== undefined };
  }

  /** Throws LecternError `not-found`. */
  async get(id: string): Promise<Recording> {
    const { row, fresh } = await this.#find(id);
    const editions = await editionsOf(this.#deps.db, [row.lesson]);
    return this.#view(row, editions, firstPartsOf(await this.#ofLessons([row.lesson], fresh)));
  }

  /** All recordings of `lessons`, but for those that the gateway has no more: they must not keep others from playing. */
  async #ofLessons(lessons: readonly string[], fresh: Fresh | undefined): Promise<RecordingRow[]> {
    const rows = lessons.length === 0 ? [] : await listOfLessons(this.#deps.db, lessons);
    return rows.filter(({ id }) => fresh?.has(id) ?? true).map((row) => update(row, fresh));
  }

  /**
   * What the replay page shows; `markOf` is what stands for the viewer in the mark over a lesson's picture.
   * Throws LecternError `not-found`, or `ticket-invalid` for a link of something else.
   */
  async replay(id: string, viewer: ReplayViewer, markOf: (lesson: string) => string): Promise<ReplayIssued> {
    const { db, links } = this.#deps;
    const { row, fresh } = await this.#find(id);
    const parts = partsToPlay(row, await this.#ofLessons([row.lesson], fresh));
    const ids = parts.map((part) => part.id);
    requireReplay(viewer, row.lesson, ids);
    const watermark = watermarkFor(await findWatching(db, row.lesson), () => markOf(row.lesson));
    const editions = await editionsOf(db, [row.lesson]);
    const firstParts = firstPartsOf(parts);
    const share = viewer.kind === 'shared' ? viewer.share : undefined;
    const view = async (one: RecordingRow) => {
      const recording = await this.#view(one, editions, firstParts, share);
      return getsFiles(viewer, watermark) ? recording : withoutFiles(recording);
    };
    const title = parts.find((part) => part.title !== null)?.title ?? null;
    return {
      title: await titleOf(db, { title, lesson: row.lesson }),
      watermark,
      hasChat: seesChat(viewer),
      mayEdit: viewer.kind === 'owner',
      recording: await view(row),
      parts: await Promise.all(parts.map(view)),
      hls: links.joined(ids, editions.get(row.lesson)?.accessEpoch ?? 0, share),
    };
  }

  /** A page of what was written in the class that was recorded, its breaks included, with refusals as of `replay`. */
  async chat(
    id: string,
    viewer: ReplayViewer,
    { after, before }: Pick<ReplayChatQuery, 'after' | 'before'>,
  ): Promise<ReplayChatPage> {
    const told = await this.#told(id, viewer);
    if (!seesChat(viewer)) return { messages: [], next: null };
    return chatPage(this.#deps.db, { ...this.#spanOf(told, viewer), after, before });
  }

  /** Leaves a message of its chat out of the replay, or no longer. Throws LecternError `not-found`. */
  async hide(id: string, message: string, hidden: boolean): Promise<void> {
    const { db, log } = this.#deps;
    const { lesson } = await this.#told(id, { kind: 'owner' });
    if (!(await hideMessage(db, lesson, message, hidden))) throw new LecternError('not-found');
    log.info({ recording: id, message, hidden }, 'message of a replay changed');
  }

  /** The chapters that were marked in it, with refusals as of `replay`. */
  async chapters(id: string, viewer: ReplayViewer): Promise<ReplayChapters> {
    return { chapters: await this.#chaptersOf(await this.#told(id, viewer)) };
  }

  /** The moments at which `q` was written, or a chapter with it begins, with refusals as of `replay`. */
  async search(id: string, viewer: ReplayViewer, q: string): Promise<ReplayFound> {
    const told = await this.#told(id, viewer);
    const chat = seesChat(viewer) ? this.#spanOf(told, viewer) : undefined;
    return searchReplay(this.#deps.db, await this.#chaptersOf(told), chat, q);
  }

  /** Those of what is shown of each part. */
  async #chaptersOf({ lesson, parts }: ReplayTold): Promise<ReplayChapters['chapters']> {
    const { db } = this.#deps;
    const all = await Promise.all(
      parts.map((part) => chaptersOf(db, { lesson, broadcast: part.id }, trimOf(part))),
    );
    return all.flat();
  }

  /** The chat from the start of the first part to the end of the last, but for what is trimmed away. */
  #spanOf({ lesson, parts }: ReplayTold, viewer: ReplayViewer): ChatSpan {
    const spans = parts.map((part) => {
      const { state, startedAtMs, durationMs, endedAtMs } = part;
      const endMs = Math.max(startedAtMs + durationMs, endedAtMs ?? 0);
      const toMs = FINAL.includes(state) ? endMs : this.#deps.now();
      const trim = trimOf(part);
      const without = trim && [
        { fromMs: startedAtMs, toMs: trim.fromMs },
        { fromMs: trim.toMs, toMs },
      ];
      return { fromMs: startedAtMs, toMs, without: without ?? [] };
    });
    return {
      lesson,
      fromMs: Math.min(...spans.map(({ fromMs }) => fromMs)),
      toMs: Math.max(...spans.map(({ toMs }) => toMs)),
      without: spans.flatMap(({ without }) => without),
      isWhole: viewer.kind === 'owner',
    };
  }

  /**
   * Sets whether a limit may delete it, what it is called, and what is shown of it. Throws LecternError `not-found`;
   * of the last, `conflict` for what is not ready or where nothing would be left, and `service-unavailable`.
   */
  async change(id: string, { trim, ...patch }: RecordingPatch): Promise<Recording> {
    const { db, clients, log } = this.#deps;
    if (trim !== undefined) {
      if (!isWatchable((await this.#find(id)).row)) throw new LecternError('conflict');
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
    const { state } = (await this.#find(id)).row;
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

  /** What was told of a replay is enough for what goes with it: the gateway need not be asked each time. */
  async #told(id: string, viewer: ReplayViewer): Promise<ReplayTold> {
    const { db } = this.#deps;
    const row = await findRecording(db, id);
    if (row === undefined) throw new LecternError('not-found');
    const { lesson } = row;
    const parts = partsTold(row, await listOfLessons(db, [lesson]));
    requireReplay(
      viewer,
      lesson,
      parts.map((part) => part.id),
    );
    return { lesson, parts };
  }

  async #find(id: string): Promise<{ row: RecordingRow; fresh: Fresh | undefined }> {
    const { db } = this.#deps;
    const row = await findRecording(db, id);
    const fresh = await this.#ask(row?.channel);
    const found = row ?? (await findRecording(db, id));
    if (found === undefined) throw new LecternError('not-found');
    const info = fresh?.get(found.id);
    // A trim that this database has not heard of: it knows what of the chat is shown.
    if (info !== undefined && updated(found, info).trim !== found.trim) await setTrim(db, info);
    return { row: update(found, fresh), fresh };
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
    firstParts: ReadonlyMap<string, string>,
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
    const firstPart = firstParts.get(id) ?? id;
    const span = trim === undefined ? null : { fromMs: trim.fromMs, toMs: trim.toMs };
    const figures = { state, startedAtMs, durationMs, bytes, trim: span };
    const still = isWatchable(row) ? this.#deps.links.still(id, accessEpoch, trim, share) : null;
    return { id, lesson, firstPart, title, ...figures, kept, ...fate, files, replay: page, hls, still };
  }
}

/** The recording as it is offered to those who get no files, such as people over whose picture there is a mark. */
export const withoutFiles = (recording: Recording): Recording => ({ ...recording, files: [] });

function update(row: RecordingRow, fresh: Fresh | undefined): RecordingRow {
  const info = fresh?.get(row.id);
  return info === undefined ? row : updated(row, info);
}
