// Where a relay may go, and what is shown of where it goes.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { request, type IncomingMessage } from 'node:http';
import { connect } from 'node:net';
import { test } from 'node:test';
import { PullUrl, PushUrl, redactRelay, RelaysWanted } from '#shared/contract/relay.ts';
import { createServer, closeServer, listen } from '#server/service.ts';
import { createResolve, isPublic, PrivateAddressError } from '#server/outgoing.ts';
import { redactor } from '../../../gateway/relay/ffmpeg.ts';
import { openProxy } from '../../../gateway/relay/proxy.ts';
import { applicationOf } from '../../../gateway/relay/way.ts';

test('only addresses that the world can reach are public', () => {
  for (const ip of [
    '8.8.8.8',
    '142.250.1.1',
    '2a00:1450:4001:80b::200e',
    '2606:4700::1111',
    '::ffff:8.8.8.8',
    '64:ff9b::808:808',
  ]) {
    assert.ok(isPublic(ip), ip);
  }
  const inside = [
    ...['127.0.0.1', '127.9.9.9', '0.0.0.0', '10.1.2.3', '172.16.0.1', '172.31.255.255', '192.168.1.1'],
    ...['169.254.169.254', '100.64.0.1', '198.18.0.1', '224.0.0.1', '255.255.255.255', '192.0.2.1'],
    ...['::', '::1', 'fe80::1', 'fc00::1', 'fd12::1', 'ff02::1', '::ffff:127.0.0.1', '::ffff:a01:203'],
    // Those on which the two guards of before did not agree.
    ...[
      '192.0.0.8',
      '192.88.99.1',
      '198.51.100.1',
      '203.0.113.1',
      '240.0.0.1',
      '100::1',
      '2001:2::1',
      '3fff::1',
    ],
    ...[
      '5f00::1',
      '4000::1',
      'fec0::1',
      '64:ff9b:1::1',
      '64:ff9b::a9fe:a9fe',
      '2620:4f:8000::1',
      '127.1',
      '0x7f.1',
    ],
    ...['64:ff9b::7f00:1', '2002:7f00:1::', '2001::1', '2001:db8::1', '::127.0.0.1', 'example.com', ''],
  ];
  for (const ip of inside) assert.ok(!isPublic(ip), ip);
});

test('a name that leads inside is refused, however it is written', async () => {
  const resolve = createResolve(false);
  for (const host of [
    'localhost',
    '127.0.0.1',
    '127.1',
    '2130706433',
    '0x7f.1',
    '0177.0.0.1',
    '[::1]',
    '[::ffff:7f00:1]',
    '0',
  ]) {
    await assert.rejects(resolve(host), PrivateAddressError, host);
  }
  assert.equal(await createResolve(true)('127.0.0.1'), '127.0.0.1');
  assert.equal(await resolve('8.8.8.8'), '8.8.8.8');
});

test('the proxy refuses what is inside, by request and by tunnel, and passes what is allowed', async () => {
  const inside = createServer((asked, response) => response.end(`secret of ${asked.url}`));
  const port = await listen(inside, 0, '127.0.0.1');
  const fetchBy = async (proxy: string) => {
    const asked = request(proxy, { path: `http://127.0.0.1:${port}/a?b=c`, headers: { host: 'elsewhere' } });
    asked.end();
    const [response] = (await once(asked, 'response')) as [IncomingMessage];
    return { status: response.statusCode, body: (await response.toArray()).join('') };
  };
  const tunnelBy = async (proxy: string) => {
    const socket = connect(Number(new URL(proxy).port), '127.0.0.1');
    socket.write(`CONNECT 127.0.0.1:${port} HTTP/1.1\r\nhost: x\r\n\r\n`);
    const [bytes] = (await once(socket, 'data')) as [Buffer];
    socket.destroy();
    return bytes.toString('latin1').split('\r\n')[0];
  };
  const strict = await openProxy(createResolve(false));
  const open = await openProxy(createResolve(true));
  try {
    assert.deepEqual(await fetchBy(strict.url), { status: 403, body: '' });
    assert.equal(await tunnelBy(strict.url), 'HTTP/1.1 403 Forbidden');
    assert.deepEqual(await fetchBy(open.url), { status: 200, body: 'secret of /a?b=c' });
    assert.equal(await tunnelBy(open.url), 'HTTP/1.1 200 Connected');
  } finally {
    await Promise.all([strict.close(), open.close()]);
    await closeServer(inside);
  }
});

test('the application of an RTMP address is found as ffmpeg finds it', () => {
  assert.equal(applicationOf('/app/key'), 'app');
  assert.equal(applicationOf('/app/inst/key'), 'app/inst');
  assert.equal(applicationOf('/app/mp4:a/key'), 'app');
  assert.equal(applicationOf('/app'), 'app');
});

test('addresses are shown without what may be a key', () => {
  const shown = {
    'rtmp://a.rtmp.youtube.com/live2/abcd-efgh': 'rtmp://a.rtmp.youtube.com/live2/***',
    'rtmps://user:pass@live.example.com:443/app/key?x=y': 'rtmps://live.example.com:443/app/***',
    'rtmp://live.example.com/onlykey': 'rtmp://live.example.com/***',
    'https://cdn.example.com/live.m3u8?sign=abc': 'https://cdn.example.com/***',
    'https://cdn.example.com/a/b/live.m3u8': 'https://cdn.example.com/a/***',
  };
  for (const [url, expected] of Object.entries(shown)) assert.equal(redactRelay(url), expected);
  const hide = redactor('rtmp://u:passw0rd@live.example.com/app/ab%2Dcd?token=tttt');
  assert.equal(
    hide('[rtmp @ 0x1] no stream ab%2Dcd, ab-cd; passw0rd tttt rtmp://1.2.3.4/app/ab-cd: refused'),
    '[rtmp @ 0x1] no stream ***, ***; *** *** rtmp://1.2.3.4/app/***: refused',
  );
});

test('only addresses of the protocols that relays speak are taken', () => {
  for (const url of ['rtmp://a/b', 'rtmps://a.b:443/c/d?e=f']) assert.ok(PushUrl.safeParse(url).success, url);
  for (const url of [
    'http://a/b',
    'file:///etc/passwd',
    'rtmp://a',
    'rtmp:///b',
    'rtmp://a/b c',
    'a',
    'rtmp://a/b\nc',
    'tee:rtmp://a/b',
    '',
  ]) {
    assert.ok(!PushUrl.safeParse(url).success, url);
  }
  for (const url of ['http://a/b.m3u8', 'https://a/b.flv', 'rtmp://a/b'])
    assert.ok(PullUrl.safeParse(url).success, url);
  for (const url of ['file:///etc/passwd', 'concat:a|b', 'udp://a/b', 'srt://a/b', 'data:,x']) {
    assert.ok(!PullUrl.safeParse(url).success, url);
  }
  assert.ok(!RelaysWanted.safeParse({ push: [{ url: 'rtmp://a/b', id: 'abcdefgh' }], pull: null }).success);
  assert.ok(!RelaysWanted.safeParse({ push: Array(17).fill({ url: 'rtmp://a/b' }), pull: null }).success);
});
