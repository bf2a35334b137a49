// The door and the gateway's port with a certificate: HTTP/2 for browsers, HTTP/1.1 and WebSockets for who
// asks for them, and plain HTTP for the services alongside them.
import assert from 'node:assert/strict';
import { execFile, execFileSync } from 'node:child_process';
import { once } from 'node:events';
import {
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { createServer, type Server } from 'node:http';
import { connect as connectHttp2 } from 'node:http2';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test, type TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { connect as connectTls } from 'node:tls';
import { promisify } from 'node:util';
import { pino } from 'pino';
import { WebSocket, WebSocketServer } from 'ws';
import { followCertificate } from '#server/certificate.ts';
import { readSettings } from '#server/settings.ts';
import { readIdentity, TlsFront } from '#server/tls.ts';
import { createDoor, type Door } from '../../../bin/door.ts';
import { eventually } from '../../support/lectern.ts';

const run = promisify(execFile);
const dir = mkdtempSync(join(tmpdir(), 'lectern-tls-'));
const cert = join(dir, 'cert.pem');
const key = join(dir, 'key.pem');
const PIECE = Buffer.alloc(64 * 1024, 7);

let why: string | undefined;
let service: Server;
let front: TlsFront;
let gatewayPort = 0;
let door: Door;
let doorPort = 0;

/** What curl says of an address: HTTP version, status, and the body. */
async function curl(
  ...args: string[]
): Promise<{ version: string; status: string; body: string; location: string }> {
  const out = join(dir, 'body');
  const written = '%{http_version} %{http_code} %{redirect_url}';
  const { stdout } = await run('curl', ['-s', '--cacert', cert, '-o', out, '-w', written, ...args]);
  const [version = '', status = '', location = ''] = stdout.split(' ');
  return { version, status, location, body: readFileSync(out, 'utf8') };
}

before(async () => {
  try {
    const subject = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost,IP:127.0.0.1'];
    const made = ['-newkey', 'rsa:2048', '-nodes', '-keyout', key, '-out', cert, '-days', '2', ...subject];
    execFileSync('openssl', ['req', '-x509', ...made], { stdio: 'ignore' });
    execFileSync('curl', ['--version'], { stdio: 'ignore' });
  } catch {
    why = 'openssl and curl are not installed';
    return;
  }
  const sockets = new WebSocketServer({ noServer: true });
  service = createServer((request, response) => {
    if (request.url?.startsWith('/live/endless')) {
      response.writeHead(200, { 'content-type': 'video/x-flv' });
      response.write(PIECE);
      return;
    }
    const { host, 'x-forwarded-proto': proto } = request.headers;
    response.end(JSON.stringify({ host, proto, version: request.httpVersion, method: request.method }));
  });
  service.on('upgrade', (request, socket, head) => {
    sockets.handleUpgrade(request, socket, head, (client) => client.send('hello'));
  });
  const identity = { cert: readFileSync(cert), key: readFileSync(key) };
  front = new TlsFront(service, identity);
  gatewayPort = await front.listen(0, '127.0.0.1');
  writeFileSync(join(dir, 'index.html'), '<!doctype html><title>Lectern</title>');
  const origin = `http://127.0.0.1:${gatewayPort}`;
  door = createDoor({
    origins: { school: origin, gateway: origin, sfu: origin },
    pagesDir: dir,
    trustedProxies: new Set(),
    identity,
    log: pino({ level: 'silent' }),
  });
  doorPort = await door.listen(0, '127.0.0.1');
});

after(async () => {
  if (why === undefined) await Promise.all([door.close(), front.close()]);
  rmSync(dir, { recursive: true, force: true });
});

function story(name: string, tell: (t: TestContext) => Promise<void>): void {
  void test(name, async (t) => (why === undefined ? tell(t) : t.skip(why)));
}

story('curl gets HTTP/2, or HTTP/1.1 where it asks for that', async () => {
  for (const port of [gatewayPort, doorPort]) {
    const two = await curl('--http2', `https://localhost:${port}/live/x/index.m3u8`);
    assert.deepEqual([two.version, two.status], ['2', '200']);
    const one = await curl('--http1.1', `https://localhost:${port}/live/x/index.m3u8`);
    assert.deepEqual([one.version, one.status], ['1.1', '200']);
  }
});

story('the services behind the door are told that it was HTTPS, and for which host', async () => {
  for (const version of ['--http2', '--http1.1']) {
    const { body } = await curl(version, `https://localhost:${doorPort}/api/v1/lessons`);
    assert.deepEqual(JSON.parse(body), {
      host: `localhost:${doorPort}`,
      proto: 'https',
      version: '1.1',
      method: 'GET',
    });
  }
  const posted = await curl('--http2', '-d', '{"title":"x"}', `https://localhost:${doorPort}/api/v1/lessons`);
  assert.match(posted.body, /"method":"POST"/);
});

story('the page comes over HTTP/2', async () => {
  const { version, status, body } = await curl('--http2', `https://localhost:${doorPort}/`);
  assert.deepEqual([version, status], ['2', '200']);
  assert.match(body, /Lectern/);
});

story('WebSockets are upgraded over TLS', async () => {
  for (const port of [gatewayPort, doorPort]) {
    const client = new WebSocket(`wss://localhost:${port}/live/x.flv`, { ca: readFileSync(cert) });
    const [data] = (await once(client, 'message')) as [Buffer];
    assert.equal(data.toString(), 'hello');
    client.terminate();
  }
});

story('an answer that never ends comes piece by piece, and ends when the viewer leaves', async () => {
  const session = connectHttp2(`https://localhost:${doorPort}`, { ca: readFileSync(cert) });
  const stream = session.request({ ':path': '/live/endless.flv' });
  let bytes = 0;
  stream.on('data', (data: Buffer) => (bytes += data.length));
  for (let tries = 0; bytes < PIECE.length && tries < 50; tries += 1) await sleep(20);
  assert.equal(bytes, PIECE.length);
  stream.close();
  session.close();
  for (let tries = 0; tries < 50; tries += 1) {
    const count = await promisify(service.getConnections.bind(service))().catch(() => 0);
    if (count === 0) break;
    await sleep(20);
  }
});

story(
  'plain HTTP is sent from the door to HTTPS, but for monitors; the gateway takes it as it is',
  async () => {
    const sent = await curl(`http://localhost:${doorPort}/watch/x?y=1`);
    assert.deepEqual([sent.status, sent.location], ['308', `https://localhost:${doorPort}/watch/x?y=1`]);
    assert.equal((await curl(`http://localhost:${doorPort}/healthz`)).status, '200');
    const plain = await curl(`http://127.0.0.1:${gatewayPort}/internal/x`);
    assert.deepEqual([plain.version, plain.status], ['1.1', '200']);
  },
);

story(
  'people are sent to the public name, and browsers stay with TLS; services and monitors are not',
  async () => {
    const identity = { cert: readFileSync(cert), key: readFileSync(key) };
    const origin = `http://127.0.0.1:${gatewayPort}`;
    const named = createDoor({
      origins: { school: origin, gateway: origin, sfu: origin },
      pagesDir: dir,
      trustedProxies: new Set(),
      publicUrl: 'https://class.example.org',
      identity,
      log: pino({ level: 'silent' }),
    });
    const port = await named.listen(0, '127.0.0.1');
    const at = async (url: string, ...more: string[]) => {
      const { status, location } = await curl(...more, url);
      return `${status} ${location}`.trim();
    };
    try {
      const sent = '308 https://class.example.org/watch/x?y=1';
      assert.equal(await at(`http://localhost:${port}/watch/x?y=1`), sent);
      assert.equal(await at(`https://localhost:${port}/watch/x?y=1`), sent);
      assert.equal(await at(`https://localhost:${port}/watch/x`, '-H', 'Host: CLASS.example.org:443'), '200');
      assert.equal(await at(`https://localhost:${port}/live/x/index.m3u8`), '200');
      assert.equal(await at(`https://localhost:${port}/healthz`), '200');
      for (const path of ['/watch/x', '/api/v1/lessons', '/healthz']) {
        const { stdout } = await run('curl', ['-sI', '--cacert', cert, `https://localhost:${port}${path}`]);
        assert.match(stdout, /^strict-transport-security: max-age=15552000\r$/im, path);
      }
      const { stdout } = await run('curl', ['-sI', `http://localhost:${port}/healthz`]);
      assert.doesNotMatch(stdout, /strict-transport-security/i);
    } finally {
      await named.close();
    }
  },
);

story('a renewed certificate is shown without a restart; a pair that does not fit is not', async (t) => {
  // As certbot does it: a symlink in a folder of symlinks is turned.
  const live = join(dir, 'live');
  const paths = { cert: join(live, 'fullchain.pem'), key: join(live, 'privkey.pem') };
  const turn = (path: string, to: string) => {
    symlinkSync(to, `${path}.new`);
    renameSync(`${path}.new`, path);
  };
  const make = (name: string) => {
    const made = { cert: join(dir, `${name}-cert.pem`), key: join(dir, `${name}-key.pem`) };
    const files = ['-nodes', '-keyout', made.key, '-out', made.cert, '-days', '2'];
    execFileSync('openssl', ['req', '-x509', '-newkey', 'rsa:2048', ...files, '-subj', `/CN=${name}`], {
      stdio: 'ignore',
    });
    return made;
  };
  const [first, second, third] = [make('first'), make('second'), make('third')];
  mkdirSync(live);
  turn(paths.cert, first.cert);
  turn(paths.key, first.key);
  const settings = readSettings({ LECTERN_TLS_CERT: paths.cert, LECTERN_TLS_KEY: paths.key });
  const present = readIdentity(settings.tls);
  assert.ok(present);
  const renewable = new TlsFront(createServer(), present);
  const port = await renewable.listen(0, '127.0.0.1');
  const lines: { level: string; msg: string }[] = [];
  const log = pino(
    { formatters: { level: (level) => ({ level }) } },
    {
      write: (line: string) => void lines.push(JSON.parse(line) as (typeof lines)[0]),
    },
  );
  const stop = followCertificate(settings.tls, present, (identity) => renewable.renew(identity), log, 20);
  t.after(async () => {
    stop();
    await renewable.close();
  });
  const shown = async () => {
    const socket = connectTls({ port, host: '127.0.0.1', rejectUnauthorized: false });
    await once(socket, 'secureConnect');
    const { subject } = socket.getPeerCertificate();
    socket.destroy();
    return subject.CN;
  };
  assert.equal(await shown(), 'first');
  turn(paths.cert, second.cert);
  await eventually('the lone certificate is noticed', () => lines.length > 0);
  assert.equal(await shown(), 'first');
  turn(paths.key, second.key);
  await eventually('the pair is in use', async () => (await shown()) === 'second');
  rmSync(paths.key);
  await eventually('the missing file is noticed', () => lines.length > 2);
  turn(paths.key, third.key);
  turn(paths.cert, third.cert);
  await eventually('the next pair is in use', async () => (await shown()) === 'third');
  assert.deepEqual(
    lines.filter(({ level }) => level === 'info').map(({ msg }) => msg),
    ['certificate renewed', 'certificate renewed'],
  );
});

story('malformed data, and silence, are let go', async () => {
  for (const bytes of [
    Buffer.from([0x16, 3, 1, 0, 4, 1, 2, 3, 4]),
    Buffer.from('\0\0\0\0'),
    Buffer.alloc(0),
  ]) {
    const socket = connect(doorPort, '127.0.0.1');
    socket.on('error', () => undefined);
    await once(socket, 'connect');
    socket.end(bytes);
    socket.resume();
    await once(socket, 'close');
  }
  assert.equal((await curl('--http2', `https://localhost:${doorPort}/healthz`)).status, '200');
});

test('certificate and key are set together, and a file that is not there is named', () => {
  assert.throws(() => readSettings({ LECTERN_TLS_CERT: cert }), /LECTERN_TLS_KEY/);
  const settings = readSettings({ LECTERN_TLS_CERT: join(dir, 'none.pem'), LECTERN_TLS_KEY: key });
  assert.throws(() => readIdentity(settings.tls), /LECTERN_TLS_CERT: .*none\.pem cannot be read/);
  assert.equal(readIdentity(readSettings({}).tls), undefined);
});
