// Every port against connections that begin and say no more: each is closed in its time, and who speaks is
// served meanwhile. All at once, as their limits are of some seconds.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { connect as connectTls } from 'node:tls';
import { freePort } from '../../support/free-port.ts';
import { startLectern, type Lectern } from '../../support/lectern.ts';

/** The longest limit is of 10 s, looked at each 2 s; the rest is for a machine that is busy. */
const CLOSED_WITHIN_MS = 30_000;

/** The first byte of a frame that closes a WebSocket (RFC 6455 §5.2). */
const CLOSE_FRAME = 0x88;

const dir = mkdtempSync(join(tmpdir(), 'lectern-idle-'));
const ports = { door: 0, gateway: 0, school: 0, sfu: 0, rtmp: 0 };
let lectern: Lectern;

before(async () => {
  const [cert, key] = [join(dir, 'cert.pem'), join(dir, 'key.pem')];
  const subject = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost'];
  const made = ['-newkey', 'rsa:2048', '-nodes', '-keyout', key, '-out', cert, '-days', '2', ...subject];
  execFileSync('openssl', ['req', '-x509', ...made], { stdio: 'ignore' });
  for (const name of ['door', 'gateway', 'school', 'sfu', 'rtmp'] as const) ports[name] = await freePort();
  lectern = await startLectern({
    LECTERN_PORT: String(ports.door),
    LECTERN_GATEWAY_PORT: String(ports.gateway),
    LECTERN_SCHOOL_PORT: String(ports.school),
    LECTERN_SFU_PORT: String(ports.sfu),
    LECTERN_RTMP_PORT: String(ports.rtmp),
    LECTERN_TLS_CERT: cert,
    LECTERN_TLS_KEY: key,
  });
});
after(async () => {
  await lectern?.stop();
  rmSync(dir, { recursive: true, force: true });
});

/** Resolves with how long the server kept the connection, in ms. */
async function keptFor(socket: Socket): Promise<number> {
  const startMs = performance.now();
  // The server says that it closes a WebSocket, and gives the other side time to say so, too.
  socket.on('data', (data: Buffer) => {
    if (data[0] === CLOSE_FRAME) socket.destroy();
  });
  socket.on('error', () => undefined);
  const timer = setTimeout(() => socket.destroy(), CLOSED_WITHIN_MS);
  await new Promise((resolve) => socket.once('close', resolve));
  clearTimeout(timer);
  return performance.now() - startMs;
}

const plain = (port: number, said: string | Buffer = '') => {
  const socket = connect(port, '127.0.0.1');
  socket.write(said);
  return socket;
};
const encrypted = (port: number, protocol: string, said: string) => {
  const socket = connectTls({
    port,
    host: '127.0.0.1',
    ALPNProtocols: [protocol],
    rejectUnauthorized: false,
  });
  socket.write(said);
  return socket;
};

const HALF_HEAD = 'GET / HTTP/1.1\r\nhost: localhost\r\nx-slow: ';
const HALF_UPGRADE =
  'GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nhost: localhost\r\nupgrade: websocket\r\nconnection: upgrade\r\n';
const WHOLE_UPGRADE = `${HALF_UPGRADE}sec-websocket-key: ${btoa('sixteen bytes...')}\r\nsec-websocket-version: 13\r\n\r\n`;
/** The beginning of a TLS record of 512 bytes with a ClientHello (RFC 8446 §5.1), of which no more comes. */
const HALF_HELLO = Buffer.from([0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc]);
/** C0 and C1 of RTMP's handshake (RTMP 1.0 §5.2), without the C2 that has to follow. */
const HALF_HANDSHAKE = Buffer.concat([Buffer.from([3]), Buffer.alloc(1_536)]);

test('every port closes a connection that says nothing, or begins and does not go on', async () => {
  const { door, gateway, school, sfu, rtmp } = ports;
  const cases: [string, () => Socket][] = [
    ...[door, gateway].flatMap((port): [string, () => Socket][] => [
      [`${port}: silent`, () => plain(port)],
      [`${port}: half a handshake of TLS`, () => plain(port, HALF_HELLO)],
      [`${port}: silent after the handshake`, () => encrypted(port, 'http/1.1', '')],
      [`${port}: half a head over TLS`, () => encrypted(port, 'http/1.1', HALF_HEAD)],
      [`${port}: half a head`, () => plain(port, HALF_HEAD)],
      [`${port}: half an upgrade`, () => encrypted(port, 'http/1.1', HALF_UPGRADE)],
      [`${port}: HTTP/2 without a preface`, () => encrypted(port, 'h2', '')],
    ]),
    [
      `${door}: kept alive`,
      () => encrypted(door, 'http/1.1', 'GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n'),
    ],
    [`${door}: a WebSocket without a ticket`, () => encrypted(door, 'http/1.1', WHOLE_UPGRADE)],
    ...[school, sfu].flatMap((port): [string, () => Socket][] => [
      [`${port}: silent`, () => plain(port)],
      [`${port}: half a head`, () => plain(port, HALF_HEAD)],
    ]),
    [`${sfu}: a WebSocket without a ticket`, () => plain(sfu, WHOLE_UPGRADE)],
    [`${rtmp}: silent`, () => plain(rtmp)],
    [`${rtmp}: half a handshake`, () => plain(rtmp, HALF_HANDSHAKE)],
    [
      `${rtmp}: a handshake and nothing`,
      () => plain(rtmp, Buffer.concat([HALF_HANDSHAKE, Buffer.alloc(1_536)])),
    ],
  ];
  const kept = await Promise.all(cases.map(async ([name, open]) => [name, await keptFor(open())] as const));
  const tooLong = kept.filter(([, ms]) => ms >= CLOSED_WITHIN_MS).map(([name]) => name);
  assert.deepEqual(tooLong, []);
});
