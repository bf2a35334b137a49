// What a class leaves behind without a bound, chat and attendance: it is given out in small pages, and not
// as often as somebody likes.
import assert from 'node:assert/strict';
import { after, before, describe, it, mock } from 'node:test';
import type { ServiceEvent } from '#shared/contract/internal.ts';
import { Attendance, type Lesson, ReplayChatPage } from '#shared/contract/rest.ts';
import { type Answer, codeOf, inviteIn, startTestSchool, type TestSchool } from './support.ts';

const T0 = Date.parse('2026-03-02T09:00:00Z');

describe('what a large class leaves behind', () => {
  let school: TestSchool;
  let lesson: Lesson;
  let firstId = 1;
  before(async () => {
    // The clock stands still, so that no allowance grows however slow the machine is.
    mock.timers.enable({ apis: ['Date'], now: Date.now() });
    school = await startTestSchool();
    lesson = await school.createLesson();
  });
  after(async () => {
    mock.timers.reset();
    await school.close();
  });

  const tell = async (...events: ServiceEvent[]) => {
    assert.equal(await school.deliver('sfu-1', firstId, events), 200);
    firstId += events.length;
  };
  const stamp = (atMs: number) => ({ atMs, room: lesson.id, media: null });
  const person = { name: 'Ann', role: 'student' as const };
  const joined = (peer: string, atMs: number): ServiceEvent => ({
    type: 'peer:joined',
    ...stamp(atMs),
    peer: { id: peer, ...person, permissions: [], joinedAtMs: atMs },
  });
  const chat = (message: string, text: string, atMs: number): ServiceEvent => ({
    type: 'chat:posted',
    ...stamp(atMs),
    message: { id: message, peerId: 'peer-ann-1', ...person, text, sentAtMs: atMs },
  });
  const recording = (state: 'writing' | 'ready', atMs: number): ServiceEvent => ({
    type: 'recording:changed',
    atMs,
    recording: {
      id: 'recording8',
      lesson: lesson.id,
      channel: lesson.channel,
      state,
      startedAtMs: T0,
      durationMs: atMs - T0,
      bytes: 1_000,
    },
  });

  it('gives a flood of chat in small pages, to both sides, with what came after it', async () => {
    await tell(recording('writing', T0));
    // Many in one ms, and long ones: neither a page's end nor its size may lose any.
    const flood = Array.from({ length: 1_500 }, (_, n) =>
      chat(`f${n}`, n < 1_450 ? `${n}` : '错'.repeat(2_000), T0 + Math.floor(n / 40)),
    );
    for (let n = 0; n < flood.length; n += 100) await tell(...flood.slice(n, n + 100));
    await tell(chat('last', 'Thank you', T0 + 59_000), recording('ready', T0 + 60_000));
    const invite = inviteIn(lesson.links.watch);
    const walk = async (side: 'after' | 'before', from: string) => {
      const ids: string[] = [];
      for (let place: string | null = from; place !== null;) {
        const answer = await school.owner('POST', '/recordings/recording8/chat', { [side]: place });
        assert.equal(answer.status, 200);
        assert.ok(JSON.stringify(answer.body).length < 100_000);
        const page = ReplayChatPage.parse(answer.body);
        const found = page.messages.map(({ id }) => id);
        if (side === 'after') ids.push(...found);
        else ids.unshift(...found);
        place = page.next;
      }
      return ids;
    };
    const forward = await walk('after', '0');
    assert.equal(new Set(forward).size, 1_501);
    assert.equal(forward.at(-1), 'last');
    assert.deepEqual(await walk('before', String(T0 + 60_000)), forward);
    assert.deepEqual(await walk('after', String(T0 + 41)), ['last']);

    // Who asks too often is told when to come back, and others are answered meanwhile.
    const from = (ip: string, path: string, body: object) =>
      school.call('POST', path, body, { 'x-forwarded-for': ip });
    const playback = '/recordings/recording8/playback';
    let refused: Answer | undefined;
    for (let asked = 0; refused === undefined && asked < 3_000; asked += 100) {
      const answers = await Promise.all(Array.from({ length: 100 }, () => from('192.0.2.50', playback, {})));
      refused = answers.find(({ status }) => status === 429);
    }
    assert.equal(refused && codeOf(refused), 'rate-limited');
    assert.ok(Number(refused?.headers.get('retry-after')) >= 1);
    for (const [path, body] of [
      ['/recordings/recording8/chat', { invite, before: String(T0 + 60_000) }],
      [playback, { invite }],
      [`/lessons/${lesson.id}/playback`, { invite }],
    ] as const) {
      assert.equal(codeOf(await from('192.0.2.50', path, body)), 'rate-limited', path);
      assert.equal((await from('192.0.2.51', path, body)).status, 200, path);
    }
  });

  it('gives the attendance of a large class in pages', async () => {
    const peers = Array.from({ length: 230 }, (_, n) => `peer-many-${n}`);
    // Three arrive in the same ms: none is lost where a page ends.
    const events = peers.map((peer, n) => joined(peer, T0 + Math.floor(n / 3)));
    for (let n = 0; n < events.length; n += 100) await tell(...events.slice(n, n + 100));
    const found: string[] = [];
    for (let path: string | undefined = `/lessons/${lesson.id}/attendance?limit=100`; path !== undefined;) {
      const answer = await school.owner('GET', path);
      const people = Attendance.parse(answer.body);
      assert.ok(people.length <= 100);
      found.push(...people.map(({ peer }) => peer));
      path = /<\/api\/v1(.*)>; rel="next"/.exec(answer.headers.get('link') ?? '')?.[1];
    }
    assert.deepEqual(found, peers);
  });
});
