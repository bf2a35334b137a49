// The archive of what was written in a class, for its replay.
import type { Insertable } from 'kysely';
import type { ReplayChatPage } from '#shared/contract/rest.ts';
import type { TrimSpan } from '#shared/contract/trim.ts';
import type { Database } from '../database/database.ts';
import type { Tables } from '../database/tables.ts';

/** A page of a replay's chat has at most so many messages, and so many bytes of text unless it is one message. */
const PAGE_MESSAGES = 100;
const PAGE_BYTES = 64 * 1_024;

/** Keeps a message; one that is there already stays as it is. */
export async function keepMessage(db: Database, message: Insertable<Tables['chat']>): Promise<void> {
  await db
    .insertInto('chat')
    .values(message)
    .onConflict((conflict) => conflict.doNothing())
    .execute();
}

export async function deleteMessage(db: Database, lesson: string, message: string): Promise<void> {
  await db.deleteFrom('chat').where('lesson', '=', lesson).where('message', '=', message).execute();
}

/** Leaves a message out of the replay, or no longer. Returns false if there is no such message. */
export async function hideMessage(
  db: Database,
  lesson: string,
  message: string,
  hidden: boolean,
): Promise<boolean> {
  const { numUpdatedRows } = await db
    .updateTable('chat')
    .set({ isHidden: hidden ? 1 : 0 })
    .where('lesson', '=', lesson)
    .where('message', '=', message)
    .executeTakeFirst();
  return numUpdatedRows > 0n;
}

export interface ChatSpan {
  lesson: string;
  /** The messages of this time, in ms since 1970, both ends included. */
  fromMs: number;
  toMs: number;
  /** Where the page begins, and to which side it goes; from the start where neither is there. */
  after?: string | undefined;
  before?: string | undefined;
  /** But for what was written in these times, their beginnings included. */
  without: readonly TrimSpan[];
  /** With what is hidden from all but the owner. */
  isWhole: boolean;
}

/** One page of what was written; `next` is where the next page to the same side begins. */
export async function chatPage(
  db: Database,
  { lesson, fromMs, toMs, after, before, without, isWhole }: ChatSpan,
): Promise<ReplayChatPage> {
  const isBack = before !== undefined;
  const order = isBack ? 'desc' : 'asc';
  const cursor = before ?? after;
  const rows = await db
    .selectFrom('chat')
    .select(['message as id', 'name', 'role', 'text', 'sentAtMs', 'isHidden'])
    .where('lesson', '=', lesson)
    .$if(!isWhole, (query) => query.where('isHidden', '=', 0))
    .where(({ and, or, eb }) =>
      and(without.map((span) => or([eb('sentAtMs', '<', span.fromMs), eb('sentAtMs', '>=', span.toMs)]))),
    )
    // The index is entered at the cursor, however much was written on the other side of it.
    .where('sentAtMs', '>=', after === undefined ? fromMs : Math.max(fromMs, Number.parseInt(after)))
    .where('sentAtMs', '<=', before === undefined ? toMs : Math.min(toMs, Number.parseInt(before)))
    .$if(cursor !== undefined, (query) => {
      const [atMs = '0', id = ''] = cursor?.split('.') ?? [];
      return query.where(({ eb, refTuple, tuple }) =>
        eb(refTuple('sentAtMs', 'message'), isBack ? '<' : '>', tuple(Number(atMs), id)),
      );
    })
    .orderBy('sentAtMs', order)
    .orderBy('message', order)
    .limit(PAGE_MESSAGES + 1)
    .execute();
  let bytes = 0;
  const fits = rows
    .slice(0, PAGE_MESSAGES)
    .filter(({ text }, index) => (bytes += Buffer.byteLength(text)) <= PAGE_BYTES || index === 0);
  const last = fits.at(-1);
  const next = last !== undefined && fits.length < rows.length ? `${last.sentAtMs}.${last.id}` : null;
  const messages = fits.map(({ isHidden, ...message }) => ({ ...message, hidden: isHidden === 1 }));
  return { messages: isBack ? messages.reverse() : messages, next };
}
