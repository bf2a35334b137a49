// Going live, as the gateway sees it.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import type { BroadcastView } from '#shared/contract/features/broadcast.ts';
import { openClassrooms, type Classrooms } from './browser.ts';
import { FakeGateway } from './fake-gateway.ts';
import { makeWorld, Person, randomId, rtpParameters, until, type World } from './world.ts';

const CLOCK = 90_000;
const refuses = (code: string, call: Promise<unknown>) => assert.rejects(call, { message: code });

describe('broadcast', () => {
  let world: World;
  let gateway: FakeGateway;
  let classrooms: Classrooms | undefined;
  before(async () => {
    gateway = await FakeGateway.open();
    world = await makeWorld({ LECTERN_GATEWAY_URL: `http://127.0.0.1:${gateway.port}` });
  });
  after(async () => {
    await classrooms?.close();
    await world.close();
    gateway.close();
  });
  const elsewhere = () => ({ room: randomId(), channel: randomId() });
  const feedsOf = (channel: string) => gateway.feeds.filter((feed) => feed.channel === channel);

  test('three layers and the sound arrive as they are, each from a key frame', async (t) => {
    classrooms = await openClassrooms();
    const there = elsewhere();
    const page = await classrooms.enter(world, 'teacher', 'teacher', ['camera', 'microphone'], there);
    // Once the top layer is up, the sender is in its stride.
    await until(
      'all layers are sent',
      async () => {
        const sent = (await page.evaluate(() => window.classroom.sent())) as { framesEncoded: number }[];
        return sent.length === 3 && sent.every(({ framesEncoded }) => framesEncoded > 20);
      },
      60_000,
    );
    const started = Date.now();
    await page.evaluate(() => window.classroom.ask('broadcast:start', {}));
    await until('all tracks flow', () => {
      const tracks = gateway.latest?.tracks ?? [];
      return tracks.length === 4 && tracks.every(({ ssrc }) => (gateway.streams.get(ssrc)?.packets ?? 0) > 5);
    });
    t.diagnostic(`all tracks flow ${Date.now() - started} ms after broadcast:start`);
    const feed = gateway.latest ?? assert.fail();
    assert.equal(feed.lesson, there.room);
    assert.deepEqual(
      feed.tracks.map(({ kind, codec, source, layer, clockRate }) => [kind, codec, source, layer, clockRate]),
      [
        ['video', 'h264', 'camera', 0, CLOCK],
        ['video', 'h264', 'camera', 1, CLOCK],
        ['video', 'h264', 'camera', 2, CLOCK],
        ['audio', 'opus', 'microphone', 0, 48_000],
      ],
    );
    const video = feed.tracks.filter(({ kind }) => kind === 'video');
    for (const { ssrc, payloadType, absCaptureTimeId, layer } of video) {
      const stream = gateway.streams.get(ssrc) ?? assert.fail();
      assert.equal(stream.payloadType, payloadType);
      assert.ok([7, 24].includes(stream.first.nal), `layer ${layer} starts with NAL ${stream.first.nal}`);
      assert.ok(absCaptureTimeId !== undefined);
      // Not on every packet: in between it goes on by the timestamps.
      await until('the capture clock is carried', () => stream.withCaptureTime > 0);
    }

    for (const { ssrc, layer } of video) {
      const stream = gateway.streams.get(ssrc) ?? assert.fail();
      const keys = stream.keys.size;
      gateway.requestKeyFrame(ssrc);
      await until(`an IDR of layer ${layer}`, () => stream.keys.size > keys);
    }

    await until('clocks are known', () => {
      const tracks = gateway.latest?.tracks ?? [];
      return tracks.every(({ senderReport }) => senderReport !== undefined);
    });
    await until('SRs come', () =>
      video.every(({ ssrc }) => (gateway.streams.get(ssrc)?.reports.length ?? 0) > 1),
    );
    for (const { ssrc, senderReport, layer, clockRate } of gateway.latest?.tracks ?? []) {
      const { last, reports } = gateway.streams.get(ssrc) ?? assert.fail();
      // The packet that came last, by the producer's own clock, was captured a moment before it came:
      // so the timestamps that leave the SFU are the producer's.
      const byProducer =
        (senderReport?.ntpMs ?? 0) + ((last.timestamp - (senderReport?.rtp ?? 0)) | 0) / (clockRate / 1_000);
      assert.ok(Math.abs(last.atMs - byProducer) < 1_000, `layer ${layer}: ${last.atMs - byProducer} ms`);
      const report = reports.at(-1);
      t.diagnostic(
        `layer ${layer} of ${clockRate} Hz: captured ${(last.atMs - byProducer).toFixed(0)} ms before it came`,
      );
      if (report === undefined) continue;
      const byReport = report.ntpMs + ((last.timestamp - report.rtp) | 0) / (clockRate / 1_000);
      assert.ok(Math.abs(last.atMs - byReport) < 1_000, `layer ${layer} by SR: ${last.atMs - byReport} ms`);
    }

    await page.evaluate(() => window.classroom.ask('broadcast:stop', {}));
    await until('it ends at the gateway', () => gateway.ended.includes(there.channel));
    const packets = () => [...gateway.streams.values()].reduce((sum, stream) => sum + stream.packets, 0);
    await new Promise((resolve) => setTimeout(resolve, 100));
    const rest = packets();
    await new Promise((resolve) => setTimeout(resolve, 300));
    assert.equal(packets(), rest, 'nothing is sent any more');
    await page.context().close();
  });

  test('everyone sees what the gateway says, and only staff may go live', async () => {
    const there = elsewhere();
    const teacher = await Person.join(world, 'teacher', 'teacher', there);
    const student = await Person.join(world, 'student', 'student', there);
    await refuses('forbidden', student.ask('broadcast:start', {}));
    gateway.status = { ...gateway.status, state: 'starting' };
    const { broadcast } = await teacher.ask('broadcast:start', {});
    assert.equal(broadcast.state, 'starting');
    assert.deepEqual((await teacher.ask('broadcast:start', {})).broadcast.id, broadcast.id);
    gateway.status = {
      state: 'live',
      notice: null,
      startedAtMs: 1_234,
      viewers: { flv: 2, hls: 3, rtmp: 1 },
    };
    const live = await student.fact('broadcast:changed', ({ state }) => state === 'live');
    const seen: BroadcastView = {
      id: broadcast.id,
      state: 'live',
      startedAtMs: 1_234,
      notice: null,
      audience: 6,
      recording: true,
      recordingChoice: 'on',
      recordingMode: 'automatic',
      onBreak: true,
      waitMs: null,
      waitEndsAtMs: null,
      end: null,
      recordedMs: null,
      diskTrouble: null,
    };
    assert.deepEqual(live, seen);
    const late = await Person.join(world, 'latecomer', 'student', there);
    assert.deepEqual(late.joined?.room.broadcast, seen);

    gateway.down = true;
    const gap = await student.fact('broadcast:changed', ({ state }) => state === 'interrupted');
    assert.equal(gap.notice, 'gateway-away');
    gateway.down = false;
    student.facts.length = 0;
    await student.fact('broadcast:changed', ({ state, notice }) => state === 'live' && notice === null);

    gateway.status = { ...gateway.status, state: 'ended' };
    await student.fact('broadcast:changed', ({ state }) => state === 'ended');
    gateway.status = { ...gateway.status, state: 'starting' };
    const next = await teacher.ask('broadcast:start', {});
    assert.notEqual(next.broadcast.id, broadcast.id);
    await teacher.ask('room:close', {});
    await until('the class end ends the broadcast', () => gateway.ended.includes(there.channel));
    for (const person of [student, late]) person.leave();
  });

  test('the screen takes the place of the camera, and sound stays', async () => {
    const there = elsewhere();
    const teacher = await Person.join(world, 'teacher', 'teacher', there);
    const sources = () =>
      (feedsOf(there.channel).at(-1)?.feed.tracks ?? []).map(({ source }) => source).join(' ');
    await teacher.ask('broadcast:start', {});
    const { id: transportId } = await teacher.ask('transport:create', { direction: 'send' });
    const produce = async (source: 'camera' | 'microphone' | 'screen', ssrc: number) => {
      const kind = source === 'microphone' ? 'audio' : 'video';
      const data = {
        transportId,
        kind,
        source,
        rtpParameters: { ...rtpParameters(kind, ssrc), mid: source },
      } as const;
      return (await teacher.ask('producer:create', data)).producerId;
    };
    await produce('microphone', 1);
    await until('sound', () => sources() === 'microphone');
    await produce('camera', 2);
    await until('camera', () => sources() === 'camera microphone');
    const screen = await produce('screen', 3);
    await until('screen', () => sources() === 'screen microphone');
    await teacher.ask('producer:close', { producerId: screen });
    await until('camera again', () => sources() === 'camera microphone');
    const { from } = feedsOf(there.channel).at(-1)?.feed ?? assert.fail();
    assert.ok(from);

    const intervals = feedsOf(there.channel).length;
    await until('the feed is repeated', () => feedsOf(there.channel).length > intervals + 1);
    await teacher.ask('room:leave', {});
    await until('nothing flows without the teacher', () => {
      const { feed } = feedsOf(there.channel).at(-1) ?? assert.fail();
      return feed.tracks.length === 0 && feed.from === null;
    });
    teacher.leave();
  });

  test('a broadcast goes on after the SFU and its worker come back', async () => {
    const there = elsewhere();
    const teacher = await Person.join(world, 'teacher', 'teacher', there);
    const { broadcast } = await teacher.ask('broadcast:start', {});
    await teacher.publish('camera', 9_001);
    const latest = () => feedsOf(there.channel).at(-1)?.feed;
    await until('it flows', () => latest()?.tracks.length === 1);

    const [pid] = world.sfu.workerPids();
    process.kill(pid ?? assert.fail(), 'SIGKILL');
    await teacher.fact('room:restarted');
    await until('nothing flows', () => latest()?.tracks.length === 0);
    await teacher.enter('teacher');
    await teacher.publish('camera', 9_002);
    await until('it flows again', () => latest()?.tracks.length === 1);

    await world.restart();
    const before = feedsOf(there.channel).length;
    await until('the feed goes on by itself', () => feedsOf(there.channel).length > before);
    assert.equal(latest()?.broadcast, broadcast.id);
    assert.deepEqual(latest()?.tracks, []);
    const back = await Person.join(world, 'teacher', 'teacher', there);
    assert.equal(back.joined?.room.broadcast.id, broadcast.id);
    await back.publish('camera', 9_003);
    await until('it flows again', () => latest()?.tracks.length === 1);
    await back.ask('broadcast:stop', {});
    await until('it ends', () => gateway.ended.includes(there.channel));
    back.leave();
  });
});
