// The chapters of a class, as the school keeps them for each of its replays.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { ServiceEvent } from '#shared/contract/internal.ts';
import { type Lesson, PlaybackIssued, ReplayChapters } from '#shared/contract/rest.ts';
import { codeOf, inviteIn, startTestSchool, type TestSchool } from './support.ts';

const T0 = Date.parse('2026-03-02T09:00:00Z');
const HOUR_MS = 3_600_000;

describe('the chapters of a class', () => {
  let school: TestSchool;
  let firstId = 1;
  before(async () => {
    school = await startTestSchool();
  });
  after(() => school.close());

  const tell = async (...events: ServiceEvent[]) => {
    assert.equal(await school.deliver('sfu-1', firstId, events), 200);
    firstId += events.length;
  };
  const stamp = ({ id }: Lesson, broadcast: string) => ({
    atMs: T0,
    room: id,
    media: { broadcast, ms: 0 },
  });
  const marked = (
    lesson: Lesson,
    broadcast: string,
    id: string,
    title: string | null,
    markedAtMs: number,
  ): ServiceEvent => ({
    type: 'chapter:marked',
    ...stamp(lesson, broadcast),
    chapter: { id, title, markedAtMs },
  });
  const recorded = ({ id: lesson, channel }: Lesson, id: string, startedAtMs = T0): ServiceEvent => ({
    type: 'recording:changed',
    atMs: startedAtMs,
    recording: { id, lesson, channel, state: 'ready', startedAtMs, durationMs: 60_000, bytes: 1 },
  });
  const ask = (recording: string, link: string) =>
    school.call('POST', `/recordings/${recording}/chapters`, { invite: inviteIn(link) });
  const chaptersOf = async (recording: string, { links }: Lesson) =>
    ReplayChapters.parse((await ask(recording, links.watch)).body).chapters.map(
      ({ title, markedAtMs }) => [title, markedAtMs - T0] as const,
    );

  it('are those of the replay’s own class, by their last names, for who may watch it', async () => {
    const lesson = await school.createLesson('Cells');
    const other = await school.createLesson('Another');
    await tell(
      recorded(lesson, 'morning01'),
      recorded(lesson, 'afternoon', T0 + 5 * HOUR_MS),
      recorded(other, 'elsewhere'),
      // Marked before the first picture: it belongs to the replay all the same.
      marked(lesson, 'morning01', 'chapter0', null, T0 - 500),
      marked(lesson, 'morning01', 'chapter2', 'Leaves', T0 + 30_000),
      marked(lesson, 'morning01', 'chapter1', 'Sells', T0 + 10_000),
      marked(lesson, 'morning01', 'chapter1', 'Told twice', T0 + 11_000),
      marked(lesson, 'morning01', 'chapter3', 'By mistake', T0 + 40_000),
      marked(lesson, 'afternoon', 'chapter4', 'Roots', T0 + 90_000),
      // An id means something in its own lesson alone.
      marked(other, 'elsewhere', 'chapter3', 'Rivers', T0 + 1_000),
      {
        type: 'chapter:renamed',
        ...stamp(lesson, 'afternoon'),
        chapterId: 'chapter1',
        title: 'Cells',
      },
      { type: 'chapter:removed', ...stamp(lesson, 'afternoon'), chapterId: 'chapter3' },
    );
    assert.deepEqual(await chaptersOf('morning01', lesson), [
      [null, -500],
      ['Cells', 10_000],
      ['Leaves', 30_000],
    ]);
    assert.deepEqual(await chaptersOf('afternoon', lesson), [['Roots', 90_000]]);
    assert.deepEqual(await chaptersOf('elsewhere', other), [['Rivers', 1_000]]);

    assert.equal(codeOf(await ask('morning01', other.links.teacher)), 'ticket-invalid');
    assert.equal(codeOf(await ask('unknown01', lesson.links.teacher)), 'not-found');
    assert.equal(codeOf(await school.call('POST', '/recordings/morning01/chapters', {})), 'unauthorized');
    assert.equal((await school.owner('POST', '/recordings/morning01/chapters', {})).status, 200);
  });

  it('are told to the audience while the class is on air', async () => {
    const lesson = await school.createLesson('Live');
    const onAir = recorded(lesson, 'onair0001');
    assert.ok(onAir.type === 'recording:changed');
    const recording = { ...onAir.recording, state: 'writing' } as const;
    school.gateway.recordings = [recording];
    await tell({ ...onAir, recording }, marked(lesson, 'onair0001', 'chapter5', 'Stems', T0 + 20_000));
    await tell(marked(lesson, 'before001', 'chapter6', 'Of another broadcast', T0 - 90_000));
    const playback = async () => {
      const invite = inviteIn(lesson.links.watch);
      return PlaybackIssued.parse(
        (await school.call('POST', `/lessons/${lesson.id}/playback`, { invite })).body,
      );
    };
    const { startedAtMs, chapters } = await playback();
    assert.equal(startedAtMs, T0);
    assert.deepEqual(chapters, [{ id: 'chapter5', title: 'Stems', markedAtMs: T0 + 20_000 }]);
    school.gateway.recordings = [{ ...recording, state: 'ready' }];
    assert.deepEqual((await playback()).chapters, [], 'then they are those of the replay');
    school.gateway.recordings = [];
  });

  it('go with their lesson', async () => {
    const lesson = await school.createLesson();
    await tell(recorded(lesson, 'deleted01'), marked(lesson, 'deleted01', 'chapter9', 'Gone', T0));
    assert.equal((await chaptersOf('deleted01', lesson)).length, 1);
    assert.equal((await school.owner('DELETE', `/lessons/${lesson.id}`)).status, 204);
    const db = await school.openDatabase();
    const left = await db.selectFrom('chapter').select('title').where('lesson', '=', lesson.id).execute();
    await db.destroy();
    assert.deepEqual(left, []);
  });
});
