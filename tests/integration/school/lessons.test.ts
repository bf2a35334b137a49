// What the owner, or a script with the API key, does with lessons.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { Attendance, Lesson, PlaybackIssued, Recording, Watermark } from '#shared/contract/rest.ts';
import { checkPlayback } from '../../support/playback.ts';
import { codeOf, startTestSchool, type TestSchool } from './support.ts';

describe('lessons', () => {
  let school: TestSchool;
  before(async () => {
    school = await startTestSchool();
  });
  after(() => school.close());

  it('makes a lesson with links for people and signed addresses for players', async () => {
    const answer = await school.owner('POST', '/lessons', { title: '  Photosynthesis  ' });
    assert.equal(answer.status, 201);
    const lesson = Lesson.parse(answer.body);
    assert.equal(lesson.title, 'Photosynthesis');
    assert.equal(lesson.state, 'scheduled');
    assert.equal(answer.headers.get('location'), `/api/v1/lessons/${lesson.id}`);
    assert.match(lesson.links.teacher, /^https:\/\/class\.example\.org\/room\/[a-z0-9]+#invite=/);
    assert.match(lesson.links.watch, /^https:\/\/class\.example\.org\/watch\/[a-z0-9]+#invite=/);
    assert.match(lesson.play.wsFlv, /^wss:\/\/class\.example\.org\/live\//);
    assert.match(lesson.play.rtmp, /^rtmp:\/\/class\.example\.org:1935\/live\//);
    for (const address of Object.values(lesson.play).flat()) {
      const query = new URL(address).searchParams;
      const resource = `/live/${lesson.channel}` as const;
      assert.equal(checkPlayback(school.secrets.playback, 'play', resource, query, Date.now()), undefined);
      const expiresInS = Number(query.get('expires')) - Date.now() / 1_000;
      assert.ok(expiresInS >= 12 * 3_600 - 5, 'it is good for as long as the settings say');
    }
  });

  it('gives the same links when asked again', async () => {
    const made = await school.createLesson();
    const again = Lesson.parse((await school.owner('GET', `/lessons/${made.id}`)).body);
    assert.deepEqual(again.links, made.links);
  });

  it('records as its lesson says, and as somebody chooses while it is on air', async () => {
    const { id, recording } = await school.createLesson();
    assert.equal(recording, 'automatic', 'as the settings say');
    const manual = await school.owner('POST', '/lessons', { title: 'Quiet', recording: 'manual' });
    assert.equal(Lesson.parse(manual.body).recording, 'manual');
    const changed = await school.owner('PATCH', `/lessons/${id}`, { recording: 'always' });
    assert.deepEqual([changed.status, Lesson.parse(changed.body).recording], [200, 'always']);
    assert.equal(
      codeOf(await school.owner('PATCH', `/lessons/${id}`, { recording: 'never' })),
      'bad-request',
    );

    const path = `/lessons/${id}/recording`;
    const chosen = await school.owner('POST', path, { action: 'pause' });
    assert.deepEqual([chosen.status, chosen.body], [200, { recording: 'paused' }]);
    assert.deepEqual(school.sfu.chosen.at(-1), { room: id, choice: 'paused' });
    assert.equal(codeOf(await school.owner('POST', path, { action: 'rewind' })), 'bad-request');
    assert.equal(
      codeOf(await school.owner('POST', '/lessons/none/recording', { action: 'stop' })),
      'not-found',
    );
    assert.equal((await school.call('POST', path, { action: 'stop' })).status, 401);
  });

  it('lists them newest first, page by page', async () => {
    const made = [];
    for (const title of ['One', 'Two', 'Three', 'Four', 'Five']) made.push(await school.createLesson(title));
    const titles: string[] = [];
    let path = '/lessons?limit=2';
    for (let pages = 0; pages < 2; pages += 1) {
      const answer = await school.owner('GET', path);
      titles.push(
        ...Lesson.array()
          .parse(answer.body)
          .map(({ title }) => title),
      );
      const next = /^<\/api\/v1(.+)>; rel="next"$/.exec(answer.headers.get('link') ?? '')?.[1];
      assert.ok(next !== undefined, 'a full page says where the next one is');
      path = next;
    }
    assert.deepEqual(titles, ['Five', 'Four', 'Three', 'Two']);
  });

  it('finds those whose title has all words, in any script and case, page by page', async () => {
    for (const title of ['Élan vital I', 'Élan vital II', '高一物理：光合作用', '100% _real_', 'Физика'])
      await school.createLesson(title);
    const found = async (q: string, limit = 50) => {
      const answer = await school.owner('GET', `/lessons?limit=${limit}&q=${encodeURIComponent(q)}`);
      const next = /^<\/api\/v1(.+)>; rel="next"$/.exec(answer.headers.get('link') ?? '')?.[1];
      return {
        titles: Lesson.array()
          .parse(answer.body)
          .map(({ title }) => title),
        next,
      };
    };
    assert.deepEqual((await found('VITAL élan')).titles, ['Élan vital II', 'Élan vital I']);
    assert.deepEqual((await found('光合')).titles, ['高一物理：光合作用']);
    assert.deepEqual((await found('физика')).titles, ['Физика']);
    assert.deepEqual((await found('% _')).titles, ['100% _real_'], 'a sign stands for itself');
    assert.deepEqual((await found("'; drop table lesson; --")).titles, []);
    const first = await found('vital', 1);
    assert.deepEqual(first.titles, ['Élan vital II']);
    const second = Lesson.array().parse((await school.owner('GET', first.next ?? '')).body);
    assert.deepEqual(
      second.map(({ title }) => title),
      ['Élan vital I'],
    );
    assert.equal(codeOf(await school.owner('GET', `/lessons?q=${'x'.repeat(201)}`)), 'bad-request');
  });

  it('does not lose one of two lessons made in the same millisecond', async () => {
    const made = await Promise.all(Array.from({ length: 20 }, () => school.createLesson('At once')));
    const listed = Lesson.array().parse((await school.owner('GET', '/lessons?limit=20')).body);
    assert.deepEqual(new Set(listed.map(({ id }) => id)), new Set(made.map(({ id }) => id)));
    assert.equal(new Set(listed.map(({ createdAtMs }) => createdAtMs)).size, 20);
  });

  it('renames a lesson', async () => {
    const { id } = await school.createLesson();
    const answer = await school.owner('PATCH', `/lessons/${id}`, { title: '光合作用' });
    assert.equal(Lesson.parse(answer.body).title, '光合作用');
    assert.equal(Lesson.parse((await school.owner('GET', `/lessons/${id}`)).body).title, '光合作用');
  });

  it('ends a class in the room and on air, and once more without harm', async () => {
    const { id, channel } = await school.createLesson();
    const first = await school.owner('POST', `/lessons/${id}/end`);
    assert.equal(first.status, 200);
    assert.equal(Lesson.parse(first.body).state, 'ended');
    assert.ok(school.sfu.asked.includes(`DELETE /internal/rooms/${id}`));
    assert.ok(school.gateway.asked.includes(`DELETE /internal/channels/${channel}/broadcast`));
    const told = school.sfu.asked.length;
    const second = await school.owner('POST', `/lessons/${id}/end`);
    assert.equal(Lesson.parse(second.body).state, 'ended');
    assert.equal(school.sfu.asked.length, told);
  });

  it('deletes a lesson with its room and its media', async () => {
    const { id, channel } = await school.createLesson();
    assert.equal((await school.owner('DELETE', `/lessons/${id}`)).status, 204);
    assert.ok(school.sfu.asked.includes(`DELETE /internal/rooms/${id}`));
    assert.ok(school.gateway.asked.includes(`DELETE /internal/channels/${channel}`));
    for (const [method, path] of [
      ['GET', ''],
      ['DELETE', ''],
      ['POST', '/end'],
      ['GET', '/attendance'],
    ] as const) {
      const answer = await school.owner(method, `/lessons/${id}${path}`);
      assert.equal(codeOf(answer), 'not-found', `${method} ${path}`);
    }
    const recordings = await school.owner('GET', `/recordings?lesson=${id}`);
    assert.equal(codeOf(recordings), 'not-found');
    assert.equal(codeOf(await school.owner('GET', `/lessons/${id}/access`)), 'not-found');
  });

  it('has no attendance and no recordings before the class', async () => {
    const { id } = await school.createLesson();
    const attendance = await school.owner('GET', `/lessons/${id}/attendance`);
    assert.deepEqual(Attendance.parse(attendance.body), []);
    const recordings = await school.owner('GET', `/recordings?lesson=${id}`);
    assert.deepEqual(Recording.array().parse(recordings.body), []);
  });
});

describe('lessons that many servers carry', () => {
  it('name them all, signed alike, and the own address besides', async () => {
    const school = await startTestSchool({
      LECTERN_PLAY_ORIGINS: 'https://cdn1.example.org, http://cdn2.example.org:8080/',
    });
    try {
      const { play, channel } = await school.createLesson();
      const { search } = new URL(play.flv);
      assert.deepEqual(play.flvs, [
        `https://cdn1.example.org/live/${channel}.flv${search}`,
        `http://cdn2.example.org:8080/live/${channel}.flv${search}`,
      ]);
      assert.match(play.flv, /^https:\/\/class\.example\.org\//);
    } finally {
      await school.close();
    }
  });
});

describe('what the audience is told', () => {
  let school: TestSchool;
  before(async () => {
    school = await startTestSchool({ LECTERN_TRUSTED_PROXIES: '127.0.0.1,::1' });
  });
  after(() => school.close());

  const ask = async (lesson: Lesson, ip = '203.0.113.7') => {
    const invite = new URL(lesson.links.watch).hash.slice('#invite='.length);
    const headers = { 'x-forwarded-for': ip };
    const { body } = await school.call('POST', `/lessons/${lesson.id}/playback`, { invite }, headers);
    return PlaybackIssued.parse(body);
  };

  it('has the mark that the owner set, with the name of who watches', async () => {
    const lesson = await school.createLesson();
    assert.equal((await ask(lesson)).watermark, null);
    const path = `/lessons/${lesson.id}/watermark`;
    assert.equal((await school.owner('PUT', path, { text: 'Springfield {viewer}' })).status, 200);
    const { watermark } = await ask(lesson);
    assert.match(watermark ?? '', /^Springfield [0-9A-F]{8}$/);
    assert.equal((await ask(lesson)).watermark, watermark);
    assert.notEqual((await ask(lesson, '203.0.113.8')).watermark, watermark);
    const { body } = await school.owner('GET', `${path}?ip=203.0.113.7`);
    const told = Watermark.parse(body);
    assert.equal(told.text?.replace('{viewer}', told.viewer ?? ''), watermark);
    await school.owner('PUT', path, { text: null });
    assert.equal((await ask(lesson)).watermark, null);
    assert.equal((await school.call('PUT', path, { text: 'me' })).status, 401);
    assert.equal((await school.owner('PUT', path, { text: 'x'.repeat(61) })).status, 400);
    assert.equal((await school.owner('PUT', '/lessons/zzzzzzzzzzzz/watermark', { text: null })).status, 404);
  });

  it('says whether the teacher’s picture is there', async () => {
    const lesson = await school.createLesson();
    assert.equal((await ask(lesson)).onAir, null);
    const { id, channel } = lesson;
    const broadcast = 'broadcast234';
    let next = 1;
    const change = (state: 'starting' | 'live' | 'interrupted' | 'ended') =>
      school.deliver('gateway', next++, [
        { type: 'broadcast:changed', atMs: next, lesson: id, channel, broadcast, state },
      ]);
    await school.deliver('sfu', 1, [{ type: 'room:opened', atMs: 0, room: id, media: null }]);
    for (const [state, onAir] of [
      ['live', 'live'],
      ['interrupted', 'interrupted'],
      ['live', 'live'],
      ['ended', null],
    ] as const) {
      assert.equal(await change(state), 200);
      assert.equal((await ask(lesson)).onAir, onAir, state);
    }
  });
});
