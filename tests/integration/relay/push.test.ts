// A class sent on to an RTMP server of others: nginx-rtmp takes it, and ffprobe looks at it there.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { connect, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createServer as createTlsServer } from 'node:tls';
import { after, before, describe, it } from 'node:test';
import { makeNginxRtmp, nginxRtmpMissing, type NginxRtmp } from '../../support/nginx-rtmp.ts';
import { ABOUT, CHANNEL, probe, startRelayRig, type RelayRig } from './rig.ts';

const KEY = 'very-secret-key-9';

describe('a class sent on', { skip: nginxRtmpMissing ?? false, timeout: 120_000 }, () => {
  let rig: RelayRig;
  let nginx: NginxRtmp;
  before(async () => {
    rig = await startRelayRig();
    nginx = await makeNginxRtmp();
    await nginx.start();
  });
  after(async () => {
    await rig.close();
    await nginx.close();
  });

  it('waits for the class, runs while it is live, and is over with it', async () => {
    const url = `${nginx.url}/${KEY}`;
    const told = await rig.relays.put(CHANNEL, { ...ABOUT, wanted: { push: [{ url }], pull: null } });
    assert.equal(told.push[0]?.state, 'idle');
    assert.equal(told.push[0].url, `${nginx.url}/***`, 'the key is not told again');

    const endClass = rig.goLive();
    await rig.until('it runs', ({ push }) => push[0]?.state === 'running');
    assert.deepEqual(await probe(url), ['aac', 'h264,320']);
    assert.match(await rig.metrics.metrics(), /lectern_relays\{direction="push",state="running"\} 1/);
    assert.equal(rig.egress.egress.viewers(CHANNEL).flv, 0, 'a server is no viewer');

    endClass();
    await rig.until('it waits for the next class', ({ push }) => push[0]?.state === 'idle');
    rig.relays.forget(CHANNEL);
  });

  it('is tried again until the server is there, and when it comes back', async () => {
    await nginx.stop();
    const endClass = rig.goLive();
    const url = `${nginx.url}/${KEY}`;
    await rig.relays.put(CHANNEL, { ...ABOUT, wanted: { push: [{ url }], pull: null } });
    const down = await rig.until('it says why', ({ push }) => push[0]?.state === 'retrying');
    assert.deepEqual(down.push[0]?.reason, { code: 'connection-refused', detail: null });
    assert.ok(Number(down.push[0]?.retryAtMs) > Date.now() - 1_000);

    await nginx.start();
    const up = await rig.until('it runs', ({ push }) => push[0]?.state === 'running');
    assert.equal(up.push[0]?.reason, null);
    assert.deepEqual(await probe(url), ['aac', 'h264,320']);

    await nginx.stop();
    await rig.until('it noticed', ({ push }) => push[0]?.state === 'retrying');
    await nginx.start();
    await rig.until('it runs again', ({ push }) => push[0]?.state === 'running');
    endClass();
    rig.relays.forget(CHANNEL);
  });

  it('goes on after a restart of the gateway, to several servers, each by itself', async () => {
    const endClass = rig.goLive();
    const urls = [`${nginx.url}/first-of-two`, `${nginx.url}/second-of-two`];
    const wanted = { push: urls.map((url) => ({ url })), pull: null };
    await rig.relays.put(CHANNEL, { ...ABOUT, wanted });
    await rig.restart();
    const now = await rig.until('both run', ({ push }) => push.every(({ state }) => state === 'running'));
    assert.equal(now.push.length, 2);
    for (const name of readdirSync(rig.dir).filter((file) => file.endsWith('.json'))) {
      assert.equal(statSync(join(rig.dir, name)).mode & 0o777, 0o600, 'keys are for the owner of the data');
    }
    for (const url of urls) assert.ok((await probe(url)).includes('h264,320'));

    const [first, second] = now.push;
    assert.ok(first && second);
    const kept = { ...ABOUT, wanted: { push: [{ id: second.id }], pull: null } };
    const left = await rig.relays.put(CHANNEL, kept);
    assert.deepEqual(
      left.push.map(({ id, state, sinceMs }) => ({ id, state, sinceMs })),
      [{ id: second.id, state: 'running', sinceMs: second.sinceMs }],
      'what stays is not disturbed',
    );
    await assert.rejects(
      rig.relays.put(CHANNEL, { ...ABOUT, wanted: { push: [{ id: first.id }], pull: null } }),
      { code: 'conflict' },
    );
    rig.relays.forget(CHANNEL);
    assert.deepEqual(rig.relays.get(CHANNEL), { push: [], pull: null });
    assert.deepEqual(
      readdirSync(rig.dir).filter((name) => name.endsWith('.json')),
      [],
    );
    endClass();
  });

  it('lets a server go that accepts and then takes nothing', async () => {
    const sockets: Socket[] = [];
    const mute = createServer((socket) => {
      sockets.push(socket);
      socket.on('error', () => undefined);
    });
    mute.listen(0, '127.0.0.1');
    await once(mute, 'listening');
    const address = mute.address();
    const port = typeof address === 'object' && address !== null ? address.port : 0;
    const endClass = rig.goLive();
    const wanted = { push: [{ url: `rtmp://127.0.0.1:${port}/live/x` }], pull: null };
    await rig.relays.put(CHANNEL, { ...ABOUT, wanted });
    await rig.until('it tries', ({ push }) => push[0]?.state === 'connecting');
    const now = await rig.until('it gave up', ({ push }) => push[0]?.state === 'retrying', 40_000);
    assert.equal(now.push[0]?.reason?.code, 'takes-nothing');
    endClass();
    rig.relays.forget(CHANNEL);
    for (const socket of sockets) socket.destroy();
    mute.close();
  });

  it('never says a key, in answers and in the log', async () => {
    const endClass = rig.goLive();
    const url = `rtmp://127.0.0.1:1/app/${KEY}?token=${KEY}2`;
    await rig.relays.put(CHANNEL, { ...ABOUT, wanted: { push: [{ url }], pull: null } });
    const now = await rig.until('it failed', ({ push }) => push[0]?.state === 'retrying');
    assert.ok(!JSON.stringify(now).includes(KEY));
    assert.ok(!rig.lines.join('').includes(KEY));
    assert.match(rig.lines.join(''), /relay changed/);
    endClass();
    rig.relays.forget(CHANNEL);
  });
});

