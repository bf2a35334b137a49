// The door in front of tiny real servers, over real sockets.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, request, type IncomingMessage, type RequestListener, type Server } from 'node:http';
import { connect, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { brotliDecompressSync, gunzipSync } from 'node:zlib';
import { pino } from 'pino';
import { WebSocket, WebSocketServer } from 'ws';
import { createDoor, type Door } from '../../../bin/door.ts';
import { compress } from '../../../bin/setup/page.ts';

/** Loopback, but no proxy that the door trusts: a client from anywhere. */
const STRANGER = '127.0.0.2';
const INDEX = `<!doctype html><title>Lectern</title>${'<p>hello</p>'.repeat(200)}`;

interface Upstream {
  server: Server;
  origin: string;
  handle: RequestListener;
}

const dir = mkdtempSync(join(tmpdir(), 'lectern-door-'));
const upstreams: Record<'school' | 'gateway' | 'sfu', Upstream> = {
  school: upstream(),
  gateway: upstream(),
  sfu: upstream(),
};
const sockets = new WebSocketServer({ noServer: true });
let door: Door;
let port = 0;

function upstream(): Upstream {
  const one: Upstream = {
    origin: '',
    handle: (_request, response) => response.end('ok'),
    server: createServer((request, response) => one.handle(request, response)),
  };
  return one;
}

before(async () => {
  mkdirSync(join(dir, 'assets'));
  writeFileSync(join(dir, 'index.html'), INDEX);
  writeFileSync(join(dir, 'assets/app-1a2b3c.js'), `console.log(${'1+'.repeat(2_000)}1);`);
  writeFileSync(join(dir, '.sources'), 'a stamp');
  await compress(dir);
  for (const one of Object.values(upstreams)) {
    one.server.listen(0, '127.0.0.1');
    await once(one.server, 'listening');
    one.origin = `http://127.0.0.1:${(one.server.address() as AddressInfo).port}`;
  }
  for (const { server } of [upstreams.gateway, upstreams.sfu]) {
    server.on('upgrade', (request, socket, head) => {
      sockets.handleUpgrade(request, socket, head, (socket) => sockets.emit('connection', socket, request));
    });
  }
  door = createDoor({
    playOrigins: ['https://cdn.example.org'],
    origins: {
      school: upstreams.school.origin,
      gateway: upstreams.gateway.origin,
      sfu: upstreams.sfu.origin,
    },
    pagesDir: dir,
    trustedProxies: new Set(['127.0.0.1']),
    log: pino({ level: 'silent' }),
  });
  port = await door.listen(0, '127.0.0.1');
});

after(async () => {
  await door.close();
  for (const { server } of Object.values(upstreams)) {
    server.closeAllConnections();
    server.close();
  }
  rmSync(dir, { recursive: true, force: true });
});

interface Answer {
  status: number;
  headers: IncomingMessage['headers'];
  body: Buffer;
}

/** Asks the door exactly as written: nothing resolves the path or decompresses the answer on the way. */
async function ask(
  path: string,
  headers: Record<string, string> = {},
  { method = 'GET', localAddress = '127.0.0.1' } = {},
): Promise<Answer> {
  const outgoing = request({ host: '127.0.0.1', port, path, headers, method, localAddress, agent: false });
  outgoing.end();
  const [incoming] = (await once(outgoing, 'response')) as [IncomingMessage];
  const chunks: Buffer[] = [];
  for await (const chunk of incoming) chunks.push(chunk as Buffer);
  return { status: incoming.statusCode ?? 0, headers: incoming.headers, body: Buffer.concat(chunks) };
}

const codeOf = ({ body }: Answer): string =>
  (JSON.parse(body.toString()) as { error: { code: string } }).error.code;

test('a viewer gets each piece of a live stream when it is sent, not when the stream ends', async () => {
  let send: (text: string) => void = () => undefined;
  upstreams.gateway.handle = (_request, response) => {
    response.writeHead(200, { 'content-type': 'video/x-flv' });
    send = (text) => response.write(text);
    response.write('FLV header');
  };
  const outgoing = request({ host: '127.0.0.1', port, path: '/live/abc.flv?sign=x', agent: false });
  outgoing.end();
  const [incoming] = (await once(outgoing, 'response')) as [IncomingMessage];
  assert.equal(String((await once(incoming, 'data'))[0]), 'FLV header');
  send('first tag');
  assert.equal(String((await once(incoming, 'data'))[0]), 'first tag');
  incoming.destroy();
});

test('a viewer who leaves is gone for the gateway too', async () => {
  const left = new Promise((resolve) => {
    upstreams.gateway.handle = (_request, response) => {
      response.write('FLV header');
      response.once('close', resolve);
    };
  });
  const outgoing = request({ host: '127.0.0.1', port, path: '/live/abc.flv', agent: false });
  outgoing.end();
  await once(outgoing, 'response');
  outgoing.destroy();
  await left;
});

test('more viewers than any pool of connections all get their stream', async () => {
  const VIEWERS = 300;
  upstreams.gateway.handle = (_request, response) => response.write('FLV header');
  const viewers = Array.from({ length: VIEWERS }, () => {
    const viewer = request({ host: '127.0.0.1', port, path: '/live/abc.flv', agent: false });
    viewer.on('error', () => undefined);
    viewer.end();
    return viewer;
  });
  await Promise.all(viewers.map((viewer) => once(viewer, 'response')));
  for (const viewer of viewers) viewer.destroy();
});

test('an upload reaches the school, and its answer comes back with status and cookies', async () => {
  upstreams.school.handle = (request, response) => {
    response.writeHead(201, { 'set-cookie': ['session=1', 'theme=dark'] });
    request.pipe(response);
  };
  const response = await fetch(`http://127.0.0.1:${port}/api/v1/lessons`, {
    method: 'POST',
    body: 'x'.repeat(200_000),
  });
  assert.equal(response.status, 201);
  assert.deepEqual(response.headers.getSetCookie(), ['session=1', 'theme=dark']);
  assert.equal((await response.text()).length, 200_000);
});

for (const path of ['/socket.io/?EIO=4&transport=websocket', '/live/abc.flv?sign=x']) {
  test(`a WebSocket to ${path} passes both ways, and each side hears when the other leaves`, async () => {
    sockets.once('connection', (socket: WebSocket, request: IncomingMessage) => {
      socket.send(`you asked for ${request.url}`);
      socket.on('message', (data: Buffer) => socket.send(`you said ${data.toString()}`));
      socket.on('close', (code) => sockets.emit('left', code));
    });
    const socket = new WebSocket(`ws://127.0.0.1:${port}${path}`);
    assert.equal(String((await once(socket, 'message'))[0]), `you asked for ${path}`);
    socket.send('hello');
    assert.equal(String((await once(socket, 'message'))[0]), 'you said hello');
    const left = once(sockets, 'left');
    socket.close(4_000);
    assert.deepEqual(await left, [4_000]);
  });
}

test('a WebSocket to a page or to a service that takes none is refused', async () => {
  for (const path of ['/', '/api/v1/lessons', '/internal/rooms']) {
    const socket = new WebSocket(`ws://127.0.0.1:${port}${path}`);
    const [, response] = (await once(socket, 'unexpected-response')) as [unknown, IncomingMessage];
    assert.equal(response.statusCode, 404);
    response.destroy();
  }
});

test('while a service restarts, callers are told so in its own words and when to come back', async () => {
  const gone = createDoor({
    origins: { school: 'http://127.0.0.1:9', gateway: 'http://127.0.0.1:9', sfu: 'http://127.0.0.1:9' },
    pagesDir: dir,
    trustedProxies: new Set(),
    log: pino({ level: 'silent' }),
  });
  const its = await gone.listen(0, '127.0.0.1');
  try {
    const response = await fetch(`http://127.0.0.1:${its}/api/v1/lessons`);
    assert.equal(response.status, 503);
    assert.equal(response.headers.get('retry-after'), '1');
    assert.equal(((await response.json()) as { error: { code: string } }).error.code, 'service-unavailable');

    const socket = new WebSocket(`ws://127.0.0.1:${its}/socket.io/`);
    const [, refused] = (await once(socket, 'unexpected-response')) as [unknown, IncomingMessage];
    assert.equal(refused.statusCode, 503);
    assert.equal(refused.headers['retry-after'], '1');
    refused.destroy();

    const ready = await fetch(`http://127.0.0.1:${its}/readyz`);
    assert.equal(ready.status, 503);
    assert.deepEqual(await ready.json(), {
      ok: false,
      services: { school: false, gateway: false, sfu: false },
    });
    assert.equal((await fetch(`http://127.0.0.1:${its}/healthz`)).status, 200);
    assert.equal((await fetch(`http://127.0.0.1:${its}/`)).status, 200, 'the page opens meanwhile');
  } finally {
    await gone.close();
  }
});

test('no way of writing an address leads to what services say to each other', async () => {
  const seen: string[] = [];
  for (const one of Object.values(upstreams)) {
    one.handle = (request, response) => {
      seen.push(request.url ?? '');
      response.end();
    };
  }
  const tricks = [
    '/internal/rooms/abc',
    '/internal',
    '//internal/rooms/abc',
    '/live/../internal/rooms/abc',
    '/live/%2e%2e/internal/rooms/abc',
    '/live/..%2finternal/rooms/abc',
    '/live/..%5cinternal',
    '/live/./../internal',
    '/api/v1/../../internal/events',
    '/live/..\\internal',
    `http://127.0.0.1:${port}/internal/events`,
    '/INTERNAL/events',
  ];
  for (const path of tricks) {
    const { status } = await ask(path, { accept: 'application/json' });
    assert.ok([200, 400, 404].includes(status), `${path} answered ${status}`);
  }
  assert.deepEqual(seen, [], 'a service was asked');
});

test('a service learns who is asking from the door, never from the client', async () => {
  upstreams.school.handle = (request, response) => response.end(JSON.stringify(request.headers));
  const lies = {
    host: 'class.example.org',
    'x-forwarded-for': '127.0.0.1',
    'x-forwarded-proto': 'https',
    'x-forwarded-host': 'evil.example',
    'x-real-ip': '127.0.0.1',
    forwarded: 'for=127.0.0.1',
  };
  const heard = async (localAddress: string) =>
    JSON.parse((await ask('/api/v1/session', lies, { localAddress })).body.toString()) as Record<
      string,
      string
    >;

  const stranger = await heard(STRANGER);
  assert.equal(stranger['x-forwarded-for'], STRANGER);
  assert.equal(stranger['x-forwarded-proto'], 'http');
  assert.equal(stranger['x-forwarded-host'], 'class.example.org');
  assert.equal(stranger['x-real-ip'], undefined);
  assert.equal(stranger.forwarded, undefined);

  const proxy = await heard('127.0.0.1');
  assert.equal(proxy['x-forwarded-proto'], 'https');
  assert.equal(proxy['x-forwarded-host'], 'evil.example');
});

test('metrics are for this machine, whatever a client says it is', async () => {
  upstreams.sfu.handle = (_request, response) => response.end('# TYPE rooms gauge\nrooms{service="sfu"} 2\n');
  const { status, body } = await ask('/metrics');
  assert.equal(status, 200);
  assert.match(body.toString(), /^rooms\{service="sfu"\} 2$/m);
  assert.match(body.toString(), /process_cpu_seconds_total\{service="door"\}/);
  // Some proxies write the port after the address, some `unknown`: that is not this machine either.
  for (const client of ['203.0.113.9', '203.0.113.9:4711', 'unknown']) {
    assert.equal((await ask('/metrics', { 'x-forwarded-for': client })).status, 404, client);
  }
});

test('a service that dies while it tells its figures leaves the others theirs, and the door open', async () => {
  upstreams.school.handle = (_request, response) => response.end('# TYPE lessons gauge\nlessons 3\n');
  upstreams.sfu.handle = (_request, response) => {
    response.writeHead(200, { 'content-length': 1_000 });
    response.write('# TYPE rooms gauge\n', () => response.destroy());
  };
  const { status, body } = await ask('/metrics');
  assert.equal(status, 200);
  assert.match(body.toString(), /^lessons 3$/m);
});

test('clients that hang up while their WebSocket is refused do not end the door', async () => {
  const head = 'host: a\r\nconnection: upgrade\r\nupgrade: websocket\r\nsec-websocket-key: abc\r\n\r\n';
  for (let count = 0; count < 20; count += 1) {
    const socket = connect(port, '127.0.0.1', () => {
      socket.write(`GET /nothing HTTP/1.1\r\n${head}`, () => socket.resetAndDestroy());
    });
    await once(socket, 'close');
  }
  // An error that nobody takes would fail this file, as it would end the process of the door.
  assert.equal((await ask('/healthz')).status, 200);
});

test('a page opens on each of its routes, compressed as the browser likes it', async () => {
  for (const path of ['/', '/owner', '/watch/abc', '/replay/abc']) {
    const { status, headers, body } = await ask(path, { 'accept-encoding': 'gzip, br' });
    assert.equal(status, 200, path);
    assert.equal(headers['content-encoding'], 'br');
    assert.equal(headers['cache-control'], 'no-cache');
    assert.equal(headers['content-type'], 'text/html;charset=utf-8');
    assert.equal(brotliDecompressSync(body).toString(), INDEX);
  }
  const zipped = await ask('/', { 'accept-encoding': 'gzip' });
  assert.equal(gunzipSync(zipped.body).toString(), INDEX);
  assert.equal((await ask('/')).body.toString(), INDEX);
});

test('a page may use camera and microphone, and nobody may put it into a frame elsewhere', async () => {
  const { headers } = await ask('/');
  assert.match(
    String(headers['permissions-policy']),
    /camera=\(self\), microphone=\(self\), display-capture=\(self\)/,
  );
  assert.match(String(headers['content-security-policy']), /frame-ancestors 'self'/);
  assert.match(String(headers['content-security-policy']), /worker-src 'self' blob:/);
  assert.match(
    String(headers['content-security-policy']),
    /connect-src 'self' [^;]*https:\/\/cdn\.example\.org/,
  );
  assert.equal(headers['referrer-policy'], 'same-origin');
  assert.equal(headers['x-content-type-options'], 'nosniff');
});

test('files with a hash in their name are kept forever; a missing one is missing, not the page', async () => {
  const script = await ask('/assets/app-1a2b3c.js', { 'accept-encoding': 'br' });
  assert.equal(script.status, 200);
  assert.equal(script.headers['cache-control'], 'public,max-age=31536000,immutable');
  assert.equal(script.headers['content-encoding'], 'br');
  for (const path of [
    '/assets/app-000000.js',
    '/assets/nothing',
    '/nothing.png',
    '/.sources',
    '/../package.json',
  ]) {
    const missing = await ask(path);
    assert.ok([400, 404].includes(missing.status), `${path} answered ${missing.status}`);
  }
  assert.equal(codeOf(await ask('/assets/app-000000.js')), 'not-found');
});

test('a page that did not change is not sent again', async () => {
  const { headers } = await ask('/');
  const again = await ask('/', { 'if-none-match': String(headers.etag) });
  assert.equal(again.status, 304);
  assert.equal(again.body.length, 0);
});

test('a page takes no other method', async () => {
  const { status, headers } = await ask('/', {}, { method: 'POST' });
  assert.equal(status, 405);
  assert.equal(headers.allow, 'GET, HEAD');
  const head = await ask('/', {}, { method: 'HEAD' });
  assert.equal(head.status, 200);
  assert.equal(head.body.length, 0);
});

test('an offer of HTTP/2 on a plain connection is passed over, not refused', async () => {
  const { status } = await ask('/healthz', {
    connection: 'Upgrade, HTTP2-Settings',
    upgrade: 'h2c',
    'http2-settings': '',
  });
  assert.equal(status, 200);
});

test('malformed data instead of HTTP is refused and does no harm', async () => {
  const socket = connect(port, '127.0.0.1');
  socket.write('\u0016\u0003\u0001 nonsense\r\n\r\n');
  assert.match(String((await once(socket, 'data'))[0]), /^HTTP\/1\.1 400 /);
  socket.destroy();
  assert.equal((await ask('/healthz')).status, 200);
});
