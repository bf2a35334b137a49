// Lessons: made, renamed, ended, deleted; and what an invitation to one is worth.
import { LecternError } from '#shared/contract/errors.ts';
import { makeId } from '#shared/contract/ids.ts';
import type { SfuClient } from '#shared/contract/internal-api.ts';
import type {
  Attendance,
  Lesson,
  LessonPatch,
  RecordingAction,
  RecordingDone,
  TicketIssued,
} from '#shared/contract/rest.ts';
import {
  inviteId,
  inviteOf,
  LINK_OF,
  parseInvite,
  type Invite,
  type Ticket,
} from '#shared/contract/tickets.ts';
import { ROLE_PERMISSIONS } from '#shared/domain/permissions.ts';
import type { Split } from '#shared/contract/split.ts';
import type { RecordingMode } from '#shared/domain/recording.ts';
import type { Role } from '#shared/domain/roles.ts';
import type { Log } from '#server/log.ts';
import { changeSettings } from '../access/store.ts';
import type { Database } from '../database/database.ts';
import { forgetErased } from '../database/engine.ts';
import type { Job } from '../jobs/job.ts';
import type { Jobs } from '../jobs/jobs.ts';
import { newPeerId, type Tokens } from '../people/tokens.ts';
import { listReplays, trimOf } from '../recordings/store.ts';
import { listAttendance, noteDeparture, teachersOf } from './attendance.ts';
import type { Links } from './links.ts';
import {
  deleteLesson,
  findLesson,
  folded,
  insertLesson,
  linkVersionsOf,
  listLessons,
  moveLesson,
  type LessonRow,
} from './store.ts';
import { findWatching, setWatermark, type Watching } from './watching.ts';

export interface LessonDeps {
  db: Database;
  jobs: Jobs;
  links: Links;
  tokens: Tokens;
  sfu: SfuClient;
  log: Log;
  /** The time in ms since 1970. */
  now: () => number;
  /** Of new lessons. */
  recordingMode: RecordingMode;
  split: Split;
}

/** What each action of the API comes to. */
const CHOICE_OF = { start: 'on', resume: 'on', pause: 'paused', stop: 'off' } as const;

const random = (bytes: Uint8Array<ArrayBuffer>) => crypto.getRandomValues(bytes);

/** All methods that take an id throw LecternError `not-found` if there is no such lesson. */
export class Lessons {
  readonly #deps: LessonDeps;

  constructor(deps: LessonDeps) {
    this.#deps = deps;
  }

  async create(title: string, recording?: RecordingMode): Promise<Lesson> {
    const { db, jobs, log, now, recordingMode, split } = this.#deps;
    const { lesson, job } = await db.transaction().execute(async (transaction) => {
      const row = await insertLesson(transaction, {
        id: makeId(random),
        title,
        channel: makeId(random),
        state: 'scheduled',
        createdAtMs: now(),
        recordingMode: recording ?? recordingMode,
        ...split,
      });
      return {
        lesson: row,
        job: await jobs.add(transaction, { type: 'push-settings', lesson: row.id }),
      };
    });
    log.info({ lesson: lesson.id }, 'lesson created');
    void jobs.runOne(job);
    return this.#view(lesson);
  }

  async get(id: string): Promise<Lesson> {
    return this.#view(await this.find(id));
  }

  /** Newest first, those whose title has all words of `search`; `beforeMs` continues after the lesson of that time. */
  async list(limit: number, beforeMs?: number, search?: string): Promise<Lesson[]> {
    return this.#views(await listLessons(this.#deps.db, limit, beforeMs, search));
  }

