// Where a part of a class begins: marked while it is on air, shown by its replay.
import { z } from 'zod';
import { ChapterId, writtenLine } from '../ids.ts';
import { Nothing, type FeatureSpec } from './feature.ts';

/** The longest title, in characters. */
export const MAX_CHAPTER_TITLE = 100;
export const ChapterTitle = writtenLine(MAX_CHAPTER_TITLE);
/** How many a class has at a time: everyone who comes is given all of them. */
export const MAX_CHAPTERS = 100;

export const Chapter = z.object({
  id: ChapterId,
  /** Null for one that is known by its number. */
  title: z.string().nullable(),
  /** In ms since 1970: a replay finds its place by it, as that of a chat message. */
  markedAtMs: z.number(),
});
export type Chapter = z.infer<typeof Chapter>;

const permission = 'chapter:mark';
const Title = ChapterTitle.nullable();
export const ChapterMark = z.object({ title: Title });

export const chapters = {
  name: 'chapters',
  permissions: { 'chapter:mark': { roles: ['teacher', 'assistant'], grantable: false } },
  requests: {
    /** Marks the present moment. Only on air: nothing else is replayed. */
    'chapter:mark': { in: ChapterMark, out: z.object({ chapter: Chapter }), permission },
    'chapter:rename': { in: z.object({ chapterId: ChapterId, title: Title }), out: Nothing, permission },
    'chapter:remove': { in: z.object({ chapterId: ChapterId }), out: Nothing, permission },
  },
  facts: {
    'chapter:marked': Chapter,
    'chapter:renamed': z.object({ chapterId: ChapterId, title: Chapter.shape.title }),
    'chapter:removed': z.object({ chapterId: ChapterId }),
  },
  events: {
    'chapter:marked': z.object({ chapter: Chapter }),
    'chapter:renamed': z.object({ chapterId: ChapterId, title: Chapter.shape.title }),
    'chapter:removed': z.object({ chapterId: ChapterId }),
  },
  /** In the order of time. */
  snapshot: { chapters: z.array(Chapter).default([]) },
} as const satisfies FeatureSpec;
