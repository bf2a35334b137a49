// Who may watch, as the owner or a script sets it, and how the gateway comes to know.
import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import {
  AccessTestResult,
  AS_THE_SCHOOL,
  DEFAULT_ACCESS,
  LessonAccessView,
  SchoolAccessView,
} from '#shared/contract/access.ts';
import { AccessDefaults, ChannelSettings } from '#shared/contract/internal.ts';
import { AccessRevoked, Lesson, PlaybackIssued, Recording } from '#shared/contract/rest.ts';
import { NO_SPLIT } from '#shared/contract/split.ts';
import { checkPublishKey } from '#server/publish-key.ts';
import { checkPlayback } from '../../support/playback.ts';
import { eventually } from '../../support/lectern.ts';
import { codeOf, inviteIn, startTestSchool, type TestSchool } from './support.ts';

const IP = { ip: { allow: ['192.0.2.0/24'], deny: [] } };

describe('who may watch', () => {
  let school: TestSchool;
  beforeEach(async () => {
    school = await startTestSchool();
  });
  afterEach(() => school.close());

  /** What the gateway was told last of a lesson. */
  const told = ({ channel }: Lesson) => {
    const last = school.gateway.told.get(channel)?.at(-1);
    return last === undefined ? undefined : ChannelSettings.parse(last);
  };
  const toldOf = (lesson: Lesson, good: (settings: ChannelSettings) => boolean = () => true) =>
    eventually('the gateway is told', () => {
      const settings = told(lesson);
      return settings !== undefined && good(settings) && settings;
    });
  const put = (path: string, body: unknown) => school.owner('PUT', path, body);
  const viewed = async (path: string) => LessonAccessView.parse((await school.owner('GET', path)).body);

  it('is told to the gateway with each new lesson, and with its new name', async () => {
    const lesson = await school.createLesson('Photosynthesis');
    const first = await toldOf(lesson);
    assert.deepEqual(
      { ...first, version: 0 },
      {
        version: 0,
        lesson: lesson.id,
        title: 'Photosynthesis',
        recording: 'automatic',
        split: NO_SPLIT,
        publishVersion: 0,
        epoch: 0,
        endedViewers: [],
        access: AS_THE_SCHOOL,
      },
    );
    await school.owner('PATCH', `/lessons/${lesson.id}`, { title: '光合作用' });
    assert.ok((await toldOf(lesson, ({ title }) => title === '光合作用')).version > first.version);
  });

  it('is set rule by rule for a lesson; the others stay the school’s', async () => {
    const lesson = await school.createLesson();
    const path = `/lessons/${lesson.id}/access`;
    assert.deepEqual((await viewed(path)).effective, DEFAULT_ACCESS);
    const answer = LessonAccessView.parse((await put(path, IP)).body);
    assert.deepEqual(answer.ip, IP.ip);
    assert.equal(answer.referer, null);
    assert.equal(answer.applied, true);
    assert.deepEqual(told(lesson)?.access.ip, IP.ip, 'the gateway knows before the answer is there');

    const referer = { mode: 'allow', hosts: ['school.edu'], allowEmpty: false };
    const set = SchoolAccessView.parse((await put('/access', { referer })).body);
    assert.deepEqual(set.referer, referer);
    const effective = (await viewed(path)).effective;
    assert.deepEqual(effective.ip, IP.ip);
    assert.deepEqual(effective.referer, referer);
    const defaults = AccessDefaults.parse(school.gateway.told.get('')?.at(-1));
    assert.deepEqual(defaults.access.referer, referer);

    assert.equal(LessonAccessView.parse((await put(path, {})).body).ip, null, 'what is left out is undone');
  });

  it('is told once the gateway is back, and is not lost when the school restarts meanwhile', async () => {
    const lesson = await school.createLesson();
    await toldOf(lesson);
    await school.gateway.stop();
    const path = `/lessons/${lesson.id}/access`;
    const answer = LessonAccessView.parse((await put(path, IP)).body);
    assert.equal(answer.applied, false, 'and it says that it could not');
    await put('/access', { tokens: { required: false } });
    assert.equal((await viewed(path)).applied, false);
    await school.restart();
    await school.gateway.start();
    await toldOf(lesson, ({ access }) => access.ip !== null);
    await eventually('the school’s rules are told', () => school.gateway.told.get('')?.at(-1) !== undefined);
    await eventually('nothing is left to tell', async () => (await viewed(path)).applied);
  });

  it('is told at once to a gateway that starts, and all of it to one that has lost its memory', async () => {
    const one = await school.createLesson('One');
    const two = await school.createLesson('Two');
    await put(`/lessons/${one.id}/access`, IP);
    await toldOf(two);
    const started = (instance: string, id: number) =>
      school.deliver('gateway-x', id, [{ type: 'gateway:started', atMs: Date.now(), instance }]);
    await started('gateway-1', 1);
    await eventually('all is told', () => school.gateway.told.get('')?.at(-1) !== undefined);
    await eventually('nothing is left', async () => (await viewed(`/lessons/${one.id}/access`)).applied);
    school.gateway.told.clear();
    await started('gateway-1', 2);
    await new Promise((done) => setTimeout(done, 200));
    assert.equal(school.gateway.told.size, 0, 'one that remembers is not told again');
    await started('gateway-2', 3);
    await toldOf(one, ({ access }) => access.ip !== null);
    await toldOf(two);
    assert.ok(AccessDefaults.safeParse(school.gateway.told.get('')?.at(-1)).success);
  });

  it('ends, for all addresses that were handed out, when they are revoked', async () => {
    const lesson = await school.createLesson();
    await school.deliver('gateway-x', 1, [
      {
        type: 'recording:changed',
        atMs: Date.now(),
        recording: {
          id: 'recording1',
          lesson: lesson.id,
          channel: lesson.channel,
          state: 'ready',
          startedAtMs: Date.now(),
          durationMs: 60_000,
          bytes: 1_000,
        },
      },
    ]);
    const answer = AccessRevoked.parse((await school.owner('POST', `/lessons/${lesson.id}/revoke`)).body);
    assert.equal(answer.applied, true);
    assert.equal(told(lesson)?.epoch, 1);
    const verdict = (resource: `/live/${string}` | `/replay/${string}`, address: string) =>
      checkPlayback(
        school.secrets.playback,
        'play',
        resource,
        new URL(address).searchParams,
        Date.now(),
        told(lesson)?.epoch,
      );
    const live = `/live/${lesson.channel}` as const;
    assert.equal(verdict(live, lesson.play.hls), 'signature-invalid');
    const fresh = Lesson.parse((await school.owner('GET', `/lessons/${lesson.id}`)).body);
    for (const address of [...Object.values(answer.play), ...Object.values(fresh.play)].flat()) {
      assert.equal(verdict(live, address), undefined, address);
    }
    const issued = PlaybackIssued.parse(
      (await school.call('POST', `/lessons/${lesson.id}/playback`, { invite: inviteIn(lesson.links.watch) }))
        .body,
    );
    assert.equal(verdict(live, issued.play.flv), undefined, 'the watch link is good for new ones');
    const [recording] = Recording.array().parse((await school.owner('GET', '/recordings')).body);
    assert.ok(recording !== undefined);
    for (const { url } of recording.files) assert.equal(verdict('/replay/recording1', url), undefined);
    assert.equal(verdict('/replay/recording1', recording.hls), undefined);
  });

  it('is revoked at once, even while the room server hangs', async () => {
    const lesson = await school.createLesson();
    const other = await school.createLesson();
    const asked = Promise.withResolvers<void>();
    const hang = Promise.withResolvers<void>();
    school.sfu.onAsk = () => {
      asked.resolve();
      return hang.promise;
    };
    const ending = school.owner('POST', `/lessons/${other.id}/end`);
    await asked.promise;
    try {
      await school.owner('POST', `/lessons/${lesson.id}/revoke`);
      assert.equal(told(lesson)?.epoch, 1);
      // A question to the rooms is given up after a while: the other asked before, and would have by now.
      const settled = await Promise.race([ending.then(() => true), turn(false)]);
      assert.equal(settled, false, 'the room server still hangs');
    } finally {
      hang.resolve();
    }
    assert.equal((await ending).status, 200);
  });

  it('can be tried: on an address of ours, a site, and rules that are not saved', async () => {
    const lesson = await school.createLesson();
    const path = `/lessons/${lesson.id}/access/test`;
    const allowed = AccessTestResult.parse((await school.owner('POST', path, {})).body);
    assert.equal(allowed.allow, true);
    assert.equal(allowed.ip, '127.0.0.1', 'without an address it is the caller’s own');
    const asked = school.gateway.decided.at(-1);
    assert.equal(asked?.resource, `/live/${lesson.channel}`);
    assert.match(asked?.query ?? '', /expires=\d+&sign=/);
    assert.deepEqual(asked?.trial, DEFAULT_ACCESS);

    const draft = { ip: '192.0.2.66', referer: 'https://school.edu/', access: IP };
    const refused = AccessTestResult.parse((await school.owner('POST', path, draft)).body);
    assert.deepEqual([refused.allow, refused.rule, refused.country], [false, 'ip', 'CN']);
    assert.deepEqual(school.gateway.decided.at(-1)?.trial?.ip, IP.ip);
    assert.equal(school.gateway.decided.at(-1)?.referer, 'https://school.edu/');
    assert.equal((await viewed(`/lessons/${lesson.id}/access`)).ip, null, 'trying saves nothing');

    await school.owner('POST', path, { address: lesson.play.rtmp });
    assert.equal(school.gateway.decided.at(-1)?.path, `/live/${lesson.channel}`);
    const other = await school.createLesson();
    for (const address of [other.play.hls, 'https://evil.org/', 'nonsense']) {
      assert.equal(codeOf(await school.owner('POST', path, { address })), 'bad-request', address);
    }
    assert.equal((await school.owner('POST', '/access/test', { ip: '192.0.2.1' })).status, 200);
  });

  it('is the owner’s to set, and of a known form', async () => {
    const lesson = await school.createLesson();
    for (const [method, path, body] of [
      ['GET', '/access', undefined],
      ['PUT', '/access', {}],
      ['POST', '/access/test', {}],
      ['GET', `/lessons/${lesson.id}/access`, undefined],
      ['PUT', `/lessons/${lesson.id}/access`, {}],
      ['POST', `/lessons/${lesson.id}/access/test`, {}],
      ['POST', `/lessons/${lesson.id}/revoke`, undefined],
      ['POST', `/lessons/${lesson.id}/publish-key`, undefined],
      ['GET', `/lessons/${lesson.id}/encoder`, undefined],
    ] as const) {
      assert.equal(codeOf(await school.call(method, path, body)), 'unauthorized', `${method} ${path}`);
    }
    for (const wrong of [
      { ip: { allow: ['everyone'] } },
      { callback: { url: 'file:///etc/passwd' } },
      { region: { mode: 'maybe' } },
    ]) {
      assert.equal(codeOf(await put(`/lessons/${lesson.id}/access`, wrong)), 'bad-request');
      assert.equal(codeOf(await put('/access', wrong)), 'bad-request');
    }
    assert.equal(codeOf(await put('/lessons/nosuchlesson/access', {})), 'not-found');
  });
});

