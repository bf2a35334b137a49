// What the other services may ask of the gateway, and what they may not.
import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import { after, before, test } from 'node:test';
import { z } from 'zod';
import { BroadcastStatus, RecordingInfo } from '#shared/contract/internal.ts';
import { callInternal } from '#server/internal-client.ts';
import { createLog } from '#server/log.ts';
import { closeServer, listen } from '#server/service.ts';
import { createInternalApi } from '../../../gateway/internal.ts';
import { camera, CHANNEL, FROM, setStage } from './stage.ts';

const SECRET = 'internal-secret-of-this-test';
const stage = setStage();
const erased: string[] = [];
const recording: RecordingInfo = {
  id: 'recording1',
  lesson: 'lesson123',
  channel: CHANNEL,
  state: 'ready',
  startedAtMs: 1,
  durationMs: 2,
  bytes: 3,
};
const api = createInternalApi({
  channels: stage.channels,
  recordings: {
    list: (channel) => (channel === undefined || channel === CHANNEL ? [recording] : []),
    erase: (id) => Promise.resolve(void erased.push(id)),
    eraseChannel: (channel) => Promise.resolve(void erased.push(channel)),
  },
  decide: async ({ action }) => ({ allow: false, rule: action, code: 'forbidden' }),
  status: () => Promise.reject(new Error('nobody asks here')),
  secret: SECRET,
  log: createLog({ LECTERN_LOG: 'silent' }, 'gateway'),
});
const server = createServer((request, response) => {
  void api(request, response).then((answered) => {
    if (!answered) response.writeHead(418).end();
  });
});
let base = '';
before(async () => {
  base = `http://127.0.0.1:${await listen(server, 0, '127.0.0.1')}`;
});
after(() => closeServer(server));

const BROADCAST = `/internal/channels/${CHANNEL}/broadcast`;
const feed = {
  broadcast: 'broadcast1',
  lesson: 'lesson123',
  title: 'A class',
  from: FROM,
  tracks: [camera()],
};

async function ask(method: string, path: string, body?: unknown, secret = SECRET) {
  const response = await fetch(base + path, {
    method,
    headers: { authorization: `Bearer ${secret}` },
    ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
  });
  const answer = (await response.json()) as { error?: { code: string } };
  return { status: response.status, code: answer.error?.code };
}

test('a feed puts a broadcast on air, and its end ends it', async () => {
  const status = await callInternal(SECRET, 'PUT', base + BROADCAST, BroadcastStatus, feed);
  assert.equal(status.state, 'starting');
  assert.deepEqual(stage.openTracks(), ['cam']);
  const ended = await callInternal(SECRET, 'DELETE', base + BROADCAST, BroadcastStatus);
  assert.equal(ended.state, 'ended');
  assert.equal((await callInternal(SECRET, 'PUT', base + BROADCAST, BroadcastStatus, feed)).state, 'ended');
});

test('recordings are listed and erased', async () => {
  const list = (query: string) =>
    callInternal(SECRET, 'GET', `${base}/internal/recordings${query}`, z.array(RecordingInfo));
  assert.deepEqual(await list(''), [recording]);
  assert.deepEqual(await list('?channel=otherchannel'), []);
  assert.equal((await ask('DELETE', '/internal/recordings/recording1')).status, 200);
  stage.finalize();
  assert.equal((await ask('DELETE', `/internal/channels/${CHANNEL}`)).status, 200);
  assert.deepEqual(erased, ['recording1', CHANNEL]);
});

test('without the secret nothing is answered, not even whether it exists', async () => {
  for (const path of [BROADCAST, '/internal/recordings', '/internal/nothing']) {
    assert.deepEqual(await ask('GET', path, undefined, 'wrong'), { status: 401, code: 'unauthorized' });
  }
});

test('what is malformed is refused with its reason', async () => {
  assert.deepEqual(await ask('PUT', BROADCAST, 'no json'), { status: 400, code: 'bad-request' });
  assert.deepEqual(await ask('PUT', BROADCAST, { ...feed, tracks: [{ id: 'x' }] }), {
    status: 400,
    code: 'bad-request',
  });
  assert.deepEqual(await ask('PUT', BROADCAST, { ...feed, title: 'x'.repeat(100_000) }), {
    status: 413,
    code: 'too-large',
  });
  assert.deepEqual(await ask('PUT', '/internal/channels/..%2f..%2fetc/broadcast', feed), {
    status: 400,
    code: 'bad-request',
  });
  assert.deepEqual(await ask('POST', BROADCAST, feed), { status: 405, code: 'method-not-allowed' });
  assert.deepEqual(await ask('GET', '/internal/channels/a/b/c/d'), { status: 404, code: 'not-found' });
  assert.deepEqual(await ask('GET', '/internal/recordings?channel=NO'), { status: 400, code: 'bad-request' });
});

test('other addresses are left to others', async () => {
  assert.equal((await fetch(`${base}/live/x`)).status, 418);
});