  /**
   * Sets the title, whether broadcasts are recorded and how their files are cut, and whether students are asked for
   * their consent. What is on air follows at once; who is in already is not asked.
   */
  async change(
    id: string,
    { title, recording, asksConsent, splitMs, splitBytes }: LessonPatch,
  ): Promise<Lesson> {
    const { db, jobs, now } = this.#deps;
    const change = {
      ...(title !== undefined && { title, titleFolded: folded(title) }),
      ...(recording !== undefined && { recordingMode: recording }),
      ...(splitMs !== undefined && { splitMs }),
      ...(splitBytes !== undefined && { splitBytes }),
      ...(asksConsent !== undefined && { asksConsent: asksConsent ? (1 as const) : (0 as const) }),
    };
    const { row, added } = await db.transaction().execute(async (transaction) => {
      const changed = await changeSettings(transaction, id, change, now());
      if (changed === undefined) throw new LecternError('not-found');
      const told: Job[] = [{ type: 'push-settings', lesson: id }];
      // The room has to know of it before the next student comes with an older ticket.
      if (asksConsent !== undefined) told.push({ type: 'push-room', lesson: id });
      const jobIds: number[] = [];
      for (const job of told) jobIds.push(await jobs.add(transaction, job));
      return { row: changed, added: jobIds };
    });
    for (const job of added) void jobs.runOne(job);
    return this.#view(row);
  }

  /**
   * Chooses whether what is on air is recorded from now on, or marks a chapter of it. Throws LecternError `not-live`
   * while nothing is on air, `conflict` where the lesson says that it always is recorded or there are as many
   * chapters as may be, or `service-unavailable`.
   */
  async record(id: string, wanted: RecordingAction): Promise<RecordingDone> {
    const { sfu } = this.#deps;
    await this.find(id);
    const params = { room: id };
    if (wanted.action === 'chapter') {
      return { chapter: await sfu.markChapter({ params, body: { title: wanted.title } }) };
    }
    const { action, splitMs, splitBytes } = wanted;
    const choice = CHOICE_OF[action];
    await sfu.chooseRecording({ params, body: { choice } });
    if (splitMs !== undefined || splitBytes !== undefined) await this.change(id, { splitMs, splitBytes });
    return { recording: choice };
  }

  /**
   * Ends the class for everyone. Resolves once the other services were told, or, where one cannot be
   * reached now, once it is sure that they will be. Ending it again changes nothing.
   */
  async end(id: string): Promise<Lesson> {
    const { db, jobs, log, now } = this.#deps;
    const { channel } = await this.find(id);
    const ended = await db.transaction().execute(async (transaction) => {
      if ((await moveLesson(transaction, id, 'end')) === undefined) return false;
      await noteDeparture(transaction, id, now());
      await changeSettings(transaction, id, {}, now());
      await jobs.add(transaction, { type: 'end-lesson', lesson: id, channel });
      await jobs.add(transaction, { type: 'push-settings', lesson: id });
      return true;
    });
    if (ended) {
      log.info({ lesson: id }, 'lesson ended');
      await jobs.run();
    }
    return this.get(id);
  }

  /**
   * Deletes the lesson with all that was recorded and written in it. It is gone for everyone at once;
   * what a service cannot erase now, it erases later.
   */
  async delete(id: string): Promise<void> {
    const { db, jobs, log } = this.#deps;
    const { channel } = await this.find(id);
    await db.transaction().execute(async (transaction) => {
      await deleteLesson(transaction, id);
      await jobs.add(transaction, { type: 'erase-lesson', lesson: id, channel });
    });
    await forgetErased(db);
    log.info({ lesson: id }, 'lesson deleted');
    await jobs.run();
  }

