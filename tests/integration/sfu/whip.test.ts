// Publishing by WHIP: simple-whip-client and Chromium on the other end, and what must be refused.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import type { Page } from 'playwright-core';
import { answerFor } from '../../../gateway/access/answer.ts';
import { createDecide } from '../../../gateway/access/decide.ts';
import { streamKey } from '../../../gateway/access/rules/key.ts';
import { signedAddress } from '../../../gateway/access/rules/tokens.ts';
import { makePublishKey } from '#server/publish-key.ts';
import { startWhipClient, whipClientMissing } from '../../support/whip-client.ts';
import { CHROMIUM_OFFER, OBS_OFFER, spoiler } from '../../unit/sfu/offers.ts';
import { openClassrooms, type Classrooms } from './browser.ts';
import { FakeGateway } from './fake-gateway.ts';
import { makeWorld, Person, randomId, until, type World } from './world.ts';

const FRAGMENT = 'application/trickle-ice-sdpfrag';

describe('WHIP', () => {
  let world: World;
  let gateway: FakeGateway;
  before(async () => {
    gateway = await FakeGateway.open();
    world = await makeWorld({
      LECTERN_GATEWAY_URL: `http://127.0.0.1:${gateway.port}`,
      LECTERN_ICE_SERVERS: 'stun:stun.example.org',
    });
    const { playback } = world.secrets;
    gateway.decide = answerFor(createDecide([signedAddress(playback), streamKey(playback)]));
  });
  after(async () => {
    await world.close();
    gateway.close();
  });

  const place = () => {
    const there = { room: randomId(), channel: randomId() };
    return {
      there,
      url: `${world.url}/whip/${there.channel}`,
      key: makePublishKey(world.secrets.playback, there.channel, there.room, 0),
    };
  };
  const post = (url: string, key: string | null, body = OBS_OFFER, headers: Record<string, string> = {}) =>
    fetch(url, {
      method: 'POST',
      body,
      headers: {
        'content-type': 'application/sdp',
        ...(key === null ? {} : { authorization: `Bearer ${key}` }),
        ...headers,
      },
    });
  const patch = (url: string, body: string, headers: Record<string, string>) =>
    fetch(url, { method: 'PATCH', body, headers: { 'content-type': FRAGMENT, ...headers } });

  test('a session is made, trickled to, restarted and ended as RFC 9725 says', async () => {
    const { there, url, key } = place();
    const student = await Person.join(world, 'student', 'student', there);
    const created = await post(url, key);
    assert.equal(created.status, 201);
    assert.equal(created.headers.get('content-type'), 'application/sdp');
    assert.equal(created.headers.get('accept-patch'), FRAGMENT);
    assert.equal(created.headers.get('link'), '<stun:stun.example.org>; rel="ice-server"');
    assert.equal(created.headers.get('access-control-allow-origin'), '*');
    assert.match(created.headers.get('access-control-expose-headers') ?? '', /Location/);
    const answer = await created.text();
    assert.match(answer, /a=setup:passive/);
    assert.match(answer, /m=audio 9 .* 111\r\n/);
    assert.match(answer, /m=video 9 .* 96 97\r\n/);
    const etag = created.headers.get('etag') ?? assert.fail();
    const session = new URL(created.headers.get('location') ?? assert.fail(), url).href;
    assert.match(session, new RegExp(`/whip/${there.channel}/[A-Za-z0-9_-]{22}$`));
    assert.equal((await student.fact('peer:joined')).name, 'WHIP');
    await student.fact('producer:created', ({ source }) => source === 'encoder');
    await student.fact('producer:created', ({ source }) => source === 'encoder-audio');

    const candidate =
      'a=ice-ufrag:aBcD\r\na=ice-pwd:aBcDeFgHiJkLmNoPqRsTuVwX\r\nm=audio 9 UDP/TLS/RTP/SAVPF 0\r\na=mid:0\r\n' +
      'a=candidate:1 1 UDP 2130706431 192.0.2.7 5000 typ host\r\n';
    assert.equal((await patch(session, candidate, {})).status, 428);
    assert.equal((await patch(session, candidate, { 'if-match': '"other"' })).status, 412);
    assert.equal((await patch(session, candidate, { 'if-match': etag })).status, 204);
    const wrongType = await patch(session, candidate, {
      'if-match': etag,
      'content-type': 'application/sdp',
    });
    assert.equal(wrongType.status, 415);
    assert.equal(wrongType.headers.get('accept-patch'), FRAGMENT);
    assert.equal((await patch(session, 'nonsense', { 'if-match': etag })).status, 400);
    assert.equal((await patch(session, 'a=x\r\n'.repeat(9_000), { 'if-match': etag })).status, 413);

    const fresh = 'a=ice-ufrag:EfGh\r\na=ice-pwd:zzzzzzzzzzzzzzzzzzzzzzzz\r\n';
    const restarted = await patch(session, fresh, { 'if-match': '*' });
    assert.equal(restarted.status, 200);
    assert.equal(restarted.headers.get('content-type'), FRAGMENT);
    assert.notEqual(restarted.headers.get('etag'), etag);
    const ufrag = (text: string) => /a=ice-ufrag:(\S+)/.exec(text)?.[1];
    assert.notEqual(ufrag(await restarted.text()), ufrag(answer));
    assert.equal((await patch(session, fresh, { 'if-match': etag })).status, 412);

    const ended = await fetch(session, { method: 'DELETE' });
    assert.equal(ended.status, 200);
    await student.fact('peer:left');
    assert.equal((await fetch(session, { method: 'DELETE' })).status, 404);
    assert.equal((await patch(session, candidate, { 'if-match': '*' })).status, 404);
    student.leave();
  });

  test('other methods, types and keys are refused', async () => {
    const { url, key } = place();
    for (const method of ['GET', 'PUT', 'DELETE', 'PATCH']) {
      const refused = await fetch(url, { method });
      assert.equal(refused.status, 405, method);
      assert.equal(refused.headers.get('allow'), 'POST, OPTIONS');
    }
    for (const method of ['GET', 'PUT', 'POST'])
      assert.equal((await fetch(`${url}/x`, { method })).status, 405);
    const preflight = await fetch(url, { method: 'OPTIONS' });
    assert.equal(preflight.status, 204);
    assert.equal(preflight.headers.get('accept-post'), 'application/sdp');
    assert.match(preflight.headers.get('access-control-allow-headers') ?? '', /Authorization/);
    assert.match(
      (await fetch(`${url}/x`, { method: 'OPTIONS' })).headers.get('access-control-allow-methods') ?? '',
      /PATCH, DELETE/,
    );
    assert.equal((await post(url, key, OBS_OFFER, { 'content-type': 'text/plain' })).status, 415);
    for (const accept of ['text/html', 'application/sdp;q=0, */*'])
      assert.equal((await post(url, key, OBS_OFFER, { accept })).status, 406, accept);
    const unauthorized = await post(url, null);
    assert.equal(unauthorized.status, 401);
    assert.equal(unauthorized.headers.get('www-authenticate'), 'Bearer');
    assert.equal((await post(url, `${key}x`)).status, 403);
    assert.equal((await post(`${world.url}/whip/${randomId()}`, key)).status, 403, 'a key opens one channel');
    assert.equal((await post(`${world.url}/whip/-`, key)).status, 404);
    assert.equal((await post(url, key, `${OBS_OFFER}${'a=x\r\n'.repeat(20_000)}`)).status, 413);
    assert.equal((await post(url, key, 'nonsense')).status, 400);
    // What only the worker finds: one SSRC for two streams.
    const twice = OBS_OFFER.replaceAll('2222222222', '1111111111');
    const contradictory = await post(url, key, twice);
    assert.equal(contradictory.status, 400);
    assert.match(await contradictory.text(), /does not fit together/);
    const unusable = OBS_OFFER.replace('opus/48000/2', 'PCMA/8000').replace('H264/', 'H265/');
    assert.equal((await post(url, key, unusable)).status, 406);
    assert.equal((await post(url, key, OBS_OFFER.replaceAll('sendonly', 'recvonly'))).status, 406);
    gateway.down = true;
    assert.equal((await post(url, key)).status, 503, 'who cannot be asked says no');
    gateway.down = false;
    assert.equal((await post(`${url}?key=${key}`, null)).status, 201, 'the key may be in the address');
  });

  test('a second publisher waits until the first is silent; an ended class takes none', async () => {
    const { there, url, key } = place();
    const teacher = await Person.join(world, 'teacher', 'teacher', there);
    assert.equal((await post(url, key)).status, 201);
    assert.equal((await post(url, key)).status, 409);
    await until('the silent one loses its place', async () => (await post(url, key)).status === 201);
    await teacher.ask('room:close', {});
    assert.equal((await post(url, key)).status, 410);
  });

  test('whatever is changed in an offer, it is refused with a reason or answered, and nobody else notices', async (t) => {
    const { there, url, key } = place();
    const bystander = await Person.join(world, 'bystander', 'student');
    const [pid] = world.sfu.workerPids();
    const spoil = spoiler(11);
    const counts = new Map<number, number>();
    const offers = [OBS_OFFER, CHROMIUM_OFFER.replaceAll('recvonly', 'sendonly')];
    for (let round = 0; round < 600; round += 1) {
      const offer = spoil(offers[round % 2] ?? '');
      const answer = await post(url, key, offer);
      counts.set(answer.status, (counts.get(answer.status) ?? 0) + 1);
      const location = answer.headers.get('location');
      assert.ok(
        [201, 400, 406, 415].includes(answer.status),
        `${answer.status} ${await answer.text()}\n${offer}`,
      );
      if (location !== null)
        assert.equal((await fetch(new URL(location, url), { method: 'DELETE' })).status, 200);
    }
    t.diagnostic(JSON.stringify(Object.fromEntries(counts)));
    assert.ok((counts.get(201) ?? 0) > 100, 'enough of them reach the worker');
    assert.deepEqual(world.sfu.workerPids(), [pid], 'the worker is the same');
    await bystander.ask('chat:send', { id: 'still-there', text: 'hello' });
    assert.equal((await post(url, key)).status, 201, 'and a good one is taken');
    bystander.leave();
    await fetch(`${world.url}/internal/rooms/${there.room}`, {
      method: 'DELETE',
      headers: { authorization: `Bearer ${world.secrets.internal}` },
    });
  });

  describe('with real media', () => {
    let classrooms: Classrooms;
    before(async () => {
      classrooms = await openClassrooms();
    });
    after(() => classrooms.close());

    const sees = async (page: Page, detail: () => string) => {
      const frames = () => page.evaluate(() => window.classroom.frames());
      const start = await frames();
      await until('the picture moves', async () => (await frames()) > start + 20, 25_000).catch(
        (error: unknown) => {
          throw new Error(detail(), { cause: error });
        },
      );
      await until('with sound', async () => {
        const { audioPackets } = await page.evaluate(() => window.classroom.size());
        return audioPackets > 20;
      });
    };

    test('of simple-whip-client', async (t) => {
      const missing = whipClientMissing();
      if (missing !== undefined) {
        t.skip(missing);
        return;
      }
      const { there, url, key } = place();
      const student = await classrooms.enter(world, 'student', 'student', [], there);
      const video =
        'videotestsrc is-live=true pattern=ball ! video/x-raw,width=640,height=360,framerate=30/1 ! ' +
        'x264enc tune=zerolatency speed-preset=ultrafast key-int-max=60 bitrate=800 ! ' +
        'video/x-h264,profile=constrained-baseline ! rtph264pay config-interval=-1 pt=96 ssrc=2 ! ' +
        'application/x-rtp,media=video,encoding-name=H264,payload=96';
      const audio =
        'audiotestsrc is-live=true ! audioconvert ! opusenc ! rtpopuspay pt=100 ssrc=1 ! ' +
        'application/x-rtp,media=audio,encoding-name=OPUS,payload=100';
      const client = startWhipClient(['-u', url, '-t', key, '-V', video, '-A', audio]);
      t.after(() => client.close());
      await sees(student, () => client.output);
      await until('it is on air', () => gateway.latest?.lesson === there.room);
      await client.close();
      await until('it leaves when it ends', async () => {
        const facts = await student.evaluate(() => window.classroom.facts.map(({ name }) => name));
        return facts.includes('peer:left');
      });
      await student.context().close();
    });

    test('of Chromium in three layers', async () => {
      const { there, url, key } = place();
      const student = await classrooms.enter(world, 'student', 'student', [], there);
      const publisher = await classrooms.page();
      await publisher.evaluate(([to, bearer]) => window.whip.publish(to, bearer, 'H264', 3), [
        url,
        key,
      ] as const);
      await sees(student, () => 'nothing came');
      await until(
        'the audience gets all layers',
        () => {
          const video = gateway.latest?.tracks.filter(({ kind }) => kind === 'video') ?? [];
          return (
            gateway.latest?.lesson === there.room &&
            video.length === 3 &&
            video.every(({ ssrc }) => (gateway.streams.get(ssrc)?.packets ?? 0) > 20)
          );
        },
        60_000,
      );
      await publisher.context().close();
      await student.context().close();
    });

    test('of Chromium', async () => {
      const { there, url, key } = place();
      const student = await classrooms.enter(world, 'student', 'student', [], there);
      const publisher = await classrooms.page();
      await publisher.evaluate(([to, bearer]) => window.whip.publish(to, bearer), [url, key] as const);
      await sees(student, () => 'nothing came');
      const { width } = await student.evaluate(() => window.classroom.size());
      assert.ok(width >= 320, `${width} px wide`);
      await publisher.evaluate(() => window.whip.restartIce());
      await sees(student, () => 'nothing came after the ICE restart');
      await publisher.context().close();
      await until('it leaves with its tab', async () => {
        const facts = await student.evaluate(() => window.classroom.facts.map(({ name }) => name));
        return facts.includes('peer:left');
      });
      await student.context().close();
    });
  });
});
