// What the other services may ask of the gateway, and what they may not.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { LecternError } from '#shared/contract/errors.ts';
import { DEFAULT_ACCESS } from '#shared/contract/access.ts';
import type { ExplainRequest, RecordingInfo } from '#shared/contract/internal.ts';
import { INTERNAL } from '#shared/contract/internal-api.ts';
import { internalClient } from '#server/internal-client.ts';
import { createLog } from '#server/log.ts';
import { signPlayback } from '#server/playback-sign.ts';
import { makePublishKey } from '#server/publish-key.ts';
import { closeServer, listen } from '#server/service.ts';
import { readSettings } from '#server/settings.ts';
import { Access } from '../../../gateway/access/access.ts';
import { answerFor } from '../../../gateway/access/answer.ts';
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
const dataDir = mkdtempSync(join(tmpdir(), 'lectern-internal-'));
const log = createLog('silent', 'gateway');
const access = await Access.open({
  settings: readSettings({ LECTERN_DATA: dataDir }),
  secrets: { playback: SECRET },
  channelOf: () => undefined,
  log,
});
const relays = { push: [], pull: null };
const put: string[] = [];
const forgotten: string[] = [];
const concluded: string[] = [];
const api = createInternalApi({
  channels: stage.channels,
  recordings: {
    list: (channel) => (channel === undefined || channel === CHANNEL ? [recording] : []),
    erase: (id) => Promise.resolve(void erased.push(id)),
    eraseChannel: (channel) => Promise.resolve(void erased.push(channel)),
    conclude: (channel) => void concluded.push(channel),
    trim: (id, span) => {
      if (id !== recording.id) return Promise.reject(new LecternError('not-found'));
      return Promise.resolve(
        span === null ? recording : { ...recording, trim: { ...span, durationMs: 1, bytes: 1 } },
      );
    },
  },
  access,
  decide: answerFor(access.decide),
  status: () => Promise.reject(new Error('nobody asks here')),
  relays: {
    get: () => relays,
    put: (channel, { wanted }) =>
      Promise.resolve(void put.push(`${channel} ${wanted.push.length}`)).then(() => relays),
    forget: (channel) => void forgotten.push(channel),
  },
  secret: SECRET,
  log,
});
const server = createServer((request, response) => {
  if (!api(request, response)) response.writeHead(418).end();
});
let base = '';
const gateway = internalClient(INTERNAL.gateway, () => [base], SECRET);
const params = { channel: CHANNEL };
before(async () => {
  base = `http://127.0.0.1:${await listen(server, 0, '127.0.0.1')}`;
});
after(async () => {
  await closeServer(server);
  await access.close();
  rmSync(dataDir, { recursive: true });
});

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
  const status = await gateway.feedChannel({ params, body: feed });
  assert.equal(status.state, 'starting');
  assert.deepEqual(stage.openTracks(), ['cam']);
  const ended = await gateway.endBroadcast({ params });
  assert.equal(ended.state, 'ended');
  assert.deepEqual(concluded, [CHANNEL], 'what an earlier gateway left of it waits no longer');
  assert.equal((await gateway.feedChannel({ params, body: feed })).state, 'ended');
});

const settings = {
  version: 1_000,
  lesson: 'lesson123',
  title: 'A class',
  publishVersion: 0,
  epoch: 0,
  access: { ip: { deny: ['192.0.2.0/24'] } },
};
const question = (ip: string, more: object = {}) => ({
  resource: `/live/${CHANNEL}`,
  query: signPlayback(SECRET, 'play', `/live/${CHANNEL}`, 9_999_999_999),
  ip,
  referer: null,
  ...more,
});
const explain = (body: ExplainRequest) => gateway.explain({ body });

test('the school says who may watch, and the other services ask for the verdict', async () => {
  assert.equal((await explain(question('192.0.2.1'))).allow, true);
  const before = await gateway.feedChannel({ params, body: feed });
  const taken = await gateway.putSettings({ params, body: settings });
  assert.equal(taken.version, 1_000);
  const refused = await explain(question('192.0.2.1'));
  assert.deepEqual([refused.allow, refused.rule, refused.code], [false, 'ip', 'forbidden']);
  assert.equal((await explain(question('198.51.100.1'))).allow, true);
  const { query } = question('');
  const asked = (ip: string) =>
    gateway.decide({ body: { action: 'play', protocol: 'whep', channel: CHANNEL, query, ip } });
  assert.deepEqual(await asked('192.0.2.1'), { allow: false, rule: 'ip', code: 'forbidden' });
  const untilMs = 9_999_999_999_000;
  assert.deepEqual(await asked('198.51.100.1'), { allow: true, rule: null, code: null, untilMs });
  const after = await gateway.feedChannel({ params, body: feed });
  assert.notEqual(after.accessEpoch, before.accessEpoch, 'who watches by WHEP has to be asked again');
});

