// Finds the moments of a replay at which something was written, or a chapter begins.
import type { ReplayChapters, ReplayFound } from '#shared/contract/rest.ts';
import type { Database } from '../database/database.ts';
import { chatPage, type ChatSpan } from '../lessons/chat.ts';
import { folded } from '../lessons/store.ts';

/** So many are shown; who wants others writes another word. */
const MAX_FOUND = 50;
/** How many pages of chat are looked through for one answer: more than a class can write. */
const MAX_PAGES = 400;

/**
 * Those of `marked` and of the messages of `chat`, if that may be looked through, that have all words of `search`, whatever their case, in the order of time. The chat is
 * read page by page, so that a long one holds nobody else up.
 */
export async function searchReplay(
  db: Database,
  marked: ReplayChapters['chapters'],
  chat: ChatSpan | undefined,
  search: string,
): Promise<ReplayFound> {
  const words = [...new Set(folded(search).split(/\s+/))].filter(Boolean);
  const has = (text: string) => {
    const written = folded(text);
    return words.every((word) => written.includes(word));
  };
  const chapters = marked
    .filter(({ title }) => title !== null && has(title))
    .map(
      ({ id, title, markedAtMs }) =>
        ({ kind: 'chapter', id, name: null, text: title ?? '', atMs: markedAtMs }) as const,
    );
  const messages: ReplayFound['found'] = [];
  let after: string | undefined;
  for (let pages = 0; chat !== undefined && pages < MAX_PAGES && messages.length <= MAX_FOUND; pages += 1) {
    const page = await chatPage(db, { ...chat, after });
    for (const { id, name, text, sentAtMs } of page.messages) {
      if (has(`${name} ${text}`)) messages.push({ kind: 'message', id, name, text, atMs: sentAtMs });
    }
    if (page.next === null) break;
    after = page.next;
  }
  const found = [...chapters, ...messages].sort((a, b) => a.atMs - b.atMs);
  return { found: found.slice(0, MAX_FOUND), hasMore: found.length > MAX_FOUND };
}
