// Chapters of the class: marked on air, kept over a restart too. Where a mark is in the replay follows from its time,
// and of which broadcast it is from the stamp of its event.
import { LecternError } from '#shared/contract/errors.ts';
import { chapters as spec, MAX_CHAPTERS, type Chapter } from '#shared/contract/features/chapters.ts';
import { makeId } from '#shared/contract/ids.ts';
import type { Rate } from '#shared/token-bucket.ts';
import { broadcast } from './broadcast/on-air.ts';
import { feature } from './feature.ts';

/** By id, in the order of time. */
type Marked = Map<string, Chapter>;

/** Everyone sees each of these, and the school keeps it. */
const CHAPTER: Rate = { size: 20, perSecond: 0.5 };

export const chapters = feature({
  spec,
  memory: (): Marked => new Map(),
  remember(marked, event) {
    if (event.type === 'chapter:marked') marked.set(event.chapter.id, event.chapter);
    else if (event.type === 'chapter:removed') marked.delete(event.chapterId);
    else if (event.type === 'chapter:renamed') {
      const chapter = marked.get(event.chapterId);
      if (chapter !== undefined) marked.set(chapter.id, { ...chapter, title: event.title });
    }
  },
  rates: { 'chapter:mark': CHAPTER, 'chapter:rename': CHAPTER, 'chapter:remove': CHAPTER },
  open({ members, events, deps, get }, marked) {
    const requireChapter = (id: string) => {
      if (!marked.has(id)) throw new LecternError('not-found', 'There is no such chapter.');
    };
    /** Marks the present moment. Throws LecternError `not-live`, or `conflict` where there are as many as may be. */
    const mark = (title: string | null): Chapter => {
      if (get(broadcast).onAir.mediaTime === null) {
        throw new LecternError('not-live', 'Chapters are marked while the class is on air.');
      }
      if (marked.size >= MAX_CHAPTERS) {
        throw new LecternError('conflict', `A class has ${MAX_CHAPTERS} chapters at most.`);
      }
      const id = makeId((bytes) => crypto.getRandomValues(bytes));
      const chapter = { id, title, markedAtMs: deps.now() };
      events.append({ type: 'chapter:marked', chapter });
      members.notify('chapter:marked', chapter);
      return chapter;
    };
    return {
      mark,
      requests: {
        'chapter:mark': (_call, { title }) => ({ chapter: mark(title) }),
        'chapter:rename': (_call, { chapterId, title }) => {
          requireChapter(chapterId);
          events.append({ type: 'chapter:renamed', chapterId, title });
          members.notify('chapter:renamed', { chapterId, title });
          return {};
        },
        'chapter:remove': (_call, { chapterId }) => {
          requireChapter(chapterId);
          events.append({ type: 'chapter:removed', chapterId });
          members.notify('chapter:removed', { chapterId });
          return {};
        },
      },
      snapshot: () => ({ chapters: [...marked.values()] }),
    };
  },
});
