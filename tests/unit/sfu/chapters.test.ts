// Chapters: who comes later knows them, and the school can tell of which broadcast each is.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { MAX_CHAPTERS, MAX_CHAPTER_TITLE, ChapterTitle } from '#shared/contract/features/chapters.ts';
import { ask, refuses, TestClass, type Attendee } from './class.ts';

const mark = async (day: TestClass, { peer }: Attendee, title: string | null) =>
  (await ask(day.room(), peer, 'chapter:mark', { title })).chapter;
const titles = async (day: TestClass) =>
  (await day.join('late0001', 'student')).joined.chapters.map(({ title }) => title);

describe('chapters', () => {
  test('are marked, renamed and removed before everyone, and are there for newcomers and after kill -9', async () => {
    const day = new TestClass();
    const teacher = await day.join('teacher1', 'teacher');
    const student = await day.join('student1', 'student');
    await ask(day.room(), teacher.peer, 'broadcast:start', {});
    const first = await mark(day, teacher, 'Cells');
    const second = await mark(day, teacher, null);
    const third = await mark(day, teacher, 'Leaves');
    assert.deepEqual(student.link.last('chapter:marked'), third);
    assert.ok(first.markedAtMs < second.markedAtMs);
    await ask(day.room(), teacher.peer, 'chapter:rename', { chapterId: first.id, title: 'Cells and light' });
    assert.deepEqual(student.link.last('chapter:renamed'), {
      chapterId: first.id,
      title: 'Cells and light',
    });
    await ask(day.room(), teacher.peer, 'chapter:remove', { chapterId: third.id });
    assert.deepEqual(student.link.last('chapter:removed'), { chapterId: third.id });
    // A new name does not move it.
    assert.deepEqual(await titles(day), ['Cells and light', null]);
    assert.deepEqual(await titles(new TestClass(day.events)), ['Cells and light', null]);
    const gone = { chapterId: third.id };
    await refuses('not-found', () => ask(day.room(), teacher.peer, 'chapter:remove', gone));
    await refuses('not-found', () =>
      ask(day.room(), teacher.peer, 'chapter:rename', { ...gone, title: null }),
    );
  });

  test('are marked on air alone, and each event says on which broadcast', async () => {
    const day = new TestClass();
    const teacher = await day.join('teacher1', 'teacher');
    await refuses('not-live', () => mark(day, teacher, 'Too early'));
    const runs: (string | null | undefined)[] = [];
    for (const title of ['Morning', 'Afternoon']) {
      const { broadcast } = await ask(day.room(), teacher.peer, 'broadcast:start', {});
      await mark(day, teacher, title);
      const { type, media } = day.events.all.at(-1)!;
      assert.deepEqual([type, media?.broadcast], ['chapter:marked', broadcast.id]);
      runs.push(broadcast.id);
      await ask(day.room(), teacher.peer, 'broadcast:stop', {});
    }
    assert.notEqual(runs[0], runs[1]);
    await refuses('not-live', () => mark(day, teacher, 'Too late'));
    assert.deepEqual(await titles(day), ['Morning', 'Afternoon'], 'all of the class');
  });

  test('are no more than fit, with titles of one line', async () => {
    const day = new TestClass();
    const teacher = await day.join('teacher1', 'assistant');
    await ask(day.room(), teacher.peer, 'broadcast:start', {});
    const first = await mark(day, teacher, null);
    for (let count = 1; count < MAX_CHAPTERS; count += 1) await mark(day, teacher, null);
    await refuses('conflict', () => mark(day, teacher, null));
    await ask(day.room(), teacher.peer, 'chapter:remove', { chapterId: first.id });
    await mark(day, teacher, null);
    for (const title of ['', ' \n', 'x'.repeat(MAX_CHAPTER_TITLE + 1)]) {
      assert.ok(!ChapterTitle.safeParse(title).success, JSON.stringify(title));
    }
    assert.equal(ChapterTitle.parse(' Cells\n '), 'Cells');
  });
});
