// Lessons in the database.
import { sql, type Selectable } from 'kysely';
import type { LinkVersions } from '#shared/contract/links.ts';
import { lessonLifecycle, type LessonEvent, type LessonState } from '#shared/domain/lifecycle.ts';
import type { Database } from '../database/database.ts';
import type { Tables } from '../database/tables.ts';

/** `createdAtMs` is also the cursor of the list: no two lessons have the same. */
export type LessonRow = Selectable<Tables['lesson']>;

/** Adds a lesson within the caller's transaction; `createdAtMs` is moved on if another lesson has it. */
export async function insertLesson(
  transaction: Database,
  lesson: Pick<
    LessonRow,
    'id' | 'title' | 'channel' | 'state' | 'createdAtMs' | 'recordingMode' | 'splitMs' | 'splitBytes'
  >,
): Promise<LessonRow> {
  const newest = await transaction
    .selectFrom('lesson')
    .select(({ fn }) => fn.max('createdAtMs').as('atMs'))
    .executeTakeFirst();
  const createdAtMs = Math.max(lesson.createdAtMs, (newest?.atMs ?? 0) + 1);
  return transaction
    .insertInto('lesson')
    .values({
      ...lesson,
      titleFolded: folded(lesson.title),
      createdAtMs,
      settingsVersion: createdAtMs,
      publishVersion: 0,
      accessEpoch: 0,
      teacherLink: 0,
      assistantLink: 0,
      studentLink: 0,
      watchLink: 0,
      access: null,
    })
    .returningAll()
    .executeTakeFirstOrThrow();
}

/** The version of each link that is good now. */
export const linkVersionsOf = ({
  teacherLink,
  assistantLink,
  studentLink,
  watchLink,
}: LessonRow): LinkVersions => ({
  teacher: teacherLink,
  assistant: assistantLink,
  student: studentLink,
  watch: watchLink,
});

/** What is the same to a reader is the same text, in any language; no engine does that by itself. */
export const folded = (text: string): string => text.normalize('NFKC').toLowerCase();

export function findLesson(db: Database, id: string): Promise<LessonRow | undefined> {
  return db.selectFrom('lesson').selectAll().where('id', '=', id).executeTakeFirst();
}

/**
 * Newest first; `beforeMs` continues a list after the lesson that was created then. `search` is words that
 * the title has, all of them, however they are written.
 */
export function listLessons(
  db: Database,
  limit: number,
  beforeMs?: number,
  search = '',
): Promise<LessonRow[]> {
  const words = folded(search).split(/\s+/).filter(Boolean);
  return db
    .selectFrom('lesson')
    .selectAll()
    .$if(words.length > 0, (query) =>
      query.where((each) =>
        each.and(
          words.map((word) => sql<boolean>`${each.ref('titleFolded')} like ${holding(word)} escape '\\'`),
        ),
      ),
    )
    .$if(beforeMs !== undefined, (query) => query.where('createdAtMs', '<', beforeMs ?? 0))
    .orderBy('createdAtMs', 'desc')
    .limit(limit)
    .execute();
}

/** The pattern of a text that has `word` in it. */
const holding = (word: string): string => `%${word.replace(/[\\%_]/g, '\\$&')}%`;

/** Deletes the lesson and all that is known of it. */
export async function deleteLesson(db: Database, id: string): Promise<void> {
  await db.deleteFrom('lesson').where('id', '=', id).execute();
}

/**
 * Moves a lesson along its lifecycle; returns its new state. Returns undefined where the move is not
 * possible: the services' events come by separate ways, so one may be out of date.
 */
export async function moveLesson(
  db: Database,
  id: string,
  event: LessonEvent,
): Promise<LessonState | undefined> {
  const lesson = await findLesson(db, id);
  const state = lesson && lessonLifecycle.peek(lesson.state, event);
  if (state === undefined) return undefined;
  await db.updateTable('lesson').set({ state }).where('id', '=', id).execute();
  return state;
}
