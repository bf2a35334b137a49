// Watching by WHEP: a plain page with RTCPeerConnection and fetch, through changes of the programme.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import type { Page } from 'playwright-core';
import { signPlayback } from '#server/playback-sign.ts';
import { makePublishKey } from '#server/publish-key.ts';
import { answerFor } from '../../../gateway/access/answer.ts';
import { createDecide } from '../../../gateway/access/decide.ts';
import { streamKey } from '../../../gateway/access/rules/key.ts';
import { signedAddress } from '../../../gateway/access/rules/tokens.ts';
import { CHROMIUM_OFFER } from '../../unit/sfu/offers.ts';
import { openClassrooms, type Classrooms } from './browser.ts';
import { FakeGateway } from './fake-gateway.ts';
import { makeWorld, Person, randomId, until, type World } from './world.ts';

describe('WHEP', () => {
  let world: World;
  let gateway: FakeGateway;
  let classrooms: Classrooms;
  before(async () => {
    gateway = await FakeGateway.open();
    world = await makeWorld({ LECTERN_GATEWAY_URL: `http://127.0.0.1:${gateway.port}` });
    const { playback } = world.secrets;
    gateway.decide = answerFor(createDecide([signedAddress(playback), streamKey(playback)]));
    classrooms = await openClassrooms();
  });
  after(async () => {
    await classrooms.close();
    await world.close();
    gateway.close();
  });

  const elsewhere = () => ({ room: randomId(), channel: randomId() });
  const address = (channel: string, inS = 3_600) => {
    const expires = Math.floor(Date.now() / 1_000) + inS;
    return `${world.url}/whep/${channel}?${signPlayback(world.secrets.playback, 'play', `/live/${channel}`, expires)}`;
  };
  const post = (url: string, body = CHROMIUM_OFFER) =>
    fetch(url, { method: 'POST', body, headers: { 'content-type': 'application/sdp' } });
  const watch = async (channel: string): Promise<Page> => {
    const page = await classrooms.page();
    await page.evaluate((url) => window.whip.play(url), address(channel));
    return page;
  };
  const received = (page: Page) => page.evaluate(() => window.whip.received());
  const moves = async (page: Page, what: string, more = 20) => {
    const { frames } = await received(page);
    await until(what, async () => (await received(page)).frames > frames + more, 20_000).catch(
      async (error: unknown) => {
        throw new Error(JSON.stringify(await received(page)), { cause: error });
      },
    );
  };
  /** Resolves with when the last picture came, once no more do. */
  const over = async (page: Page): Promise<number> => {
    let last = { frames: -1, atMs: 0 };
    const stopped = async () => {
      const { frames } = await received(page);
      if (frames !== last.frames) last = { frames, atMs: performance.now() };
      return performance.now() - last.atMs > 1_500;
    };
    await until('the player is shown out', stopped, 30_000);
    return last.atMs;
  };

  test('a player sees and hears the class, through changes of what is shown', async (t) => {
    const there = elsewhere();
    const teacher = await classrooms.enter(world, 'teacher', 'teacher', ['camera', 'microphone'], there);
    assert.equal((await post(address(there.channel))).status, 404, 'not live yet');
    await teacher.evaluate(() => window.classroom.ask('broadcast:start', {}));
    const started = performance.now();
    const player = await watch(there.channel);
    await moves(player, 'the first pictures', 0);
    t.diagnostic(`first picture ${(performance.now() - started).toFixed(0)} ms after the tab opened`);
    await moves(player, 'the picture moves');
    await until('sound', async () => (await received(player)).audioPackets > 50);
    await until('it is the best layer', async () => (await received(player)).width === 1280, 20_000);
    await until('it is heard', async () => (await received(player)).energy > 0);
    const second = await watch(there.channel);
    await moves(second, 'a second player sees it too');

    const key = makePublishKey(world.secrets.playback, there.channel, there.room, 0);
    const publisher = await classrooms.page();
    await publisher.evaluate(([url, bearer]) => window.whip.publish(url, bearer), [
      `${world.url}/whip/${there.channel}`,
      key,
    ] as const);
    await until('the encoder’s picture', async () => (await received(player)).width <= 640, 20_000);
    await moves(player, 'it moves');
    await publisher.context().close();
    await until('the camera again', async () => (await received(player)).width === 1280, 30_000);
    await moves(player, 'it moves again');
    assert.equal(await player.evaluate(() => window.whip.state()), 'connected', 'on one session all along');
    await player.evaluate(() => window.whip.restartIce());
    await moves(player, 'after an ICE restart');

    assert.equal(await second.evaluate(() => window.whip.end()), 200);
    await teacher.evaluate(() => window.classroom.ask('broadcast:stop', {}));
    await over(player);
    for (const page of [teacher, player, second]) await page.context().close();
  });

  test('a change of codec ends a session, and the next one has the new codec', async () => {
    const there = elsewhere();
    const url = `${world.url}/whip/${there.channel}`;
    const key = makePublishKey(world.secrets.playback, there.channel, there.room, 0);
    const encode = async (codec: string) => {
      const page = await classrooms.page();
      await page.evaluate(([to, bearer, name]) => window.whip.publish(to, bearer, name), [
        url,
        key,
        codec,
      ] as const);
      return page;
    };
    const old = await encode('VP8');
    await until('it is on air', async () => (await post(address(there.channel))).status === 201);
    const player = await watch(there.channel);
    await moves(player, 'VP8 is seen');
    assert.equal((await received(player)).codec, 'video/VP8');
    await old.evaluate(() => window.whip.end());
    const next = await encode('H264');
    await over(player);
    const again = await watch(there.channel);
    await moves(again, 'H.264 is seen');
    assert.equal((await received(again)).codec, 'video/H264');
    for (const page of [old, player, next, again]) await page.context().close();
  });

  test('nobody watches unsigned, or with a signature that has run out', async () => {
    const there = elsewhere();
    const teacher = await classrooms.enter(world, 'teacher', 'teacher', ['camera'], there);
    await teacher.evaluate(() => window.classroom.ask('broadcast:start', {}));
    const url = `${world.url}/whep/${there.channel}`;
    assert.equal((await post(url)).status, 403);
    assert.equal((await post(address(randomId()).replace(/whep\/\w+/, `whep/${there.channel}`))).status, 403);
    assert.equal((await post(address(there.channel, -10))).status, 403);
    gateway.down = true;
    assert.equal((await post(address(there.channel))).status, 503);
    gateway.down = false;
    assert.equal(
      (await post(address(there.channel), CHROMIUM_OFFER.replaceAll('recvonly', 'sendonly'))).status,
      406,
    );
    for (const method of ['GET', 'PUT', 'PATCH', 'DELETE']) {
      assert.equal((await fetch(address(there.channel), { method })).status, 405, method);
    }

    await teacher.context().close();
  });

  test('offers have a rate for each address', async () => {
    const { channel } = elsewhere();
    const offer = (ip: string) =>
      fetch(address(channel), {
        method: 'POST',
        body: 'v=0',
        headers: { 'content-type': 'application/sdp', 'x-forwarded-for': ip },
      });
    let answer = await offer('192.0.2.1');
    for (let count = 1; answer.status === 400 && count < 1_000; count += 1) answer = await offer('192.0.2.1');
    assert.equal(answer.status, 429);
    assert.ok(Number(answer.headers.get('retry-after')) > 0);
    assert.equal((await offer('192.0.2.2')).status, 400);
  });

  test('players are counted, and a class without a picture plays nothing', async () => {
    const counted = async () => {
      const metrics = await (await fetch(`${world.url}/metrics`)).text();
      return Number(/lectern_sfu_whep_viewers\{[^}]*\} (\d+)/.exec(metrics)?.[1]);
    };
    const others = await counted();
    const there = elsewhere();
    const teacher = await Person.join(world, 'teacher', 'teacher', there);
    await teacher.ask('broadcast:start', {});
    assert.equal((await post(address(there.channel))).status, 404);
    await teacher.publish('camera', 77);
    await until('it may be watched', async () => (await post(address(there.channel))).status === 201);
    await teacher.fact('broadcast:changed', ({ audience }) => audience > 0);
    // Every numbering of the codecs is a router of its own: one by which nobody watches makes room for the next.
    const statuses = new Set<number>();
    for (let type = 20; type < 60; type += 1) {
      const offer = CHROMIUM_OFFER.replace(' 109 ', ` ${type} `).replaceAll(/:109 /g, `:${type} `);
      statuses.add((await post(address(there.channel), offer)).status);
    }
    assert.deepEqual([...statuses], [201]);
    const viewers = await counted();
    assert.ok(
      viewers > 0 && viewers <= others + 32,
      `${viewers} viewers, ${others} of them of other classes`,
    );
    teacher.leave();
  });
});
