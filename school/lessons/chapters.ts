// The chapters that were marked in a class, for its replay.
import type { ReplayChapters } from '#shared/contract/rest.ts';
import type { TrimSpan } from '#shared/contract/trim.ts';
import type { Database } from '../database/database.ts';
import type { Tables } from '../database/tables.ts';

/** Keeps a chapter; one that is there already stays as it is. */
export async function keepChapter(db: Database, chapter: Tables['chapter']): Promise<void> {
  await db
    .insertInto('chapter')
    .values(chapter)
    .onConflict((conflict) => conflict.doNothing())
    .execute();
}

export async function renameChapter(
  db: Database,
  { lesson, chapter, title }: Pick<Tables['chapter'], 'lesson' | 'chapter' | 'title'>,
): Promise<void> {
  await db
    .updateTable('chapter')
    .set({ title })
    .where('lesson', '=', lesson)
    .where('chapter', '=', chapter)
    .execute();
}

export async function removeChapter(db: Database, lesson: string, chapter: string): Promise<void> {
  await db.deleteFrom('chapter').where('lesson', '=', lesson).where('chapter', '=', chapter).execute();
}

/**
 * Those of one broadcast, or of what is shown of it, in the order of time; the room lets a class have few enough for one
 * answer.
 */
export function chaptersOf(
  db: Database,
  { lesson, broadcast }: Pick<Tables['chapter'], 'lesson' | 'broadcast'>,
  shown?: TrimSpan,
): Promise<ReplayChapters['chapters']> {
  return db
    .selectFrom('chapter')
    .select(['chapter as id', 'title', 'markedAtMs'])
    .where('lesson', '=', lesson)
    .where('broadcast', '=', broadcast)
    .$if(shown !== undefined, (query) =>
      query.where('markedAtMs', '>=', shown?.fromMs ?? 0).where('markedAtMs', '<', shown?.toMs ?? 0),
    )
    .orderBy('markedAtMs')
    .orderBy('chapter')
    .execute();
}
