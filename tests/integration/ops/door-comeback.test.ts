// What the door does with players while the gateway restarts.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type RequestListener } from 'node:http';
import { tmpdir } from 'node:os';
import { test, type TestContext } from 'node:test';
import { pino } from 'pino';
import { createDoor } from '../../../bin/door.ts';
import { freePort } from '../../support/free-port.ts';

/** Nothing listens there. */
const NOWHERE = 'http://127.0.0.1:9';

/** A door in front of a gateway at `port`; returns its origin. */
async function openDoor(t: TestContext, port: number, patienceMs?: number): Promise<string> {
  const door = createDoor({
    origins: { school: NOWHERE, gateway: `http://127.0.0.1:${port}`, sfu: NOWHERE },
    pagesDir: tmpdir(),
    trustedProxies: new Set(),
    ...(patienceMs === undefined ? {} : { patienceMs }),
    log: pino({ level: 'silent' }),
  });
  t.after(() => door.close());
  return `http://127.0.0.1:${await door.listen(0, '127.0.0.1')}`;
}

/** A gateway at `port`; returns what kills it. */
async function startGateway(port: number, handle: RequestListener): Promise<() => Promise<void>> {
  const server = createServer(handle);
  server.listen(port, '127.0.0.1');
  await once(server, 'listening');
  return async () => {
    const gone = once(server, 'close');
    server.close();
    server.closeAllConnections();
    await gone;
  };
}

test('what a player asks for while the gateway restarts is answered by the next one', async (t) => {
  const port = await freePort();
  const origin = await openDoor(t, port);
  const { promise: isAsked, resolve: asked } = Promise.withResolvers<void>();
  const killFirst = await startGateway(port, () => asked());
  const early = fetch(`${origin}/live/abc/v0.m3u8?_HLS_msn=7`);
  await isAsked;
  await killFirst();
  const late = fetch(`${origin}/replay/abc/v0.m3u8`);
  assert.equal((await fetch(`${origin}/live/abc`, { method: 'POST' })).status, 503, 'nothing else waits');
  const killSecond = await startGateway(port, ({ url }, response) => response.end(`again: ${url}`));
  t.after(killSecond);
  for (const [answer, path] of [
    [early, '/live/abc/v0.m3u8?_HLS_msn=7'],
    [late, '/replay/abc/v0.m3u8'],
  ] as const)
    assert.equal(await (await answer).text(), `again: ${path}`);
});

test('a player is told when the gateway does not come back', async (t) => {
  const origin = await openDoor(t, await freePort(), 1);
  const response = await fetch(`${origin}/live/abc/v0.m3u8`);
  assert.equal(response.status, 503);
  assert.equal(response.headers.get('retry-after'), '1');
});
