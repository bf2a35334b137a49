// What was handed out and is revoked, forbidden or over: closed within a second, on every protocol.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { after, before, describe, it } from 'node:test';
import { WebSocket } from 'ws';
import { signPlayback } from '#server/playback-sign.ts';
import { info, SECRET } from '../gateway-egress/rig.ts';
import { classOnAir, hasRtmpdump, LIVE, REPLAY, signed, type ClassOnAir } from './class-on-air.ts';

/** What stays open, with how to learn of its end. */
interface Watching {
  readonly protocol: string;
  readonly ended: Promise<number>;
}

describe('those who watch', () => {
  let stage: ClassOnAir;
  before(async () => {
    stage = await classOnAir();
  });
  after(() => stage.close());

  /** Opens all that stays open; resolves once media flows in each. `ended` is when, as `performance.now()`. */
  async function watchAll(query: string): Promise<{ all: Watching[]; stop: () => void }> {
    const http = await fetch(`${stage.rig.url}${LIVE}.flv?${query}`);
    const reader = http.body?.getReader();
    await reader?.read();
    const drained = async () => {
      try {
        while ((await reader?.read())?.done === false);
      } catch {
        // Cut off is an end as well.
      }
      return performance.now();
    };
    const socket = new WebSocket(`${stage.rig.url.replace('http', 'ws')}${LIVE}.flv?${query}`);
    await once(socket, 'message');
    const all = [
      { protocol: 'HTTP-FLV', ended: drained() },
      { protocol: 'WebSocket-FLV', ended: once(socket, 'close').then(() => performance.now()) },
    ];
    const rtmp = hasRtmpdump ? stage.dump(query) : undefined;
    if (rtmp?.stdout !== undefined && rtmp.stdout !== null) {
      rtmp.stderr?.resume();
      await once(rtmp.stdout, 'data');
      rtmp.stdout.resume();
      all.push({ protocol: 'RTMP', ended: once(rtmp, 'close').then(() => performance.now()) });
    }
    return {
      all,
      stop() {
        void reader?.cancel().catch(() => undefined);
        socket.terminate();
        rtmp?.kill('SIGKILL');
      },
    };
  }

  /** Asserts that each ends within a second from `sinceMs`. */
  async function assertEnd(all: readonly Watching[], sinceMs: number): Promise<void> {
    for (const { protocol, ended } of all) {
      const late = new Promise<number>((resolve) => setTimeout(() => resolve(Infinity), 5_000).unref());
      const afterMs = (await Promise.race([ended, late])) - sinceMs;
      assert.ok(afterMs < 1_000, `${protocol} was open for ${Math.round(afterMs)} ms`);
    }
  }

  it('are let go within a second when addresses are revoked, and cannot come back by them', async () => {
    await stage.set();
    const old = signed(LIVE, stage.epoch());
    const oldReplay = signed(REPLAY, stage.epoch());
    const { all, stop } = await watchAll(old);
    const sinceMs = performance.now();
    await stage.set({}, 'revoke');
    await assertEnd(all, sinceMs);
    stop();
    for (const path of [`${LIVE}.flv`, `${LIVE}/index.m3u8`, stage.segment]) {
      assert.equal(await stage.overHttp(path, old), 'signature-invalid', path);
    }
    for (const path of [`${REPLAY}.mp4`, `${REPLAY}/index.m3u8`, stage.replaySegment]) {
      assert.equal(await stage.overHttp(path, oldReplay), 'signature-invalid', path);
    }
    const fresh = signed(LIVE, stage.epoch());
    assert.match(fresh, /&epoch=1$/);
    const playlist = await (await fetch(`${stage.rig.url}${LIVE}/index.m3u8?${fresh}`)).text();
    assert.match(playlist, /epoch=1/, 'playlists hand it on');
    assert.equal(await stage.overHttp(stage.segment, fresh), 'allow');
  });

  it('are let go when a new rule keeps them out, and stay when it does not', async () => {
    await stage.set();
    const { all, stop } = await watchAll(signed(LIVE, stage.epoch()));
    await stage.set({ ip: { allow: [], deny: ['192.0.2.0/24'] } });
    const second = new Promise((done) => setTimeout(() => done('all are there'), 1_100));
    const first = await Promise.race([
      second,
      ...all.map(({ protocol, ended }) => ended.then(() => protocol)),
    ]);
    assert.equal(first, 'all are there');
    const sinceMs = performance.now();
    await stage.set({ ip: { allow: [], deny: ['127.0.0.1'] } });
    await assertEnd(all, sinceMs);
    stop();
  });

  it('are let go when the rules of the school change, for a lesson without its own', async () => {
    await stage.set();
    const { all, stop } = await watchAll(signed(LIVE, stage.epoch()));
    const { access } = stage.rig.access.settings.ofChannel(info.channel);
    const sinceMs = performance.now();
    const region = { mode: 'deny' as const, countries: ['CN'], allowUnknown: true };
    await stage.rig.access.settings.putDefaults({ version: 1, access: { ...access, region } });
    await assertEnd(all, sinceMs);
    await stage.rig.access.settings.putDefaults({ version: 2, access });
    stop();
  });

  it('are let go when their signature runs out', async () => {
    await stage.set();
    const expires = Math.floor(Date.now() / 1_000) + 2;
    const { all, stop } = await watchAll(
      signPlayback(SECRET, 'play', LIVE, expires, undefined, stage.epoch()),
    );
    await assertEnd(all, performance.now() + expires * 1_000 - Date.now());
    assert.ok(Date.now() > expires * 1_000, 'and not before');
    stop();
  });
});
