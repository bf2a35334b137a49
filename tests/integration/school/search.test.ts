// From a word to the moments of a replay at which it was written.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { ServiceEvent } from '#shared/contract/internal.ts';
import { type Lesson, ReplayFound } from '#shared/contract/rest.ts';
import { codeOf, inviteIn, startTestSchool, type TestSchool } from './support.ts';

const T0 = Date.parse('2026-03-02T09:00:00Z');

describe('the search of a replay', () => {
  let school: TestSchool;
  let lesson: Lesson;
  before(async () => {
    school = await startTestSchool();
    lesson = await school.createLesson('Botany');
    const { id: room, channel } = lesson;
    const media = { broadcast: 'botany001', ms: 0 };
    const said = (id: string, text: string, afterS: number, name = 'Anna'): ServiceEvent => {
      const atMs = T0 + afterS * 1_000;
      const message = { id, peerId: 'peer-anna-1', name, role: 'student', text, sentAtMs: atMs } as const;
      return { type: 'chat:posted', atMs, room, media, message };
    };
    const chapter = { id: 'chapter1', title: 'Leaves and light', markedAtMs: T0 + 30_000 };
    const info = { id: 'botany001', lesson: room, channel, state: 'ready', bytes: 1 } as const;
    const events: ServiceEvent[] = [
      { type: 'recording:changed', atMs: T0, recording: { ...info, startedAtMs: T0, durationMs: 600_000 } },
      { type: 'chapter:marked', atMs: T0, room, media, chapter },
      said('m1', 'Why are LEAVES green?', 10),
      said('m2', '光合作用是什么？', 20, '小明'),
      said('m3', '100 % of them?', 40),
      said('m4', 'Green leaves again', 50, 'Ada'),
      said('m5', 'leaves, after the class', 3_600),
    ];
    assert.equal(await school.deliver('sfu-1', 1, events), 200);
    const many = Array.from({ length: 120 }, (_, index) =>
      said(`x${index}`, `a question ${index}`, 60 + index),
    );
    assert.equal(await school.deliver('sfu-1', 8, many), 200);
  });
  after(() => school.close());

  const ask = (q: string, link = lesson.links.watch) =>
    school.call('POST', '/recordings/botany001/search', { invite: inviteIn(link), q });
  const foundIn = async (q: string) => {
    const { found, hasMore } = ReplayFound.parse((await ask(q)).body);
    return { ids: found.map(({ id }) => id), hasMore };
  };

  it('finds what has all of the words, in messages, names and chapters, in the order of time', async () => {
    assert.deepEqual(await foundIn('leaves'), { ids: ['m1', 'chapter1', 'm4'], hasMore: false });
    assert.deepEqual((await foundIn('green LEAVES')).ids, ['m1', 'm4']);
    assert.deepEqual((await foundIn('ada')).ids, ['m4'], 'by who wrote it');
    assert.deepEqual((await foundIn('光合')).ids, ['m2']);
    assert.deepEqual((await foundIn('% 100')).ids, ['m3'], 'a sign stands for itself');
    assert.deepEqual(await foundIn('moss'), { ids: [], hasMore: false });
  });

  it('gives the first fifty of many, from all pages of the chat', async () => {
    const many = await foundIn('question');
    assert.deepEqual([many.ids.length, many.ids[0], many.hasMore], [50, 'x0', true]);
    assert.deepEqual((await foundIn('question 119')).ids, ['x119']);
  });

  it('is for who may watch the replay', async () => {
    const other = await school.createLesson('Another');
    assert.equal(codeOf(await ask('leaves', other.links.watch)), 'ticket-invalid');
    assert.equal((await school.call('POST', '/recordings/botany001/search', { q: 'leaves' })).status, 401);
    for (const q of ['', '   ', 'x'.repeat(201), 7]) {
      const answer = await school.owner('POST', '/recordings/botany001/search', { q });
      assert.equal(codeOf(answer), 'bad-request', JSON.stringify(q));
    }
    assert.equal(codeOf(await school.owner('POST', '/recordings/nothing01/search', { q: 'a' })), 'not-found');
  });
});
