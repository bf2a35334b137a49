// Strangers, malformed data and stalled readers: a clear answer, and no one else notices.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, connect, type Socket } from 'node:net';
import { after, before, describe, test } from 'node:test';
import { promisify } from 'node:util';
import { execFile } from 'node:child_process';
import { WebSocket } from 'ws';
import { createLog } from '#server/log.ts';
import { createMetrics } from '#server/service.ts';
import { createDecide } from '../../../gateway/access/decide.ts';
import { OpenConnections } from '../../../gateway/access/revalidation.ts';
import { EgressMetrics } from '../../../gateway/outputs/metrics.ts';
import { RtmpServer } from '../../../gateway/servers/rtmp/rtmp-server.ts';
import { eventually } from '../../support/lectern.ts';
import { shoot, shots, type Film } from './film.ts';
import { info, looped, startRig, type OnAir, type Rig } from './rig.ts';

const run = promisify(execFile);
const LIVE = `/live/${info.channel}`;
const PART = `${LIVE}/${info.broadcast}`;
const REPLAY = `/replay/${info.broadcast}`;

let film: Film;
before(async () => {
  film = await shoot(6);
});

async function codeOf(response: Response): Promise<string> {
  return ((await response.json()) as { error: { code: string } }).error.code;
}

/** The same address with another first letter in its signature. */
const forged = (url: string) => url.replace(/sign=(.)/, (_, first) => `sign=${first === 'A' ? 'B' : 'A'}`);