test('of two pushes that cross on the way the newer one counts', async () => {
  const late = { ...settings, version: 999, access: {} };
  assert.equal((await gateway.putSettings({ params, body: late })).version, 1_000);
  assert.equal((await explain(question('192.0.2.1'))).allow, false);
});

test('rules can be tried before they are set', async () => {
  const trial = { ...DEFAULT_ACCESS, ip: { allow: ['198.51.100.0/24'], deny: [] } };
  const { allow, steps } = await explain(question('203.0.113.1', { trial }));
  assert.equal(allow, false);
  assert.deepEqual(
    steps.map(({ rule, outcome }) => [rule, outcome]),
    [
      ['tokens', 'allow'],
      ['ip', 'deny'],
      ['region', 'skipped'],
      ['referer', 'skipped'],
      ['callback', 'skipped'],
    ],
  );
  assert.equal((await explain(question('203.0.113.1'))).allow, true, 'in force are the others');
});

test('a publisher is let in by the key of now, and by none once the lesson is over', async () => {
  const publish = (version: number) =>
    gateway.decide({
      body: {
        action: 'publish',
        protocol: 'whip',
        channel: CHANNEL,
        query: `key=${makePublishKey(SECRET, CHANNEL, 'lesson123', version)}`,
        ip: '203.0.113.1',
      },
    });
  assert.deepEqual([(await publish(0)).allow, (await publish(0)).lesson], [true, 'lesson123']);
  await gateway.putSettings({ params, body: { ...settings, version: 1_001, publishVersion: 1 } });
  assert.equal((await publish(0)).code, 'publish-key-invalid');
  assert.equal((await publish(1)).allow, true);
  await gateway.putSettings({ params, body: { ...settings, version: 1_002, publishVersion: null } });
  assert.equal((await publish(1)).code, 'room-closed');
});

test('relays are said, told and ended', async () => {
  const path = `/internal/channels/${CHANNEL}/relays`;
  const wanted = { push: [{ url: 'rtmp://live.example.com/app/key' }], pull: null };
  assert.equal((await ask('PUT', path, { lesson: 'lesson123', title: 'A class', wanted })).status, 200);
  assert.deepEqual(put, [`${CHANNEL} 1`]);
  assert.equal((await ask('GET', path)).status, 200);
  assert.equal((await ask('DELETE', path)).status, 200);
  assert.deepEqual(forgotten, [CHANNEL]);
  assert.equal((await ask('POST', path)).code, 'method-not-allowed');
  const files = { push: [{ url: 'file:///etc/passwd' }], pull: null };
  assert.equal(
    (await ask('PUT', path, { lesson: 'lesson123', title: 'A class', wanted: files })).code,
    'bad-request',
  );
});

test('recordings are listed and erased', async () => {
  assert.deepEqual(await gateway.listRecordings({ query: {} }), [recording]);
  assert.deepEqual(await gateway.listRecordings({ query: { channel: 'otherchannel' } }), []);
  assert.equal((await ask('DELETE', '/internal/recordings/recording1')).status, 200);
  stage.finalize();
  assert.equal((await ask('DELETE', `/internal/channels/${CHANNEL}`)).status, 200);
  assert.deepEqual(erased, ['recording1', CHANNEL]);
});

test('a recording is trimmed to a span that is one', async () => {
  const params = { recording: recording.id };
  const trimmed = await gateway.trimRecording({ params, body: { trim: { fromMs: 5, toMs: 9 } } });
  assert.deepEqual(trimmed.trim, { fromMs: 5, toMs: 9, durationMs: 1, bytes: 1 });
  assert.equal((await gateway.trimRecording({ params, body: { trim: null } })).trim, undefined);
  for (const trim of [{ fromMs: 9, toMs: 5 }, { fromMs: Number.MAX_VALUE, toMs: Infinity }, 7, undefined])
    assert.equal(
      (await ask('PUT', `/internal/recordings/${recording.id}/trim`, { trim })).code,
      'bad-request',
    );
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
  const wrong = { ...settings, version: 2_000, access: { ip: { deny: ['everyone'] } } };
  const put = await ask('PUT', `/internal/channels/${CHANNEL}/settings`, wrong);
  assert.deepEqual(put, { status: 400, code: 'bad-request' });
  assert.deepEqual(await ask('POST', '/internal/decide', { ip: '192.0.2.1' }), {
    status: 400,
    code: 'bad-request',
  });
  assert.deepEqual(await ask('GET', '/internal/recordings?channel=NO'), { status: 400, code: 'bad-request' });
});

test('other addresses are left to others', async () => {
  assert.equal((await fetch(`${base}/live/x`)).status, 418);
});