  /** What its audience is told besides the addresses. */
  async watching(id: string): Promise<Watching> {
    await this.find(id);
    return findWatching(this.#deps.db, id);
  }

  /** The names of those who teach it and are in the room. */
  teachers(id: string): Promise<string[]> {
    return teachersOf(this.#deps.db, id);
  }

  /** Sets the text over the picture, or null for none; viewers have it within a minute. */
  async setWatermark(id: string, text: string | null): Promise<void> {
    await this.find(id);
    await setWatermark(this.#deps.db, id, text);
  }

  /** A page of `limit` at most, after the place that the `next` of another page names. */
  async attendance(
    id: string,
    limit: number,
    after?: string,
  ): Promise<{ people: Attendance; next: string | null }> {
    await this.find(id);
    return listAttendance(this.#deps.db, id, limit, after);
  }

  /**
   * A ticket for the lesson's room; without `invite` it is the owner's, as teacher. With an earlier ticket of
   * the same room its holder stays the same person, and may show a link that was replaced meanwhile: the room
   * knows who is still inside.
   * Throws LecternError `forbidden` for the audience, `room-closed` after the class, and `link-replaced`.
   */
  async admit(id: string, invite: Invite | null, earlier?: string): Promise<TicketIssued> {
    const { links, tokens } = this.#deps;
    const role = invite?.role ?? 'teacher';
    if (role === 'audience') {
      throw new LecternError('forbidden', 'This link is for watching; open the watch page.');
    }
    const lesson = await this.find(id);
    if (lesson.state === 'ended') throw new LecternError('room-closed');
    const { channel, title, state } = lesson;
    const before = await this.#readEarlier(id, earlier);
    const ticket = await tokens.ticket({
      sub: before?.sub ?? newPeerId(),
      room: id,
      channel,
      title,
      recording: lesson.recordingMode,
      asksConsent: lesson.asksConsent === 1 && (role === 'student' || role === 'auditor'),
      role,
      permissions: [...ROLE_PERMISSIONS[role]],
      invite: editionOf(lesson, role, invite?.version, before),
    });
    const handsOut = role === 'teacher' || role === 'assistant';
    const { student, watch } = await links.ofLesson(id, linkVersionsOf(lesson));
    const publish = role === 'teacher' ? links.publish(id, channel, lesson.publishVersion).webcodecs : null;
    return {
      ticket,
      role,
      lesson: { id, title, state },
      links: handsOut ? { student, watch } : null,
      publish,
    };
  }

  /** Whose `earlier` is, if it is a good ticket of this lesson's room: its holder is no new person. */
  async holderOf(id: string, earlier: string | undefined): Promise<string | undefined> {
    return (await this.#readEarlier(id, earlier))?.sub;
  }

  async find(id: string): Promise<LessonRow> {
    const row = await findLesson(this.#deps.db, id);
    if (row === undefined) throw new LecternError('not-found');
    return row;
  }

  /** An earlier ticket; undefined if it is for another room or not good any more. */
  async #readEarlier(room: string, earlier: string | undefined): Promise<Ticket | undefined> {
    if (earlier === undefined) return undefined;
    try {
      const ticket = await this.#deps.tokens.readTicket(earlier);
      return ticket.room === room ? ticket : undefined;
    } catch {
      return undefined;
    }
  }

  async #view(row: LessonRow): Promise<Lesson> {
    const [lesson] = await this.#views([row]);
    if (lesson === undefined) throw new LecternError('not-found');
    return lesson;
  }

  async #views(rows: readonly LessonRow[]): Promise<Lesson[]> {
    const { db, links } = this.#deps;
    const replays = await listReplays(
      db,
      rows.map(({ id }) => id),
    );
    return Promise.all(
      rows.map(async (row) => {
        const { id, title, channel, state, createdAtMs, accessEpoch, publishVersion } = row;
        const { state: replay = 'none', newest = null } = replays.get(id) ?? {};
        return {
          id,
          title,
          channel,
          state,
          createdAtMs,
          recording: row.recordingMode,
          asksConsent: row.asksConsent === 1,
          splitMs: row.splitMs,
          splitBytes: row.splitBytes,
          replay,
          still: newest === null ? null : links.still(newest.id, accessEpoch, trimOf(newest)),
          links: await links.ofLesson(id, linkVersionsOf(row)),
          play: links.play(channel, accessEpoch),
          publish: state === 'ended' ? null : links.publish(id, channel, publishVersion),
        };
      }),
    );
  }
}

/**
 * The edition of the link that a ticket is for: that of `version`, or of the earlier ticket if it is newer;
 * without a version the one that is good now. Throws LecternError `link-replaced` for a newcomer by a link
 * that was replaced.
 */
function editionOf(
  lesson: LessonRow,
  role: Role,
  version: number | undefined,
  before: Ticket | undefined,
): string {
  const link = LINK_OF[role];
  const current = linkVersionsOf(lesson)[link];
  if (version === undefined || version >= current) return inviteId(role, current);
  const earlier = before === undefined ? undefined : parseInvite(inviteOf(before));
  if (earlier?.link !== link) throw new LecternError('link-replaced');
  return inviteId(role, Math.min(current, Math.max(version, earlier.version)));
}
