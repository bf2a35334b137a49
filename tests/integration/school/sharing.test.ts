// What the owner shows of a replay: a part of it, without some messages, by links that open it alone.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { ChannelSettings, ServiceEvent } from '#shared/contract/internal.ts';
import {
  Lesson,
  Recording,
  ReplayChapters,
  ReplayChatPage,
  ReplayFound,
  ReplayIssued,
} from '#shared/contract/rest.ts';
import { MAX_SHARES, Share } from '#shared/contract/shares.ts';
import { codeOf, inviteIn, startTestSchool, type TestSchool } from './support.ts';

const T0 = Date.parse('2026-03-02T09:00:00Z');
const at = (seconds: number) => T0 + seconds * 1_000;
const PATH = '/recordings/botany001';

describe('what is shown of a replay', () => {
  let school: TestSchool;
  let lesson: Lesson;
  before(async () => {
    school = await startTestSchool();
    lesson = await school.createLesson('Botany');
    const { id: room, channel } = lesson;
    const media = { broadcast: 'botany001', ms: 0 };
    const said = (id: string, seconds: number): ServiceEvent => {
      const text = `written after ${seconds}`;
      const message = {
        id,
        peerId: 'peer-anna-1',
        name: 'Anna',
        role: 'student',
        text,
        sentAtMs: at(seconds),
      } as const;
      return { type: 'chat:posted', atMs: at(seconds), room, media, message };
    };
    const marked = (id: string, seconds: number): ServiceEvent => {
      const chapter = { id, title: `Chapter at ${seconds}`, markedAtMs: at(seconds) };
      return { type: 'chapter:marked', atMs: at(seconds), room, media, chapter };
    };
    const figures = { state: 'ready', startedAtMs: T0, durationMs: 600_000, bytes: 1 } as const;
    const recorded = (id: string) => ({ id, lesson: room, channel, ...figures });
    const another = { ...recorded('botany002'), startedAtMs: at(5 * 3_600) };
    school.gateway.recordings = [recorded('botany001'), another];
    const events = [
      ...school.gateway.recordings.map((recording): ServiceEvent => ({
        type: 'recording:changed',
        atMs: at(600),
        recording,
      })),
      ...[said('m1', 10), said('m2', 100), said('m3', 200), said('m4', 590)],
      ...[marked('chapter1', 0), marked('chapter2', 150)],
    ];
    assert.equal(await school.deliver('sfu-1', 1, events), 200);
  });
  after(() => school.close());

  const invited = (invite: string) => ({
    async seen() {
      const ask = async (what: string, more = {}) =>
        (await school.call('POST', `${PATH}/${what}`, { invite, ...more })).body;
      return {
        chat: ReplayChatPage.parse(await ask('chat')).messages.map(({ id }) => id),
        chapters: ReplayChapters.parse(await ask('chapters')).chapters.map(({ id }) => id),
        found: ReplayFound.parse(await ask('search', { q: 'a' })).found.map(({ id }) => id),
      };
    },
    replay: () => school.call('POST', `${PATH}/playback`, { invite }),
  });
  const audience = () => invited(inviteIn(lesson.links.watch));
  const share = async (rules: object, path = PATH) =>
    Share.parse((await school.owner('POST', `${path}/shares`, { expiresAtMs: null, ...rules })).body);

  it('is one part, with what was written and marked in it', async () => {
    const trim = { fromMs: at(50), toMs: at(300) };
    const trimmed = Recording.parse((await school.owner('PATCH', PATH, { trim })).body);
    assert.deepEqual(trimmed.trim, trim);
    assert.equal(trimmed.durationMs, 250_000);
    assert.match(trimmed.still ?? '', /&shown=/, 'a browser that kept the old picture asks for this one');
    assert.deepEqual(await audience().seen(), {
      chat: ['m2', 'm3'],
      chapters: ['chapter2'],
      found: ['m2', 'chapter2', 'm3'],
    });
    await school.gateway.stop();
    assert.deepEqual((await audience().seen()).chat, ['m2', 'm3'], 'while the gateway is away too');
    const refused = await school.owner('PATCH', PATH, { trim: null });
    assert.equal(codeOf(refused), 'service-unavailable');
    await school.gateway.start();
    const whole = Recording.parse((await school.owner('PATCH', PATH, { trim: null })).body);
    assert.deepEqual([whole.trim, whole.durationMs], [null, 600_000]);
    assert.deepEqual((await audience().seen()).chat, ['m1', 'm2', 'm3', 'm4']);

    for (const wrong of [{ fromMs: at(9), toMs: at(9) }, { fromMs: -1, toMs: 5 }, { fromMs: at(1) }, 'all'])
      assert.equal(codeOf(await school.owner('PATCH', PATH, { trim: wrong })), 'bad-request');
    assert.equal(codeOf(await school.call('PATCH', PATH, { trim: null })), 'unauthorized');
  });

  it('leaves out messages that its owner hides, and shows them to the owner', async () => {
    const hide = (message: string, hidden: boolean) =>
      school.owner('PATCH', `${PATH}/messages/${message}`, { hidden });
    assert.equal((await hide('m2', true)).status, 204);
    const { chat, found } = await audience().seen();
    assert.deepEqual([chat, found.includes('m2')], [['m1', 'm3', 'm4'], false]);
    const own = ReplayChatPage.parse((await school.owner('POST', `${PATH}/chat`, {})).body).messages;
    assert.deepEqual(
      own.map(({ id, hidden }) => [id, hidden]),
      [
        ['m1', false],
        ['m2', true],
        ['m3', false],
        ['m4', false],
      ],
    );
    await hide('m2', false);
    assert.deepEqual((await audience().seen()).chat, ['m1', 'm2', 'm3', 'm4']);
    assert.equal(codeOf(await hide('m9', true)), 'not-found');
    const watching = { invite: inviteIn(lesson.links.watch), hidden: true };
    assert.equal(codeOf(await school.call('PATCH', `${PATH}/messages/m1`, watching)), 'unauthorized');
  });

  it('opens by a link of its own, with its rules, and that link opens nothing else', async () => {
    const plain = await share({});
    const open = await share({ chat: false, files: true });
    const [one, other] = [plain, open].map(({ url }) => invited(inviteIn(url)));
    const issued = ReplayIssued.parse((await one?.replay())?.body);
    assert.deepEqual([issued.hasChat, issued.mayEdit, issued.recording.files], [true, false, []]);
    assert.equal(issued.recording.replay, plain.url, 'and not by the link of the lesson');
    const second = ReplayIssued.parse((await other?.replay())?.body);
    assert.deepEqual([second.hasChat, second.recording.files.length], [false, 2]);
    const { chat, found } = (await other?.seen()) ?? assert.fail();
    assert.deepEqual([chat, found], [[], ['chapter1', 'chapter2']]);

    const invite = inviteIn(plain.url);
    for (const [method, path] of [
      ['POST', '/recordings/botany002/playback'],
      ['POST', '/recordings/botany002/chat'],
      ['POST', `/lessons/${lesson.id}/playback`],
      ['POST', `/lessons/${lesson.id}/tickets`],
      ['POST', `/lessons/${lesson.id}/links/watch`],
    ] as const)
      assert.equal(codeOf(await school.call(method, path, { invite })), 'ticket-invalid', path);
    const wrong = invite.slice(0, -4) + (invite.endsWith('AAAA') ? 'BBBB' : 'AAAA');
    assert.equal(codeOf(await invited(wrong).replay()), 'ticket-invalid');

    // Over a picture with a mark there are no files for anyone but the owner.
    await school.owner('PUT', `/lessons/${lesson.id}/watermark`, { text: '{viewer}' });
    const marked = ReplayIssued.parse((await other?.replay())?.body);
    assert.deepEqual([marked.recording.files, marked.watermark !== null], [[], true]);
    await school.owner('PUT', `/lessons/${lesson.id}/watermark`, { text: null });
  });

  it('is over for those with a link when it expires, and no address that it gave outlives it', async () => {
    const expiresAtMs = Date.now() + 1_500;
    const { url } = await share({ expiresAtMs });
    const viewer = invited(inviteIn(url));
    const { recording } = ReplayIssued.parse((await viewer.replay()).body);
    const addresses = [recording.hls, recording.still ?? ''].map((address) => new URL(address).searchParams);
    for (const query of addresses) assert.ok(Number(query.get('expires')) * 1_000 <= expiresAtMs);
    while (Date.now() <= expiresAtMs) await new Promise((resolve) => setTimeout(resolve, 50));
    assert.equal(codeOf(await viewer.replay()), 'ticket-expired');
    const listed = Share.array().parse((await school.owner('GET', `${PATH}/shares`)).body);
    assert.ok(!listed.some((one) => one.url === url), 'nor is it listed');
    assert.equal(codeOf(await school.owner('POST', `${PATH}/shares`, { expiresAtMs: T0 })), 'bad-request');
  });

  it('is over for those with a link when it is ended, and the gateway is told', async () => {
    const { id, url } = await share({});
    const viewer = invited(inviteIn(url));
    const { recording } = ReplayIssued.parse((await viewer.replay()).body);
    const signedFor = new URL(recording.hls).searchParams.get('viewer');
    const end = () => school.owner('DELETE', `${PATH}/shares/${id}`);
    assert.equal(codeOf(await school.owner('DELETE', `/recordings/botany002/shares/${id}`)), 'not-found');
    await school.gateway.stop();
    assert.deepEqual((await end()).body, { applied: false }, 'it is told later');
    assert.equal(codeOf(await viewer.replay()), 'link-ended');
    await school.gateway.start();
    const told = () => school.gateway.told.get(lesson.channel) as ChannelSettings[] | undefined;
    while (
      !told()
        ?.at(-1)
        ?.endedViewers?.includes(signedFor ?? '')
    )
      await new Promise((resolve) => setTimeout(resolve, 50));
    assert.equal(codeOf(await end()), 'not-found', 'once');
    for (const method of ['GET', 'POST'])
      assert.equal(
        codeOf(
          await school.call(method, `${PATH}/shares`, method === 'POST' ? { expiresAtMs: null } : undefined),
        ),
        'unauthorized',
      );
  });

  it('comes in the files that it was cut into, as its lesson says', async () => {
    const patch = (body: object) => school.owner('PATCH', `/lessons/${lesson.id}`, body);
    const split = { splitMs: 300_000, splitBytes: null };
    const changed = Lesson.parse((await patch(split)).body);
    assert.deepEqual([changed.splitMs, changed.splitBytes], [300_000, null]);
    const told = () => (school.gateway.told.get(lesson.channel) as ChannelSettings[] | undefined)?.at(-1);
    while (told()?.split?.splitMs !== 300_000) await new Promise((resolve) => setTimeout(resolve, 20));
    const begun = { action: 'start', splitBytes: 10_000_000 };
    assert.equal((await school.owner('POST', `/lessons/${lesson.id}/recording`, begun)).status, 200);
    while (told()?.split?.splitBytes !== 10_000_000) await new Promise((resolve) => setTimeout(resolve, 20));
    assert.equal(told()?.split?.splitMs, 300_000, 'what is not said stays');
    for (const wrong of [
      { splitMs: 59_999 },
      { splitBytes: 9_999_999 },
      { splitMs: 60_000.5 },
      { splitMs: '1' },
    ])
      assert.equal(codeOf(await patch(wrong)), 'bad-request', JSON.stringify(wrong));

    const pieces = [
      { row: 1, durationMs: 299_000, bytes: 700 },
      { row: 151, durationMs: 301_000, bytes: 300 },
    ];
    school.gateway.recordings = school.gateway.recordings.map((info) => ({ ...info, pieces }));
    const { files } = Recording.parse((await school.owner('GET', PATH)).body);
    assert.deepEqual(
      files.map(({ format, piece, durationMs, url }) => [format, piece, durationMs, new URL(url).pathname]),
      [
        ['mp4', null, 600_000, '/replay/botany001.mp4'],
        ['flv', null, 600_000, '/replay/botany001.flv'],
        ['mp4', 1, 299_000, '/replay/botany001/piece-1.mp4'],
        ['mp4', 2, 301_000, '/replay/botany001/piece-2.mp4'],
        ['flv', 1, 299_000, '/replay/botany001/piece-1.flv'],
        ['flv', 2, 301_000, '/replay/botany001/piece-2.flv'],
      ],
    );
  });

  it('has so many links and no more', async () => {
    let code: string | undefined;
    for (let made = 0; made <= MAX_SHARES && code === undefined; made += 1)
      code = codeOf(await school.owner('POST', '/recordings/botany002/shares', { expiresAtMs: null }));
    assert.equal(code, 'conflict');
  });
});
