// Another system is told of each recording that is ready: once, signed, and again until it takes it.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type IncomingHttpHeaders, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, before, describe, it } from 'node:test';
import type { RecordingInfo, ServiceEvent } from '#shared/contract/internal.ts';
import { type Lesson } from '#shared/contract/rest.ts';
import { readSettings } from '#server/settings.ts';
import { signatureOf, WebhookEvent } from '../../../school/jobs/webhook.ts';
import { eventually } from '../../support/lectern.ts';
import { startTestSchool, type TestSchool } from './support.ts';

const SECRET = 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw';

describe('the webhook', () => {
  const told: { headers: IncomingHttpHeaders; body: string }[] = [];
  let status = 500;
  let receiver: Server;
  let school: TestSchool;
  let lesson: Lesson;
  before(async () => {
    receiver = createServer((request, response) => {
      let body = '';
      request.on('data', (piece: Buffer) => (body += piece.toString()));
      request.on('end', () => {
        told.push({ headers: request.headers, body });
        response.writeHead(status, { location: 'http://127.0.0.1:1/' }).end('thanks');
      });
    }).listen(0, '127.0.0.1');
    await once(receiver, 'listening');
    const { port } = receiver.address() as AddressInfo;
    school = await startTestSchool({
      LECTERN_WEBHOOK_URL: `http://127.0.0.1:${port}/lectern`,
      LECTERN_WEBHOOK_SECRET: SECRET,
    });
    lesson = await school.createLesson('Botany');
  });
  after(async () => {
    await school.close();
    receiver.close();
  });

  const info = (id: string, state: RecordingInfo['state'], startedAtMs = Date.now() - 60_000) => ({
    ...{ id, lesson: lesson.id, channel: lesson.channel, state },
    ...{ startedAtMs, durationMs: 50_000, bytes: 1_000 },
  });
  const changed = (recording: RecordingInfo): ServiceEvent => ({
    type: 'recording:changed',
    atMs: Date.now(),
    recording,
  });
  const of = (id: string) => told.filter(({ body }) => body.includes(id));

  it('is told again until it takes it, each time with a signature of that time', async () => {
    const events = [changed(info('firstrecord', 'writing')), changed(info('firstrecord', 'ready'))];
    assert.equal(await school.deliver('gateway-1', 1, events), 200);
    await eventually('it was refused', () => told.length > 0);
    // Elsewhere is nowhere.
    status = 307;
    await eventually('it was refused again', () => told.length > 1);
    status = 204;
    const asked = told.length;
    await eventually('it is told again', () => told.length > asked);
    for (const { headers, body } of told) {
      const { type, data } = WebhookEvent.parse(JSON.parse(body));
      assert.deepEqual([type, data.recording, data.title], ['recording.ready', 'firstrecord', 'Botany']);
      const [id, timestamp] = [String(headers['webhook-id']), String(headers['webhook-timestamp'])];
      assert.equal(id, 'recording.ready:firstrecord');
      assert.ok(Math.abs(Number(timestamp) - Date.now() / 1_000) < 60);
      assert.equal(headers['webhook-signature'], signatureOf(SECRET, id, timestamp, body));
    }
  });

  it('is told once, whichever way the school hears of it, and not of what is old or failed', async () => {
    const before = told.length;
    school.gateway.recordings = [
      info('heardbylist', 'ready'),
      info('longagoready', 'ready', Date.now() - 3 * 86_400_000),
    ];
    await school.owner('GET', '/recordings');
    await eventually('it is told', () => of('heardbylist').length === 1);
    const events = [
      changed(info('heardbylist', 'ready')),
      changed(info('itfailed000', 'failed')),
      changed(info('lastrecord0', 'ready')),
    ];
    assert.equal(await school.deliver('gateway-1', 3, events), 200);
    await eventually('the last is told', () => of('lastrecord0').length === 1);
    await school.restart();
    assert.equal(told.length, before + 2);
  });

  it('signs as the published example does', () => {
    // Of the specification's reference implementations.
    const body = '{"test": 2432232314}';
    const signature = signatureOf(SECRET, 'msg_p5jXN8AQM9LWM0D4loKWxJek', '1614265330', body);
    assert.equal(signature, 'v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=');
  });

  it('needs its secret, which the other services do not get', () => {
    assert.throws(() => readSettings({ LECTERN_WEBHOOK_URL: 'https://example.org' }), /WEBHOOK_SECRET/);
    for (const url of ['ftp://example.org', 'https://user:word@example.org']) {
      assert.throws(() => readSettings({ LECTERN_WEBHOOK_URL: url, LECTERN_WEBHOOK_SECRET: SECRET }), /_URL/);
    }
    const url = 'https://example.org';
    assert.throws(
      () => readSettings({ LECTERN_WEBHOOK_URL: url, LECTERN_WEBHOOK_SECRET: 'whsec_not-base64-at-all' }),
      /_SECRET/,
    );
  });
});
