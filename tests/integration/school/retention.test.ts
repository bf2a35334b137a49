// Recordings go when their time is over, and the owner can keep one and sees which go next.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { ServiceEvent } from '#shared/contract/internal.ts';
import { type Lesson, Recording, ReplayIssued, RetentionView } from '#shared/contract/rest.ts';
import { eventually } from '../../support/lectern.ts';
import { codeOf, startTestSchool, type TestSchool } from './support.ts';

const DAY_MS = 86_400_000;

describe('how long recordings are kept', () => {
  let school: TestSchool;
  let lesson: Lesson;
  before(async () => {
    school = await startTestSchool({ LECTERN_RECORDINGS_MAX_DAYS: '30' });
    lesson = await school.createLesson('Kept for a month');
    const recorded = (id: string, daysAgo: number): ServiceEvent => {
      const { id: of, channel } = lesson;
      const atMs = Date.now() - daysAgo * DAY_MS;
      const info = { id, lesson: of, channel, state: 'ready', durationMs: 60_000, bytes: 1_000 } as const;
      return { type: 'recording:changed', atMs, recording: { ...info, startedAtMs: atMs - 60_000 } };
    };
    const events = [recorded('recordold', 31), recorded('recordkept', 32), recorded('recordnew', 29)];
    assert.equal(await school.deliver('gateway-1', 1, events), 200);
  });
  after(() => school.close());

  const listed = async () =>
    Recording.array().parse((await school.owner('GET', `/recordings?lesson=${lesson.id}`)).body);

  it('is shown before, and what is kept stays', async () => {
    const { goesAtMs } = (await listed()).find(({ id }) => id === 'recordnew') ?? assert.fail();
    assert.ok(Math.abs((goesAtMs ?? 0) - Date.now() - DAY_MS) < 60_000);
    const answer = await school.owner('PATCH', '/recordings/recordkept', { kept: true });
    assert.deepEqual(
      [answer.status, Recording.parse(answer.body).kept, Recording.parse(answer.body).goesAtMs],
      [200, true, null],
    );
    const named = await school.owner('PATCH', '/recordings/recordnew', { title: '  The summer ' });
    assert.equal(Recording.parse(named.body).title, 'The summer');
    const replay = await school.owner('POST', '/recordings/recordnew/playback', {});
    assert.equal(ReplayIssued.parse(replay.body).title, 'The summer');
    assert.equal(
      codeOf(await school.owner('PATCH', '/recordings/recordnew', { title: '\u200b' })),
      'bad-request',
    );
    const view = RetentionView.parse((await school.owner('GET', '/retention')).body);
    assert.deepEqual([view.maxDays, view.maxBytes], [30, null]);
    assert.deepEqual(
      view.going.map(({ recording, title }) => [recording, title]),
      [
        ['recordold', 'Kept for a month'],
        ['recordnew', 'The summer'],
      ],
    );
    const unnamed = await school.owner('PATCH', '/recordings/recordnew', { title: null });
    assert.equal(Recording.parse(unnamed.body).title, null);
    assert.equal(codeOf(await school.owner('PATCH', '/recordings/recordgone', { kept: true })), 'not-found');
    assert.equal(codeOf(await school.owner('PATCH', '/recordings/recordold', { kept: 1 })), 'bad-request');
    for (const [method, path] of [
      ['GET', '/retention'],
      ['PATCH', '/recordings/recordold'],
    ] as const) {
      assert.equal((await school.call(method, path, method === 'GET' ? undefined : {})).status, 401);
    }
  });

  it('ends with the next look, at the gateway too', async () => {
    await school.restart();
    await eventually('it is gone', async () => !(await listed()).some(({ id }) => id === 'recordold'));
    assert.deepEqual((await listed()).map(({ id }) => id).sort(), ['recordkept', 'recordnew']);
    await eventually('the gateway was told', () =>
      Promise.resolve(school.gateway.asked.includes('DELETE /internal/recordings/recordold')),
    );
    await school.owner('PATCH', '/recordings/recordkept', { kept: false });
    await school.restart();
    await eventually('it is gone as well', async () => (await listed()).length === 1);
  });
});
