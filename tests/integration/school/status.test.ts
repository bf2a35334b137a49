// `GET /api/v1/status`: one answer about all services, also while one of them is down or hangs.
import assert from 'node:assert/strict';
import { createServer, type Server } from 'node:http';
import { after, before, describe, it } from 'node:test';
import { StatusHistory } from '#shared/contract/status-history.ts';
import { GatewayStatus, SfuStatus, Status } from '#shared/contract/status.ts';
import { closeServer, listen } from '#server/service.ts';
import { codeOf, startTestSchool, type TestSchool } from './support.ts';
import { freePort } from '../../support/free-port.ts';

const vitals = { cpuS: 1.5, memoryBytes: 9e7, uptimeS: 60 };
const gatewayTells = GatewayStatus.parse({
  vitals,
  channels: [],
  disk: { freeBytes: 1e8, sizeBytes: 1e12, recordingsBytes: 5e9 },
  sound: { workers: 1, cpuS: 2, lagMs: 3 },
  outbox: 0,
});
const sfuTells = SfuStatus.parse({
  vitals,
  rooms: 2,
  people: 30,
  whepViewers: {},
  workers: 2,
  workerDeaths: 0,
  outbox: 0,
});

type Behaviour = { tells: unknown } | 'hangs' | 'talks nonsense';

describe('the status of all services', () => {
  let school: TestSchool;
  let servers: Server[];
  let secret = '';
  const behaviour: Record<'gateway' | 'sfu', Behaviour> = { gateway: 'hangs', sfu: 'hangs' };

  before(async () => {
    const start = async (name: 'gateway' | 'sfu') => {
      const server = createServer((request, response) => {
        if (request.url !== '/internal/status' || request.headers.authorization !== `Bearer ${secret}`) {
          response.writeHead(401).end('{}');
          return;
        }
        const now = behaviour[name];
        if (now === 'hangs') return;
        response.writeHead(200, { 'content-type': 'application/json' });
        response.end(now === 'talks nonsense' ? '{"vitals": "fine"}' : JSON.stringify(now.tells));
      });
      const port = await listen(server, 0, '127.0.0.1');
      return { server, url: `http://127.0.0.1:${port}` };
    };
    const gateway = await start('gateway');
    const sfu = await start('sfu');
    servers = [gateway.server, sfu.server];
    school = await startTestSchool({ LECTERN_GATEWAY_URL: gateway.url, LECTERN_SFU_URL: sfu.url });
    secret = school.secrets.internal;
  });
  after(async () => {
    await school.close();
    for (const server of servers) await closeServer(server);
  });

  const status = async () => {
    const answer = await school.owner('GET', '/status');
    assert.equal(answer.status, 200);
    return Status.parse(answer.body);
  };
  const states = ({ services }: Status) =>
    Object.fromEntries(services.map(({ name, state }) => [name, state]));

  it('is for the owner alone', async () => {
    const answer = await school.call('GET', '/status');
    assert.deepEqual([answer.status, codeOf(answer)], [401, 'unauthorized']);
  });

  it('joins what all of them tell, and says what needs a look', async () => {
    behaviour.gateway = { tells: gatewayTells };
    behaviour.sfu = { tells: sfuTells };
    const told = await status();
    assert.deepEqual(states(told), { gateway: 'up', sfu: 'up', school: 'up' });
    assert.deepEqual(told.disk, gatewayTells.disk);
    assert.deepEqual(told.rooms, { rooms: 2, people: 30, workers: 2 });
    assert.deepEqual(
      told.warnings.map(({ code }) => code),
      ['disk-full'],
    );
  });

  for (const trouble of ['hangs', 'talks nonsense'] as const) {
    it(`answers in time while the gateway ${trouble}, with what the others tell`, async () => {
      behaviour.gateway = trouble;
      behaviour.sfu = { tells: sfuTells };
      const startMs = performance.now();
      const told = await status();
      assert.ok(performance.now() - startMs < 6_000);
      assert.deepEqual(states(told), { gateway: 'down', sfu: 'up', school: 'up' });
      assert.deepEqual([told.channels, told.disk, told.rooms?.people], [[], null, 30]);
      assert.deepEqual(told.warnings, [{ code: 'service-down', service: 'gateway' }]);
    });
  }

  it('gives the last hour to anyone who opens the console, for the owner alone', async () => {
    assert.equal((await school.call('GET', '/status/history')).status, 401);
    // The first sample is taken at the start, when nothing answered yet.
    const answer = await school.owner('GET', '/status/history');
    const { samples } = StatusHistory.parse(answer.body);
    assert.ok(samples.length >= 1);
    assert.ok((samples[0]?.services.school?.memoryBytes ?? 0) > 1e6);
    assert.equal(samples[0]?.sums, null);
  });

  it('answers where nobody else is there at all', async () => {
    const alone = await startTestSchool({
      LECTERN_GATEWAY_URL: `http://127.0.0.1:${await freePort()}`,
      LECTERN_SFU_URL: `http://127.0.0.1:${await freePort()}`,
    });
    try {
      const told = Status.parse((await alone.owner('GET', '/status')).body);
      assert.deepEqual(states(told), { gateway: 'down', sfu: 'down', school: 'up' });
      assert.equal(told.rooms, null);
    } finally {
      await alone.close();
    }
  });
});
