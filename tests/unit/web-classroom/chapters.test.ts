// The chapters of a class in one tab: what the room says of them, and what is asked of it.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { FeatureHost } from '../../../web/engine/feature.ts';
import { createChapters } from '../../../web/features/chapters/engine.ts';

/** The room's end: it takes down what is asked, and `tell` is what it says. */
function room() {
  const asked: unknown[] = [];
  const handlers = new Map<string, (fact: never) => void>();
  const host = {
    request: (name: string, data: object) => Promise.resolve(void asked.push([name, data])),
    on: (name: string, handle: (fact: never) => void) => void handlers.set(name, handle),
    onJoined: (handle: (joined: never) => void) => void handlers.set('joined', handle),
  };
  const chapters = createChapters(host as unknown as FeatureHost);
  const tell = (name: string, fact: unknown) => handlers.get(name)?.(fact as never);
  return { chapters, asked, tell, titles: () => chapters.marked.map(({ title }) => title) };
}

const chapter = (id: string, title: string | null) => ({ id, title, markedAtMs: 1 });

describe('the chapters of a class', () => {
  it('are those of the join, and what is marked, renamed and removed after it', () => {
    const { chapters, tell, titles } = room();
    tell('joined', { chapters: [chapter('chapter1', 'Cells')] });
    tell('chapter:marked', chapter('chapter2', null));
    tell('chapter:marked', chapter('chapter2', null));
    assert.deepEqual(titles(), ['Cells', null]);
    assert.equal(chapters.marked, chapters.marked);
    tell('chapter:renamed', { chapterId: 'chapter2', title: 'Leaves' });
    tell('chapter:renamed', { chapterId: 'chapter1', title: null });
    assert.deepEqual(titles(), [null, 'Leaves']);
    tell('chapter:removed', { chapterId: 'chapter1' });
    tell('chapter:removed', { chapterId: 'unknown1' });
    assert.deepEqual(titles(), ['Leaves']);
    tell('joined', { chapters: [] });
    assert.deepEqual(titles(), []);
  });

  it('are asked of the room, and shown once it says so', async () => {
    const { chapters, asked, titles } = room();
    await chapters.mark('Roots');
    await chapters.rename('chapter1', null);
    await chapters.remove('chapter1');
    assert.deepEqual(asked, [
      ['chapter:mark', { title: 'Roots' }],
      ['chapter:rename', { chapterId: 'chapter1', title: null }],
      ['chapter:remove', { chapterId: 'chapter1' }],
    ]);
    assert.deepEqual(titles(), []);
  });
});
