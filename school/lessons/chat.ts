// The archive of what was written in a class, for its replay.
import type { ReplayIssued } from '#shared/contract/rest.ts';
import type { Database, Tables } from '../database.ts';

/** How many messages a replay is given at most, the first ones. */
const MAX_REPLAYED = 5_000;

/** Keeps a message; one that is there already stays as it is. */
export async function keepMessage(db: Database, message: Tables['chat']): Promise<void> {
  await db
    .insertInto('chat')
    .values(message)
    .onConflict((conflict) => conflict.doNothing())
    .execute();
}

export async function deleteMessage(db: Database, lesson: string, message: string): Promise<void> {
  await db.deleteFrom('chat').where('lesson', '=', lesson).where('message', '=', message).execute();
}

/** What was written from `fromMs` to `toMs`, in time. */
export function chatBetween(
  db: Database,
  lesson: string,
  fromMs: number,
  toMs: number,
): Promise<ReplayIssued['chat']> {
  return db
    .selectFrom('chat')
    .select(['message as id', 'name', 'role', 'text', 'sentAtMs'])
    .where('lesson', '=', lesson)
    .where('sentAtMs', '>=', fromMs)
    .where('sentAtMs', '<=', toMs)
    .orderBy('sentAtMs')
    .limit(MAX_REPLAYED)
    .execute();
}
