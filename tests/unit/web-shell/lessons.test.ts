import assert from 'node:assert/strict';
import { test } from 'node:test';
import './svelte-modules.ts';
import { LecternError } from '#shared/contract/errors.ts';
import type { Lesson, LessonPatch } from '#shared/contract/rest.ts';
import type { Api } from '../../../web/engine/api.ts';

const { LessonsStore } = await import('../../../web/state/lessons.svelte.ts');

/** A school with `count` lessons, the newest first, that answers when it is let. */
function school(count: number) {
  const lessons = Array.from(
    { length: count },
    (_, n) =>
      ({ id: `lesson${n}`, title: n % 2 === 0 ? 'Algebra' : 'Music', createdAtMs: count - n }) as Lesson,
  );
  const waiting: (() => void)[] = [];
  let refused: 'unauthorized' | 'service-unavailable' | undefined;
  let held = false;
  const asked: string[] = [];
  const api = {
    async lessons(limit: number, search: string, beforeMs = Infinity) {
      asked.push(search);
      if (refused !== undefined) throw new LecternError(refused);
      if (held) await new Promise<void>((resolve) => waiting.push(resolve));
      return lessons
        .filter(({ title, createdAtMs }) => title.includes(search) && createdAtMs < beforeMs)
        .slice(0, limit);
    },
    changeLesson: (id: string, patch: LessonPatch) =>
      Promise.resolve({ ...lessons.find((one) => one.id === id)!, ...patch }),
  } as unknown as Api;
  return {
    store: new LessonsStore(api),
    waiting,
    asked,
    hold: (next: boolean) => void (held = next),
    refuse: (code: typeof refused) => void (refused = code),
  };
}

const shown = ({ state }: InstanceType<typeof LessonsStore>) =>
  state.name === 'ready' ? { count: state.lessons.length, hasMore: state.hasMore } : state.name;

test('a long list is shown page by page, and a look for changes keeps what is shown', async () => {
  const { store } = school(120);
  await store.load();
  assert.deepEqual(shown(store), { count: 50, hasMore: true });
  await store.more();
  assert.deepEqual(shown(store), { count: 100, hasMore: true });
  await store.load();
  assert.deepEqual(shown(store), { count: 100, hasMore: true });
  await store.more();
  assert.deepEqual(shown(store), { count: 120, hasMore: false });
});

test('a search asks the server, and begins again at its first page', async () => {
  const { store, asked } = school(120);
  await store.load();
  await store.more();
  await store.find(' Music ');
  assert.equal(asked.at(-1), 'Music');
  assert.deepEqual(shown(store), { count: 50, hasMore: true });
  await store.find('');
  assert.deepEqual(shown(store), { count: 50, hasMore: true });
});

test('an answer to what is no longer asked is dropped', async () => {
  const { store, waiting, hold } = school(3);
  hold(true);
  const all = store.load();
  const music = store.find('Music');
  waiting[1]!();
  await music;
  assert.deepEqual(shown(store), { count: 1, hasMore: false });
  waiting[0]!();
  await all;
  assert.deepEqual(shown(store), { count: 1, hasMore: false });
});

test('a class that is renamed has its new title in its place', async () => {
  const { store } = school(3);
  await store.load();
  await store.rename('lesson1', 'Singing');
  assert.deepEqual(store.state.name === 'ready' && store.state.lessons.map(({ title }) => title), [
    'Algebra',
    'Singing',
    'Algebra',
  ]);
});

test('nothing is kept of a list whose owner is gone, nor of one that is on its way', async () => {
  const { store, waiting, hold } = school(3);
  await store.find('Music');
  hold(true);
  const late = store.load();
  store.forget();
  waiting[0]!();
  await late;
  assert.deepEqual([store.state.name, store.search], ['loading', '']);
});

test('what is shown stays while the server is away, and goes with the right to see it', async () => {
  const { store, refuse } = school(3);
  await store.load();
  refuse('service-unavailable');
  await store.load();
  assert.deepEqual(shown(store), { count: 3, hasMore: false });
  refuse('unauthorized');
  await store.load();
  assert.deepEqual(store.state, { name: 'failed', code: 'unauthorized' });
});