describe('the stream key', () => {
  let school: TestSchool;
  beforeEach(async () => {
    school = await startTestSchool();
  });
  afterEach(() => school.close());
  const keyIn = ({ publish }: Lesson) => publish?.rtmp.key.split('?key=')[1] ?? '';

  it('is what OBS asks for: a server and a key; and a WHIP address', async () => {
    const { publish, channel, id } = await school.createLesson();
    assert.equal(publish?.rtmp.url, 'rtmp://class.example.org:1935/live');
    assert.match(publish.rtmp.key, new RegExp(`^${channel}\\?key=${id}\\.0\\.[\\w-]{43}$`));
    assert.match(publish.whip, new RegExp(`^https://class\\.example\\.org/whip/${channel}\\?key=`));
    assert.match(publish.webcodecs, /^wss:\/\/class\.example\.org\/publish\//);
  });

  it('opens nothing any more once it is replaced', async () => {
    const lesson = await school.createLesson();
    const check = (key: string, version: number) =>
      checkPublishKey(school.secrets.playback, lesson.channel, key, version);
    const answer = await school.owner('POST', `/lessons/${lesson.id}/publish-key`);
    const renewed = Lesson.parse(answer.body);
    const settings = ChannelSettings.parse(school.gateway.told.get(lesson.channel)?.at(-1));
    assert.equal(settings.publishVersion, 1, 'the gateway knows before the answer is there');
    assert.equal(check(keyIn(lesson), 1), 'publish-key-invalid');
    assert.deepEqual(check(keyIn(renewed), 1), { lesson: lesson.id });
  });

  it('is withdrawn from the room though the gateway is away, and again once that has heard', async () => {
    const { id } = await school.createLesson();
    await school.gateway.stop();
    await school.owner('POST', `/lessons/${id}/publish-key`);
    const times = () => school.sfu.told.get(id)?.length ?? 0;
    await eventually('the room is told', () => times() > 0);
    await school.gateway.start();
    const heardAt = times();
    await eventually('the gateway has heard', () => school.gateway.told.size > 0);
    await eventually('the room is told again', () => times() > heardAt);
  });

  it('ends with the lesson, however that ends', async () => {
    const byOwner = await school.createLesson();
    const byTeacher = await school.createLesson();
    const ended = Lesson.parse((await school.owner('POST', `/lessons/${byOwner.id}/end`)).body);
    assert.equal(ended.publish, null);
    const at = Date.now();
    await school.deliver('sfu-x', 1, [
      { type: 'room:opened', atMs: at, room: byTeacher.id, media: null },
      { type: 'room:closed', atMs: at, room: byTeacher.id, media: null },
    ]);
    for (const { channel } of [byOwner, byTeacher]) {
      await eventually('the gateway is told', () => {
        const last = school.gateway.told.get(channel)?.at(-1);
        return last !== undefined && ChannelSettings.parse(last).publishVersion === null;
      });
    }
    const again = await school.owner('POST', `/lessons/${byOwner.id}/publish-key`);
    assert.equal(codeOf(again), 'room-closed');
  });
});
