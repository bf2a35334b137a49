// A class in several recordings: one replay, with all that goes with it.
import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, it } from 'node:test';
import type { RecordingInfo, ServiceEvent } from '#shared/contract/internal.ts';
import {
  type Lesson,
  PlaybackIssued,
  Recording,
  ReplayChapters,
  ReplayChatPage,
  ReplayFound,
  ReplayIssued,
} from '#shared/contract/rest.ts';
import type { PlaybackResource } from '#shared/contract/playback.ts';
import { readPlayback } from '#server/playback-sign.ts';
import { codeOf, inviteIn, startTestSchool, type TestSchool } from './support.ts';

const T0 = Date.parse('2026-03-02T09:00:00Z');
const MINUTE_MS = 60_000;

describe('a class in two parts', () => {
  let school: TestSchool;
  let lesson: Lesson;
  let other: Lesson;
  let all: RecordingInfo[];
  let firstId = 1;

  const tell = async (events: ServiceEvent[]) => {
    assert.equal(await school.deliver('gateway-1', firstId, events), 200);
    firstId += events.length;
  };
  const info = (of: Lesson, id: string, atMin: number, min: number): RecordingInfo => ({
    ...{ id, lesson: of.id, channel: of.channel, state: 'ready' },
    ...{ startedAtMs: T0 + atMin * MINUTE_MS, durationMs: min * MINUTE_MS, bytes: 1_000 },
  });
  const changed = (recording: RecordingInfo): ServiceEvent => ({
    type: 'recording:changed',
    atMs: recording.startedAtMs + recording.durationMs,
    recording,
  });

  before(async () => {
    school = await startTestSchool();
    lesson = await school.createLesson('Botany');
    other = await school.createLesson('Another');
    all = [
      info(lesson, 'morning01', 0, 45),
      info(lesson, 'morning02', 60, 30),
      info(lesson, 'evening01', 600, 30),
      info(other, 'another01', 50, 30),
    ];
    const said = (id: string, text: string, atMin: number): ServiceEvent => {
      const atMs = T0 + atMin * MINUTE_MS;
      const message = {
        id,
        peerId: 'peer-anna-1',
        name: 'Anna',
        role: 'student',
        text,
        sentAtMs: atMs,
      } as const;
      return { type: 'chat:posted', atMs, room: lesson.id, media: null, message };
    };
    const marked = (broadcast: string, id: string, title: string, atMin: number): ServiceEvent => {
      const atMs = T0 + atMin * MINUTE_MS;
      const chapter = { id, title, markedAtMs: atMs };
      return { type: 'chapter:marked', atMs, room: lesson.id, media: { broadcast, ms: 0 }, chapter };
    };
    await tell([
      ...all.map(changed),
      said('early', 'Leaves before the class', -10),
      said('first', 'Leaves in the first part', 10),
      said('break', 'Leaves in the break', 50),
      said('second', 'Leaves in the second part', 70),
      said('late', 'Leaves in the evening', 605),
      marked('morning01', 'chapter1', 'Leaves', 5),
      marked('morning02', 'chapter2', 'More leaves', 65),
      marked('evening01', 'chapter3', 'Leaves again', 601),
    ]);
  });
  beforeEach(() => {
    school.gateway.recordings = all;
  });
  after(() => school.close());

  const ask = (recording: string, what: string, more: object = {}, link = lesson.links.watch) =>
    school.call('POST', `/recordings/${recording}/${what}`, { invite: inviteIn(link), ...more });
  const replay = async (recording: string) => ReplayIssued.parse((await ask(recording, 'playback')).body);
  const partsOf = async (recording: string) => (await replay(recording)).parts.map(({ id }) => id);
  const PARTS = ['morning01', 'morning02'];

  it('is one replay, whichever of them is asked for, at an address that opens these and nothing else', async () => {
    for (const id of PARTS) {
      const { recording, parts, hls, title } = await replay(id);
      assert.equal(recording.id, id);
      assert.equal(title, 'Botany');
      assert.deepEqual(
        parts.map((part) => [part.id, part.startedAtMs, part.durationMs]),
        all.slice(0, 2).map((part) => [part.id, part.startedAtMs, part.durationMs]),
      );
      const { pathname, searchParams } = new URL(hls);
      assert.equal(pathname, '/replay/parts-morning01-morning02/index.m3u8');
      const opens = (resource: PlaybackResource) =>
        typeof readPlayback(school.secrets.playback, 'play', resource, searchParams, Date.now()) !== 'string';
      assert.ok(opens('/replay/parts-morning01-morning02'));
      for (const name of ['morning01', 'parts-morning02-morning01', 'parts-morning01-morning02-evening01'])
        assert.equal(opens(`/replay/${name}`), false, name);
      assert.match(recording.hls, new RegExp(`/replay/${id}/index.m3u8`), 'one by one as before');
    }
    const evening = await replay('evening01');
    assert.equal(evening.hls, evening.recording.hls, 'a class of one part has no other address');
    assert.deepEqual(evening.parts, [evening.recording]);
    assert.equal(codeOf(await ask('morning01', 'playback', {}, other.links.watch)), 'ticket-invalid');
  });

  it('says of each recording with which one its replay begins', async () => {
    const list = Recording.array().parse((await school.owner('GET', `/recordings?lesson=${lesson.id}`)).body);
    const first = (recordings: readonly Recording[]) =>
      recordings.map(({ id, firstPart }) => [id, firstPart]);
    const expected = [
      ['evening01', 'evening01'],
      ['morning02', 'morning01'],
      ['morning01', 'morning01'],
    ];
    assert.deepEqual(first(list), expected);
    const invite = inviteIn(lesson.links.watch);
    const watching = await school.call('POST', `/lessons/${lesson.id}/playback`, { invite });
    assert.deepEqual(first(PlaybackIssued.parse(watching.body).recordings), expected);
    const one = Recording.parse((await school.owner('GET', '/recordings/morning02')).body);
    assert.equal(one.firstPart, 'morning01');
    const page = Recording.array().parse((await school.owner('GET', '/recordings?limit=2')).body);
    assert.deepEqual(first(page), expected.slice(0, 2), 'on a page that has not all of them');
  });

  it('has the chat, the chapters and the search of all of its parts', async () => {
    for (const id of PARTS) {
      const { messages } = ReplayChatPage.parse((await ask(id, 'chat')).body);
      assert.deepEqual(
        messages.map((message) => message.id),
        ['first', 'break', 'second'],
      );
      const { chapters } = ReplayChapters.parse((await ask(id, 'chapters')).body);
      assert.deepEqual(
        chapters.map((chapter) => chapter.id),
        ['chapter1', 'chapter2'],
      );
      const { found } = ReplayFound.parse((await ask(id, 'search', { q: 'leaves' })).body);
      assert.deepEqual(
        found.map((moment) => moment.id),
        ['chapter1', 'first', 'break', 'chapter2', 'second'],
      );
    }
    const { messages } = ReplayChatPage.parse((await ask('evening01', 'chat')).body);
    assert.deepEqual(
      messages.map((message) => message.id),
      ['late'],
    );
  });

  it('leaves out what is on air, and has it as soon as it is over, though its news is under way', async () => {
    const third = info(lesson, 'morning03', 95, 20);
    school.gateway.recordings = [...all, { ...third, state: 'writing' }];
    assert.deepEqual(await partsOf('morning01'), PARTS);
    const onAir = await replay('morning03');
    assert.deepEqual(onAir.parts, [onAir.recording]);
    assert.equal(onAir.hls, onAir.recording.hls);
    school.gateway.recordings = [...all, third];
    assert.deepEqual(await partsOf('morning01'), [...PARTS, 'morning03']);
    assert.deepEqual(await partsOf('morning03'), [...PARTS, 'morning03']);
    const chat = ReplayChatPage.parse((await ask('morning03', 'chat')).body);
    assert.equal(chat.messages[0]?.id, 'first', 'from the beginning of the class');
    await tell([changed(third)]);
    assert.equal((await school.owner('DELETE', '/recordings/morning03')).status, 204);
    assert.deepEqual(await partsOf('morning01'), PARTS);
  });

  it('plays what is left where a part is gone', async () => {
    school.gateway.recordings = all.filter(({ id }) => id !== 'morning01');
    assert.deepEqual(await partsOf('morning02'), ['morning02']);
    await school.gateway.stop();
    assert.deepEqual(await partsOf('morning02'), PARTS, 'while nobody can tell');
    await school.gateway.start();
  });

  it('has the name of its first part that has one, and no files under a mark', async () => {
    await school.owner('PATCH', '/recordings/morning02', { title: 'The leaf' });
    assert.equal((await replay('morning01')).title, 'The leaf');
    await school.owner('PATCH', '/recordings/morning01', { title: 'Leaves' });
    assert.equal((await replay('morning02')).title, 'Leaves');
    const files = async () => (await replay('morning01')).parts.map((part) => part.files.length);
    assert.deepEqual(await files(), [2, 2]);
    await school.owner('PUT', `/lessons/${lesson.id}/watermark`, { text: 'Springfield' });
    assert.deepEqual(await files(), [0, 0]);
  });

  it('is tried as a whole in the test of the rules, and with a part of another lesson refused', async () => {
    const { hls } = await replay('morning01');
    const test = (address: string) =>
      school.owner('POST', `/lessons/${lesson.id}/access/test`, { address, ip: '192.0.2.1' });
    assert.equal((await test(hls)).status, 200);
    assert.equal(school.gateway.decided.at(-1)?.resource, '/replay/parts-morning01-morning02');
    for (const name of ['parts-morning01-another01', 'parts-morning01-nothing01', 'parts-morning01'])
      assert.equal(codeOf(await test(hls.replace('parts-morning01-morning02', name))), 'bad-request', name);
  });
});