describe('who may watch', () => {
  let rig: Rig;
  let air: OnAir;

  before(async () => {
    rig = await startRig();
    air = rig.goLive();
    air.send(shots(film));
  });
  after(async () => {
    air.programme.end();
    await air.ladder.end();
    await rig.close();
  });

  const paths = [
    `${LIVE}.flv`,
    `${LIVE}/index.m3u8`,
    `${LIVE}/dvr.m3u8`,
    `${LIVE}/thumb-0.jpg`,
    `${PART}/v2.m3u8`,
    `${PART}/audio-dvr.m3u8`,
    `${PART}/init-0.mp4`,
    `${PART}/1-camera2.m4s`,
    `${REPLAY}/index.m3u8`,
    `${REPLAY}/thumb-0.jpg`,
    `${REPLAY}/1-camera2.m4s`,
    `${REPLAY}.mp4`,
    `${REPLAY}.flv`,
  ];
  for (const path of paths) {
    test(`${path} is for signed addresses only`, async () => {
      const refusals = [
        [`${rig.url}${path}`, 'signature-missing'],
        [forged(rig.signed(path)), 'signature-invalid'],
        [rig.signed(path, '/live/otherchannel'), 'signature-invalid'],
        [rig.signed(path, undefined, -5), 'signature-expired'],
      ] as const;
      for (const [url, code] of refusals) {
        const response = await fetch(url);
        assert.equal(response.status, 403);
        assert.equal(await codeOf(response), code);
      }
      const allowed = await fetch(rig.signed(path), { method: 'HEAD' });
      assert.equal(allowed.status, 200);
    });
  }

  test('a WebSocket without a good signature is refused before the upgrade', async () => {
    for (const url of [`${rig.url}${LIVE}.flv`, rig.signed(`${LIVE}.flv`, undefined, -5)]) {
      const socket = new WebSocket(url.replace('http', 'ws'));
      const [error] = (await once(socket, 'error')) as [Error];
      assert.match(error.message, /403/);
    }
  });

  test('RTMP says why, and not one byte of media comes', async () => {
    for (const [query, code] of [
      ['', 'signature-missing'],
      [new URL(rig.signed(LIVE, undefined, -5)).search, 'signature-expired'],
    ] as const) {
      const result = await run('ffmpeg', [
        '-v',
        'verbose',
        '-i',
        `${rig.rtmpUrl}${LIVE}${query}`,
        '-f',
        'null',
        '-',
      ])
        .then(() => assert.fail('it played'))
        .catch((error: unknown) => (error as { stderr: string }).stderr);
      assert.match(result, new RegExp(code));
      assert.doesNotMatch(result, /Stream #0/);
    }
    const publish = await run('ffmpeg', [
      ...['-v', 'verbose', '-f', 'lavfi', '-i', 'testsrc', '-t', '1', '-c:v', 'libx264', '-f', 'flv'],
      `${rig.rtmpUrl}${LIVE}?key=abc`,
    ])
      .then(() => assert.fail('it published'))
      .catch((error: unknown) => (error as { stderr: string }).stderr);
    assert.match(publish, /forbidden/);
  });

  test('other methods, unknown paths and tricks get a coded answer', async () => {
    const post = await fetch(rig.signed(`${LIVE}.flv`), { method: 'POST' });
    assert.equal(post.status, 405);
    assert.equal(post.headers.get('allow'), 'GET, HEAD, OPTIONS');
    assert.equal(await codeOf(post), 'method-not-allowed');
    const preflight = await fetch(`${rig.url}${PART}/v2.m3u8`, { method: 'OPTIONS' });
    assert.equal(preflight.status, 204);
    assert.equal(preflight.headers.get('access-control-allow-origin'), '*');
    for (const path of [
      '/',
      '/live',
      '/live/..%2f..%2fsecrets.json',
      '/replay/broadcast1/recording.json%00.m4s',
    ]) {
      const response = await fetch(rig.url + path);
      assert.equal(response.status, 404, path);
      assert.equal(await codeOf(response), 'not-found');
    }
    for (const name of ['recording.json', 'index.ndjson', '999-camera2.m4s', 'init-77.mp4', 'v9.m3u8']) {
      assert.equal((await fetch(rig.signed(`${PART}/${name}`))).status, 404, name);
    }
    const raw = await speak(
      rig.url,
      `GET /live/../${info.broadcast}/recording.json HTTP/1.1\r\nhost: x\r\n\r\n`,
    );
    assert.match(raw, /^HTTP\/1.1 404 /);
    assert.equal((await fetch(`${rig.url}/x?${'y'.repeat(4_000)}`)).status, 413);
  });

  test('a channel with nothing on air says so', async () => {
    for (const path of ['/live/otherchannel.flv', '/live/otherchannel/index.m3u8']) {
      const response = await fetch(rig.signed(path));
      assert.equal(response.status, 404);
      assert.equal(await codeOf(response), 'not-live');
    }
  });
});

describe('malformed data on the RTMP port', () => {
  let rig: Rig;
  before(async () => {
    rig = await startRig();
  });
  after(() => rig.close());

  const handshake = Buffer.concat([Buffer.from([3]), Buffer.alloc(1536), Buffer.alloc(1536)]);
  const huge = Buffer.concat([
    handshake,
    // A message on chunk stream 3 that announces 16 MB.
    Buffer.from('03000000ffffff1400000000', 'hex'),
    Buffer.alloc(200),
  ]);
  for (const [name, bytes] of [
    ['a web browser', Buffer.from('GET / HTTP/1.1\r\nhost: x\r\n\r\n'.repeat(200))],
    ['a message of 16 MB', huge],
    ['noise', Buffer.concat([handshake, Buffer.alloc(60_000, 0x5a)])],
    ['a flood', Buffer.alloc(1024 * 1024, 2)],
  ] as const) {
    test(`${name} loses its connection and nothing else happens`, async () => {
      const socket = connect(Number(new URL(rig.rtmpUrl.replace('rtmp', 'http')).port), '127.0.0.1');
      socket.on('error', () => undefined);
      socket.resume();
      socket.write(bytes);
      await new Promise((resolve) => socket.once('close', resolve));
      assert.equal((await fetch(`${rig.url}/healthz`)).status, 200);
    });
  }

  test('a port that is taken is named with its setting', async () => {
    const other = createServer().listen(0, '127.0.0.1');
    await once(other, 'listening');
    const { port } = other.address() as { port: number };
    const metrics = new EgressMetrics(createMetrics('gateway'));
    const log = createLog('silent', 'gateway');
    const open = new OpenConnections(createDecide([]));
    const server = new RtmpServer({ egress: rig.egress, metrics, open, log });
    await assert.rejects(server.listen(port, '127.0.0.1'), /taken: set LECTERN_RTMP_PORT/);
    other.close();
  });
});

test('readers that stall grow no memory and disturb nobody', async () => {
  const rig = await startRig();
  const air = rig.goLive();
  const stalled: Socket[] = [];
  try {
    const { port, pathname, search } = new URL(rig.signed(`${LIVE}.flv`));
    air.send(shots(film));
    for (let index = 0; index < 20; index += 1) {
      const socket = connect(Number(port), '127.0.0.1');
      socket.write(`GET ${pathname}${search} HTTP/1.1\r\nhost: x\r\n\r\n`);
      await once(socket, 'readable');
      socket.pause();
      stalled.push(socket);
    }
    const response = await fetch(rig.signed(`${LIVE}.flv`));
    let got = 0;
    const reading = (async () => {
      for await (const chunk of response.body ?? []) got += (chunk as Uint8Array).length;
    })();
    const before = process.memoryUsage();
    let sent = 0;
    for (const shot of looped(film, 12)) {
      if (shot.layer !== 2) continue;
      const moved = { ...shot.frame, ptsUs: shot.frame.ptsUs + 6e6, dtsUs: shot.atUs + 6e6 };
      air.programme.writeFrame(moved);
      sent += shot.frame.data.length;
      // Thirty times as fast as it was filmed.
      if (shot.frame.kind === 'video' && shot.frame.key)
        await new Promise((resolve) => setTimeout(resolve, 7));
    }
    await eventually('the quick reader has everything', () => got > sent);
    const after = process.memoryUsage();
    const grownMb = (after.arrayBuffers + after.external - before.arrayBuffers - before.external) / 1e6;
    assert.ok(sent > 15e6, `${sent} bytes were sent`);
    // What one stalled reader may hold back is bounded, and readers share most of it.
    assert.ok(grownMb < 60, `${grownMb} MB for 20 stalled readers`);
    const metrics = await (await fetch(`${rig.url}/metrics`)).text();
    assert.match(metrics, /lectern_egress_slow_readers_total\{[^}]*outcome="skipped"[^}]*\} (?:[1-9]\d*)/);
    air.programme.end();
    await reading;
  } finally {
    for (const socket of stalled) socket.destroy();
    air.programme.end();
    await air.ladder.end();
    await rig.close();
  }
});

/** Sends raw bytes to a server and resolves with the beginning of its answer. */
async function speak(url: string, text: string): Promise<string> {
  const socket = connect(Number(new URL(url).port), '127.0.0.1');
  socket.write(text);
  const [answer] = (await once(socket, 'data')) as [Buffer];
  socket.destroy();
  return answer.toString('latin1');
}