describe('a class sent on over TLS', { skip: nginxRtmpMissing ?? false, timeout: 60_000 }, () => {
  /** Puts TLS in front of nginx; returns its port. */
  async function secure(nginx: NginxRtmp, key: Buffer, cert: Buffer) {
    const server = createTlsServer({ key, cert }, (socket) => {
      const onward = connect(nginx.port, '127.0.0.1');
      socket.on('error', () => onward.destroy());
      onward.on('error', () => socket.destroy());
      socket.pipe(onward).pipe(socket);
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const address = server.address();
    return { server, port: typeof address === 'object' && address !== null ? address.port : 0 };
  }

  it('reaches a server whose certificate is good, and tells its key to no other', async () => {
    const dir = mkdtempSync(join(tmpdir(), 'lectern-tls-'));
    execFileSync(
      'openssl',
      ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '2'].concat(
        ['-keyout', join(dir, 'key.pem'), '-out', join(dir, 'cert.pem'), '-subj', '/CN=localhost'],
        ['-addext', 'subjectAltName=DNS:localhost'],
      ),
      { stdio: 'ignore' },
    );
    const cert = readFileSync(join(dir, 'cert.pem'));
    const nginx = await makeNginxRtmp();
    await nginx.start();
    const { server, port } = await secure(nginx, readFileSync(join(dir, 'key.pem')), cert);
    const wanted = { push: [{ url: `rtmps://localhost:${port}/live/${KEY}` }], pull: null };
    try {
      for (const authorities of [[cert.toString()], []]) {
        const rig = await startRelayRig({ authorities });
        try {
          const endClass = rig.goLive();
          await rig.relays.put(CHANNEL, { ...ABOUT, wanted });
          if (authorities.length > 0) {
            await rig.until('it runs', ({ push }) => push[0]?.state === 'running');
            assert.ok((await probe(`${nginx.url}/${KEY}`)).includes('h264,320'));
          } else {
            await rig.until('it is refused', ({ push }) => push[0]?.state === 'retrying');
            assert.ok(!rig.lines.join('').includes('"running"'));
          }
          endClass();
        } finally {
          await rig.close();
        }
      }
    } finally {
      server.close();
      await nginx.close();
      rmSync(dir, { recursive: true, force: true });
    }
  });
});

it('says so once where there is no ffmpeg', async () => {
  const rig = await startRelayRig({ ffmpeg: '/nowhere/ffmpeg' });
  try {
    rig.goLive();
    const wanted = { push: [{ url: 'rtmp://127.0.0.1:1/app/key' }], pull: null };
    await rig.relays.put(CHANNEL, { ...ABOUT, wanted });
    const now = await rig.until('it failed', ({ push }) => push[0]?.state === 'failed');
    assert.equal(now.push[0]?.reason?.code, 'no-ffmpeg');
  } finally {
    await rig.close();
  }
});

it('refuses an address inside this network at once, unless the operator allows it', async () => {
  const rig = await startRelayRig({ allowPrivate: false });
  try {
    for (const url of ['rtmp://127.0.0.1/live/key', 'rtmp://localhost/live/key', 'rtmp://[::1]/live/key']) {
      const wanted = { push: [{ url }], pull: null };
      await assert.rejects(rig.relays.put(CHANNEL, { ...ABOUT, wanted }), /LECTERN_RELAY_PRIVATE/);
    }
    assert.deepEqual(rig.relays.get(CHANNEL), { push: [], pull: null });
  } finally {
    await rig.close();
  }
});
