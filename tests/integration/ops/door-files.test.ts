// The files that the door opens for its visitors.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { get, type IncomingMessage } from 'node:http';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { pino } from 'pino';
import { createDoor, type Door } from '../../../bin/door.ts';
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
  const unreadable = createServer().listen(join(dir, 'unreadable.txt'));
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
