// What a gateway states and sends as RTP is seen in the room: GStreamer on one side, Chromium on the other.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import type { EncoderState } from '#shared/contract/internal.ts';
import { INTERNAL } from '#shared/contract/internal-api.ts';
import { internalClient } from '#server/internal-client.ts';
import { installed, Program } from '../../support/programs.ts';
import { openClassrooms, type Classrooms } from './browser.ts';
import { FakeGateway } from './fake-gateway.ts';
import { makeWorld, Person, randomId, until, type World } from './world.ts';

const missing = installed('gst-launch-1.0') ? false : 'GStreamer (gst-launch-1.0) is not installed';

/** Sends a picture of 640×360 and a tone to `port`, both by one socket. */
const gstreamer = (port: number) =>
  new Program('gst-launch-1.0', [
    ...'videotestsrc is-live=true ! video/x-raw,width=640,height=360,framerate=30/1'.split(' '),
    ...'! x264enc tune=zerolatency speed-preset=ultrafast key-int-max=30 bitrate=600'.split(' '),
    ...'! video/x-h264,profile=main ! rtph264pay config-interval=-1 pt=96 ssrc=1111 mtu=1200 ! f.'.split(' '),
    ...'audiotestsrc is-live=true ! audio/x-raw,rate=48000,channels=2 ! opusenc'.split(' '),
    ...'! rtpopuspay pt=97 ssrc=2222 ! f.'.split(' '),
    ...`funnel name=f ! udpsink host=127.0.0.1 port=${port} sync=false`.split(' '),
  ]);

describe('an encoder at the gateway', { skip: missing }, () => {
  let world: World;
  let gateway: FakeGateway;
  let classrooms: Classrooms;
  before(async () => {
    gateway = await FakeGateway.open();
    world = await makeWorld({ LECTERN_GATEWAY_URL: `http://127.0.0.1:${gateway.port}` });
    classrooms = await openClassrooms();
  });
  after(async () => {
    await classrooms.close();
    await world.close();
    gateway.close();
  });

  test('is seen and heard in the room, and is what the audience gets', async (t) => {
    const there = { room: randomId(), channel: randomId() };
    const state: EncoderState = {
      publication: 'publication-1',
      kind: 'rtmp',
      name: 'OBS',
      channel: there.channel,
      title: 'Algebra I',
      tracks: [
        { kind: 'video', codec: 'h264', ssrc: 1111, payloadType: 96, clockRate: 90_000 },
        { kind: 'audio', codec: 'opus', ssrc: 2222, payloadType: 97, clockRate: 48_000, channels: 2 },
      ],
      notices: [],
    };
    const sfu = internalClient(INTERNAL.sfu, () => [world.url], world.secrets.internal);
    const params = { room: there.room };
    const put = () => sfu.stateEncoder({ params, body: state });
    let source = gstreamer((await put()).to.port);
    let port = 0;
    const timer = setInterval(() => {
      put().then(
        ({ to }) => {
          if (port !== 0 && to.port !== port) {
            // As a gateway does it: what is sent goes where the latest answer says.
            void source.stop('SIGKILL');
            source = gstreamer(to.port);
          }
          port = to.port;
        },
        () => undefined,
      );
    }, 1_000);
    t.after(async () => {
      clearInterval(timer);
      await source.stop('SIGKILL');
    });

    const student = await classrooms.enter(world, 'student', 'student', [], there);
    let seen = '';
    const moves = async (what: string) => {
      const frames = () => student.evaluate(() => window.classroom.frames());
      const start = await frames();
      await until(what, async () => (await frames()) > start + 20, 25_000).catch((error: unknown) => {
        throw new Error(`${what}: ${seen} ${source.output}`, { cause: error });
      });
    };
    await moves('the student sees it');
    await until('in full size and with sound', async () => {
      const size = await student.evaluate(() => window.classroom.size());
      seen = JSON.stringify(size);
      return size.width === 640 && size.codec === 'video/H264' && size.audioPackets > 20;
    });
    await until('it is on air', () => {
      const sources = gateway.latest?.tracks.map((track) => track.source).join();
      return gateway.latest?.lesson === there.room && sources === 'encoder,encoder-audio';
    });
    await until('its media reach the audience', () =>
      (gateway.latest?.tracks ?? []).every(({ ssrc }) => (gateway.streams.get(ssrc)?.packets ?? 0) > 20),
    );

    const [pid] = world.sfu.workerPids();
    process.kill(pid ?? assert.fail(), 'SIGKILL');
    await until('the student joined again', async () => {
      return (await student.evaluate(() => window.classroom.joins)).length === 2;
    });
    await moves('it is back on another worker');
    const feeds = gateway.feeds.filter(({ channel }) => channel === there.channel);
    assert.equal(new Set(feeds.map(({ feed }) => feed.broadcast)).size, 1, 'one broadcast');

    clearInterval(timer);
    await sfu.endEncoder({ params, query: { publication: state.publication } });
    await until('the student sees it leave', async () => {
      const facts = await student.evaluate(() => window.classroom.facts.map(({ name }) => name));
      return facts.includes('peer:left');
    });
    await student.context().close();
  });

  test('says only what the contract has', async () => {
    const address = `${world.url}/internal/rooms/${randomId()}/encoder`;
    const authorization = `Bearer ${world.secrets.internal}`;
    const put = async (body: string, headers: Record<string, string> = { authorization }) =>
      (await fetch(address, { method: 'PUT', body, headers })).status;
    assert.equal(await put('{}', {}), 401);
    for (const body of ['{}', '[]', 'null', '{"publication":"a"}', 'no JSON'])
      assert.equal(await put(body), 400);
    assert.equal((await fetch(address, { method: 'DELETE', headers: { authorization } })).status, 400);
    const teacher = await Person.join(world, 'teacher', 'teacher');
    const { id } = await teacher.ask('transport:create', { direction: 'send' });
    const forged = await teacher.raw('producer:create', {
      transportId: id,
      kind: 'video',
      source: 'encoder',
      rtpParameters: {},
    });
    assert.equal(forged.ok, false);
    teacher.leave();
  });
});
