// What the room server and the gateway tell the school: applied in order, once, and only from them.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { RecordingInfo, ServiceEvent } from '#shared/contract/internal.ts';
import {
  Attendance,
  Lesson,
  PlaybackIssued,
  Recording,
  ReplayChatPage,
  ReplayIssued,
} from '#shared/contract/rest.ts';
import { checkPlayback } from '../../support/playback.ts';
import { codeOf, inviteIn, startTestSchool, API_KEY, type TestSchool } from './support.ts';

const T0 = Date.parse('2026-03-02T09:00:00Z');

describe('the class as the school hears of it', () => {
  let school: TestSchool;
  let firstId = 1;
  before(async () => {
    school = await startTestSchool();
  });
  after(() => school.close());

  /** Tells `events` as the next ones of one outbox. */
  const tell = async (...events: ServiceEvent[]) => {
    assert.equal(await school.deliver('sfu-1', firstId, events), 200);
    firstId += events.length;
  };
  const stateOf = async ({ id }: Lesson) =>
    Lesson.parse((await school.owner('GET', `/lessons/${id}`)).body).state;
  const attendanceOf = async ({ id }: Lesson) =>
    Attendance.parse((await school.owner('GET', `/lessons/${id}/attendance`)).body);
  const stamp = ({ id }: Lesson, atMs = T0) => ({ atMs, room: id, media: null });
  const joined = (lesson: Lesson, peer: string, name: string, atMs: number): ServiceEvent => ({
    type: 'peer:joined',
    ...stamp(lesson, atMs),
    peer: { id: peer, name, role: 'student', permissions: [], joinedAtMs: atMs },
  });
  const broadcast = (
    lesson: Lesson,
    state: Extract<ServiceEvent, { type: 'broadcast:changed' }>['state'],
    atMs = T0,
  ): ServiceEvent => ({
    type: 'broadcast:changed',
    atMs,
    lesson: lesson.id,
    channel: lesson.channel,
    broadcast: 'broadcast1',
    state,
  });
  const chat = (lesson: Lesson, message: string, text: string, atMs: number): ServiceEvent => ({
    type: 'chat:posted',
    ...stamp(lesson, atMs),
    message: { id: message, peerId: 'peer-anna-1', name: 'Anna', role: 'student', text, sentAtMs: atMs },
  });
  const recordingOf = (lesson: Lesson, id: string, more: Partial<RecordingInfo> = {}): RecordingInfo => ({
    id,
    lesson: lesson.id,
    channel: lesson.channel,
    state: 'writing',
    startedAtMs: T0,
    durationMs: 0,
    bytes: 0,
    ...more,
  });
  const recordingChanged = (recording: RecordingInfo, atMs = T0): ServiceEvent => ({
    type: 'recording:changed',
    atMs,
    recording,
  });

  it('goes from scheduled over open and live to ended', async () => {
    const lesson = await school.createLesson();
    const opened: ServiceEvent = { type: 'room:opened', ...stamp(lesson) };
    const closed: ServiceEvent = { type: 'room:closed', ...stamp(lesson) };
    const steps: [ServiceEvent, Lesson['state']][] = [
      [opened, 'open'],
      [broadcast(lesson, 'starting'), 'open'],
      [broadcast(lesson, 'live'), 'live'],
      [broadcast(lesson, 'interrupted'), 'live'],
      [broadcast(lesson, 'live'), 'live'],
      [broadcast(lesson, 'ended'), 'open'],
      [broadcast(lesson, 'live'), 'live'],
      [broadcast(lesson, 'failed'), 'open'],
      [closed, 'ended'],
      [broadcast(lesson, 'live'), 'ended'],
      [opened, 'ended'],
    ];
    for (const [event, state] of steps) {
      await tell(event);
      assert.equal(await stateOf(lesson), state, event.type);
    }
  });

  it('takes the news of room and gateway in whichever order they come', async () => {
    const lesson = await school.createLesson();
    assert.equal(await school.deliver('gateway-1', 1, [broadcast(lesson, 'live')]), 200);
    await tell({ type: 'room:opened', ...stamp(lesson) });
    assert.equal(await stateOf(lesson), 'live');
  });

  it('knows who was there, and when', async () => {
    const lesson = await school.createLesson();
    const left = (peer: string, atMs: number): ServiceEvent => ({
      type: 'peer:left',
      ...stamp(lesson, atMs),
      peerId: peer,
    });
    await tell(joined(lesson, 'peer-anna-1', 'Anna', T0), joined(lesson, 'peer-ben-22', 'Ben', T0 + 1_000));
    await tell(left('peer-anna-1', T0 + 5_000), joined(lesson, 'peer-anna-1', 'Anna', T0 + 9_000));
    // The room server was killed and took Ben in again: he never left.
    await tell(joined(lesson, 'peer-ben-22', 'Ben B.', T0 + 10_000));
    await tell({ type: 'room:closed', ...stamp(lesson, T0 + 60_000) });
    const role = 'student';
    assert.deepEqual(await attendanceOf(lesson), [
      { peer: 'peer-anna-1', name: 'Anna', role, joinedAtMs: T0, leftAtMs: T0 + 5_000, consentedAtMs: null },
      {
        peer: 'peer-ben-22',
        name: 'Ben B.',
        role,
        joinedAtMs: T0 + 1_000,
        leftAtMs: T0 + 60_000,
        consentedAtMs: null,
      },
      {
        peer: 'peer-anna-1',
        name: 'Anna',
        role,
        joinedAtMs: T0 + 9_000,
        leftAtMs: T0 + 60_000,
        consentedAtMs: null,
      },
    ]);
  });

  it('counts what is told twice once, also when a part of it is new', async () => {
    const lesson = await school.createLesson();
    const events = [joined(lesson, 'peer-anna-1', 'Anna', T0)];
    const left: ServiceEvent = { type: 'peer:left', ...stamp(lesson, T0 + 1), peerId: 'peer-anna-1' };
    assert.equal(await school.deliver('sfu-2', 7, [...events, left]), 200);
    assert.equal(await school.deliver('sfu-2', 7, [...events, left]), 200);
    assert.equal((await attendanceOf(lesson)).length, 1);
    const more = [...events, left, joined(lesson, 'peer-ben-22', 'Ben', T0)];
    assert.equal(await school.deliver('sfu-2', 7, more), 200);
    assert.equal((await attendanceOf(lesson)).length, 2);
    // Another outbox counts for itself.
    assert.equal(await school.deliver('sfu-3', 7, events), 200);
    assert.equal((await attendanceOf(lesson)).length, 3);
    await school.restart();
    assert.equal(await school.deliver('sfu-2', 7, more), 200);
    assert.equal((await attendanceOf(lesson)).length, 3, 'it also remembers after a restart');
  });

  it('counts a batch once that is delivered twice at the same time', async () => {
    const lesson = await school.createLesson();
    const events = Array.from({ length: 50 }, (_, n) => joined(lesson, `peer-number-${n}`, `P${n}`, T0 + n));
    const statuses = await Promise.all(Array.from({ length: 4 }, () => school.deliver('sfu-4', 1, events)));
    assert.deepEqual(statuses, [200, 200, 200, 200]);
    assert.equal((await attendanceOf(lesson)).length, 50);
  });

  it('takes note of nothing for a lesson that it does not have, and says thanks all the same', async () => {
    const unknown = { ...(await school.createLesson()), id: 'unknownlesson', channel: 'unknownchannel' };
    await tell(
      { type: 'room:opened', ...stamp(unknown) },
      joined(unknown, 'peer-anna-1', 'Anna', T0),
      chat(unknown, 'm1', 'Hello?', T0),
      recordingChanged(recordingOf(unknown, 'recording0')),
    );
    assert.equal(codeOf(await school.owner('GET', '/recordings/recording0')), 'not-found');
  });

  it('refuses a stranger, a bad batch and anything else below /internal', async () => {
    const post = (path: string, body: string, authorization: string, method = 'POST') =>
      fetch(`${school.url}${path}`, { method, headers: { authorization }, body });
    const right = `Bearer ${school.secrets.internal}`;
    const empty = '{"outbox":"x","events":[]}';
    const cases: [string, Promise<Response>, number][] = [
      ['no secret', post('/internal/events', empty, ''), 401],
      ['the API key', post('/internal/events', empty, `Bearer ${API_KEY}`), 401],
      ['no JSON', post('/internal/events', '{', right), 400],
      ['no batch', post('/internal/events', '{"outbox":"x"}', right), 400],
      [
        'an unknown event',
        post('/internal/events', '{"outbox":"x","events":[{"id":1,"event":{"type":"x"}}]}', right),
        400,
      ],
      ['too much', post('/internal/events', 'x'.repeat(5 * 1024 * 1024), right), 413],
      ['another method', post('/internal/events', empty, right, 'PUT'), 405],
      ['another address', post('/internal/other', empty, right), 404],
      ['nothing new', post('/internal/events', empty, right), 200],
    ];
    for (const [what, answer, status] of cases) {
      const response = await answer;
      assert.equal(response.status, status, what);
      await response.text();
    }
  });

  it('takes the largest batch that an outbox can send', async () => {
    const lesson = await school.createLesson();
    const events = Array.from({ length: 100 }, (_, n) =>
      chat(lesson, `long-${n}`, '\u0001'.repeat(2_000), T0 + n),
    );
    assert.equal(await school.deliver('sfu-5', 1, events), 200);
  });

  it('keeps the recording’s story: written, then ready, and no later word changes that', async () => {
    const lesson = await school.createLesson();
    const ready = recordingOf(lesson, 'recording1', { state: 'ready', durationMs: 61_000, bytes: 1_000_000 });
    await tell(recordingChanged(recordingOf(lesson, 'recording1', { state: 'armed' })));
    await tell(recordingChanged(recordingOf(lesson, 'recording1', { durationMs: 2_000, bytes: 30_000 })));
    await tell(recordingChanged(ready, T0 + 62_000));
    await tell(recordingChanged(recordingOf(lesson, 'recording1', { durationMs: 3_000 })));
    const answer = await school.owner('GET', '/recordings/recording1');
    const recording = Recording.parse(answer.body);
    assert.equal(recording.state, 'ready');
    assert.equal(recording.durationMs, 61_000);
    assert.equal(recording.bytes, 1_000_000);
    assert.match(recording.replay, /^https:\/\/class\.example\.org\/replay\/recording1#invite=/);
    assert.deepEqual(
      recording.files.map(({ url: _, ...file }) => file),
      [
        { format: 'mp4', piece: null, durationMs: 61_000, bytes: 1_000_000 },
        { format: 'flv', piece: null, durationMs: 61_000, bytes: 1_000_000 },
      ],
    );
    for (const url of [recording.hls, ...recording.files.map((file) => file.url)]) {
      const query = new URL(url).searchParams;
      const verdict = checkPlayback(school.secrets.playback, 'play', '/replay/recording1', query, Date.now());
      assert.equal(verdict, undefined);
    }
  });

  it('shows the gateway’s own figures while it runs, and the last known ones while it does not', async () => {
    const lesson = await school.createLesson();
    await tell(recordingChanged(recordingOf(lesson, 'recording2', { durationMs: 1_000, bytes: 10 })));
    school.gateway.recordings = [recordingOf(lesson, 'recording2', { durationMs: 9_000, bytes: 90 })];
    const list = async () =>
      Recording.array().parse((await school.owner('GET', `/recordings?lesson=${lesson.id}`)).body)[0];
    const seekableMs = async () => {
      const asked = await school.call('POST', `/lessons/${lesson.id}/playback`, {
        invite: inviteIn(lesson.links.watch),
      });
      return PlaybackIssued.parse(asked.body).seekableMs;
    };
    assert.equal((await list())?.durationMs, 9_000);
    assert.equal(await seekableMs(), 9_000, 'so far the audience may go back');
    await school.gateway.stop();
    assert.equal((await list())?.durationMs, 1_000);
    assert.equal(await seekableMs(), null, 'the gateway does not answer');
    await school.gateway.start();
    assert.equal((await list())?.bytes, 90);
    school.gateway.recordings = [];
  });

  it('offers a replay that the gateway has though its news is still under way', async () => {
    const lesson = await school.createLesson();
    school.gateway.recordings = [recordingOf(lesson, 'recording3', { state: 'ready', durationMs: 5_000 })];
    const invite = inviteIn(lesson.links.watch);
    const playback = await school.call('POST', `/lessons/${lesson.id}/playback`, { invite });
    assert.deepEqual(
      PlaybackIssued.parse(playback.body).recordings.map(({ id }) => id),
      ['recording3'],
    );
    school.gateway.recordings.push(recordingOf(lesson, 'recording4', { state: 'ready' }));
    const replay = await school.call('POST', '/recordings/recording4/playback', { invite });
    assert.equal(ReplayIssued.parse(replay.body).recording.id, 'recording4');
    school.gateway.recordings = [];
  });

  it('tells of each class whether it can be watched again', async () => {
    const lesson = await school.createLesson();
    const other = await school.createLesson();
    const invite = inviteIn(lesson.links.watch);
    const replays = async () => {
      const { body } = await school.owner('GET', `/lessons/${lesson.id}`);
      const list = Lesson.array().parse((await school.owner('GET', '/lessons')).body);
      const playback = await school.call('POST', `/lessons/${lesson.id}/playback`, { invite });
      assert.equal(list.find(({ id }) => id === other.id)?.replay, 'none');
      return [
        Lesson.parse(body).replay,
        list.find(({ id }) => id === lesson.id)?.replay,
        PlaybackIssued.parse(playback.body).replay,
      ];
    };
    const all = (replay: Lesson['replay']) => [replay, replay, replay];
    const recorded = (id: string, state: 'writing' | 'failed' | 'ready', durationMs: number) =>
      tell(recordingChanged(recordingOf(lesson, id, { state, durationMs })));
    assert.deepEqual(await replays(), all('none'));
    await recorded('replay01', 'writing', 1_000);
    assert.deepEqual(await replays(), all('preparing'));
    await recorded('replay01', 'failed', 1_000);
    assert.deepEqual(await replays(), all('none'));
    // A broadcast to which nothing ever came.
    await recorded('replay02', 'ready', 0);
    assert.deepEqual(await replays(), all('none'));
    await recorded('replay03', 'ready', 1_000);
    assert.deepEqual(await replays(), all('ready'));
    await recorded('replay04', 'writing', 1_000);
    assert.deepEqual(await replays(), ['ready', 'ready', 'preparing'], 'the audience hears of the next part');
    await recorded('replay04', 'failed', 1_000);
    await school.owner('DELETE', '/recordings/replay03');
    assert.deepEqual(await replays(), all('none'));
  });

  it('says that nothing was recorded only once the gateway has said so', async () => {
    const lesson = await school.createLesson();
    await school.owner('POST', `/lessons/${lesson.id}/end`);
    const replay = async () => {
      const answer = await school.call('POST', `/lessons/${lesson.id}/playback`, {
        invite: inviteIn(lesson.links.watch),
      });
      return PlaybackIssued.parse(answer.body).replay;
    };
    await school.gateway.stop();
    assert.equal(await replay(), 'preparing');
    await school.gateway.start();
    assert.equal(await replay(), 'none');
  });

  it('replays a class with what was written in it, and only then', async () => {
    const lesson = await school.createLesson('Cells');
    const other = await school.createLesson('Another');
    await tell(
      recordingChanged(recordingOf(lesson, 'recording5')),
      chat(lesson, 'before', 'Is this on?', T0 - 1),
      chat(lesson, 'm1', 'Good morning', T0 + 1_000),
      chat(lesson, 'm1', 'Good morning', T0 + 1_500),
      chat(lesson, 'rude', 'Not nice', T0 + 2_000),
      { type: 'chat:deleted', ...stamp(lesson, T0 + 2_500), messageId: 'rude' },
      chat(other, 'm1', 'Elsewhere', T0 + 3_000),
      chat(lesson, 'm2', 'Thank you', T0 + 59_000),
      recordingChanged(
        recordingOf(lesson, 'recording5', { state: 'ready', durationMs: 60_000, bytes: 1_000 }),
        T0 + 60_000,
      ),
      chat(lesson, 'after', 'Still here?', T0 + 61_000),
    );
    const replay = (link: string) =>
      school.call('POST', '/recordings/recording5/playback', { invite: inviteIn(link) });
    const issued = ReplayIssued.parse((await replay(lesson.links.watch)).body);
    assert.equal(issued.title, 'Cells');
    const chatOf = (link: string, place = {}) =>
      school.call('POST', '/recordings/recording5/chat', { invite: inviteIn(link), ...place });
    const { messages, next } = ReplayChatPage.parse((await chatOf(lesson.links.watch)).body);
    assert.equal(next, null);
    assert.deepEqual(
      messages.map(({ id, text, sentAtMs }) => ({ id, text, sentAtMs })),
      [
        { id: 'm1', text: 'Good morning', sentAtMs: T0 + 1_000 },
        { id: 'm2', text: 'Thank you', sentAtMs: T0 + 59_000 },
      ],
    );
    const { replay: page } = issued.recording;
    assert.equal((await replay(page)).status, 200, 'its own link opens it');
    assert.equal(codeOf(await replay(other.links.teacher)), 'ticket-invalid');
    assert.equal(codeOf(await chatOf(other.links.teacher)), 'ticket-invalid');
    assert.equal(codeOf(await chatOf(lesson.links.watch, { after: "0' or 1" })), 'bad-request');
    assert.equal(codeOf(await chatOf(lesson.links.watch, { after: '0', before: '9' })), 'bad-request');
    const asOwner = async () =>
      ReplayIssued.parse((await school.owner('POST', '/recordings/recording5/playback', {})).body);
    assert.equal((await asOwner()).watermark, null);
    assert.equal(issued.recording.files.length, 2);

    // A mark over the picture is over the replay, too, and the audience is offered no copy without it.
    await school.owner('PUT', `/lessons/${lesson.id}/watermark`, { text: 'Springfield {viewer}' });
    const marked = ReplayIssued.parse((await replay(page)).body);
    assert.match(marked.watermark ?? '', /^Springfield [0-9A-F]{8}$/);
    assert.deepEqual(marked.recording.files, []);
    const answer = await school.call('POST', `/lessons/${lesson.id}/playback`, { invite: inviteIn(page) });
    const [offered] = PlaybackIssued.parse(answer.body).recordings;
    assert.deepEqual([offered?.id, offered?.files], ['recording5', []]);
    assert.equal((await asOwner()).recording.files.length, 2);
    const anonymous = await school.call('POST', '/recordings/recording5/playback', {});
    assert.equal(codeOf(anonymous), 'unauthorized');
  });

  it('deletes a finished recording for good, and none that is being written', async () => {
    const lesson = await school.createLesson();
    const ready = recordingOf(lesson, 'recording6', { state: 'ready' });
    await tell(recordingChanged(ready), recordingChanged(recordingOf(lesson, 'recording7')));
    assert.equal(codeOf(await school.owner('DELETE', '/recordings/recording7')), 'conflict');
    assert.equal((await school.owner('DELETE', '/recordings/recording6')).status, 204);
    assert.ok(school.gateway.asked.includes('DELETE /internal/recordings/recording6'));
    // Neither a late word nor a gateway that has not come round to it brings it back.
    await tell(recordingChanged(ready));
    school.gateway.recordings = [ready];
    assert.equal(codeOf(await school.owner('GET', '/recordings/recording6')), 'not-found');
    const list = Recording.array().parse((await school.owner('GET', `/recordings?lesson=${lesson.id}`)).body);
    assert.deepEqual(
      list.map(({ id }) => id),
      ['recording7'],
    );
    assert.equal(codeOf(await school.owner('DELETE', '/recordings/recording6')), 'not-found');
    school.gateway.recordings = [];
  });
});
