// The files that the door opens for its visitors.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, get, type IncomingMessage } from 'node:http';
import { connect, createServer as createTcpServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { pino } from 'pino';
import { createDoor, type Door } from '../../../bin/door.ts';
import { createPages } from '../../../bin/door/pages.ts';
import { eventually } from '../../support/lectern.ts';

const dir = mkdtempSync(join(tmpdir(), 'lectern-door-'));
const NOWHERE = 'http://127.0.0.1:9';
let door: Door;
let url = '';

before(async () => {
  writeFileSync(join(dir, 'index.html'), '<!doctype html><title>Lectern</title>');
  door = createDoor({
    origins: { school: NOWHERE, gateway: NOWHERE, sfu: NOWHERE },
    pagesDir: dir,
    trustedProxies: new Set(),
    log: pino({ level: 'silent' }),
  });
  url = `http://127.0.0.1:${await door.listen(0, '127.0.0.1')}`;
});

after(async () => {
  await door.close();
  rmSync(dir, { recursive: true, force: true });
});

test('a file of the page that cannot be read ends its own answer, and not the door', async () => {
  // It can be looked at but not opened, as any file can when the process has no descriptors left.
  const unreadable = createTcpServer().listen(join(dir, 'unreadable.txt'));
  await once(unreadable, 'listening');
  await assert.rejects(async () => (await fetch(`${url}/unreadable.txt`)).text());
  unreadable.close();
  assert.equal((await fetch(url)).status, 200);
});

test('a visitor who leaves in the middle of a file leaves nothing open', async () => {
  writeFileSync(join(dir, 'large.wasm'), Buffer.alloc(32 * 1_024 * 1_024));
  const open = () => readdirSync('/dev/fd').length;
  const atFirst = open();
  for (let count = 0; count < 20; count += 1) {
    const outgoing = get(`${url}/large.wasm`, { agent: false });
    const [incoming] = (await once(outgoing, 'response')) as [IncomingMessage];
    await once(incoming, 'data');
    incoming.destroy();
    await once(incoming, 'close');
  }
  await eventually('its files are closed', () => open() <= atFirst + 5);
});

test('a visitor who asks for many files at once on one connection, and reads none, is cut off', async () => {
  writeFileSync(join(dir, 'large.wasm'), Buffer.alloc(32 * 1_024 * 1_024));
  const ask = async (times: number) => {
    const socket = connect(Number(new URL(url).port), '127.0.0.1').on('error', () => undefined);
    await once(socket, 'connect');
    socket.write('GET /large.wasm HTTP/1.1\r\nHost: localhost\r\n\r\n'.repeat(times));
    return socket;
  };
  const modest = await ask(2);
  await once(modest, 'data');
  modest.pause();
  const atFirst = readdirSync('/dev/fd').length;
  const greedy = await ask(40);
  greedy.resume();
  await once(greedy, 'close');
  await eventually('its files are closed', () => readdirSync('/dev/fd').length <= atFirst + 2);
  assert.equal(modest.closed, false);
  modest.destroy();
});

test('a visitor who takes nothing of a file for a while is let go', async () => {
  writeFileSync(join(dir, 'large.wasm'), Buffer.alloc(32 * 1_024 * 1_024));
  const pages = createPages(dir, [], (_request, response) => response.end(), 500);
  const closed: Promise<unknown>[] = [];
  const server = createServer((request, response) => {
    closed.push(once(response, 'close'));
    pages(request, response, request.url ?? '');
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const outgoing = get({ port: (server.address() as AddressInfo).port, path: '/large.wasm', agent: false });
  const [incoming] = (await once(outgoing, 'response')) as [IncomingMessage];
  incoming.on('error', () => undefined);
  await closed[0];
  incoming.destroy();
  server.close();
});
