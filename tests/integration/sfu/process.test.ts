// The SFU as a process: what it says when it cannot start, and what kill -9 costs.
import assert from 'node:assert/strict';
import { spawn, type ChildProcess } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, test } from 'node:test';
import { loadSecrets } from '#server/secrets.ts';
import { Person, randomId, signTicket, until } from './world.ts';
import { freePort } from '../../support/free-port.ts';

const MAIN = join(import.meta.dirname, '../../../sfu/main.ts');

describe('the sfu process', () => {
  let data: string;
  let env: Record<string, string>;
  const started = new Set<ChildProcess>();
  beforeEach(async () => {
    data = mkdtempSync(join(tmpdir(), 'lectern-sfu-'));
    env = {
      LECTERN_DATA: data,
      LECTERN_SFU_PORT: String(await freePort()),
      LECTERN_RTC_PORT: String(await freePort()),
      LECTERN_WORKERS: '1',
      LECTERN_SCHOOL_URL: 'http://127.0.0.1:1',
      LECTERN_GATEWAY_URL: 'http://127.0.0.1:1',
    };
  });
  afterEach(async () => {
    for (const child of started) await end(child, 'SIGKILL');
    rmSync(data, { recursive: true, force: true });
  });

  const url = () => `http://127.0.0.1:${env.LECTERN_SFU_PORT}`;
  const start = (changes: Record<string, string> = {}) => {
    const child = spawn(process.execPath, [MAIN], {
      env: { ...process.env, ...env, ...changes },
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    started.add(child);
    child.once('exit', () => started.delete(child));
    return child;
  };
  const ready = () =>
    until('the sfu is ready', () =>
      fetch(`${url()}/readyz`).then(
        ({ ok }) => ok,
        () => false,
      ),
    );
  const lastWords = async (child: ChildProcess) => {
    let text = '';
    child.stdout?.on('data', (chunk: Buffer) => (text += chunk.toString()));
    const [code] = (await once(child, 'exit')) as [number];
    return { code, text };
  };

  test('names the setting when its WebRTC port is taken', async () => {
    const taken = createSocket('udp4');
    taken.bind(Number(env.LECTERN_RTC_PORT), '127.0.0.1');
    await once(taken, 'listening');
    const { code, text } = await lastWords(start());
    taken.close();
    assert.equal(code, 1);
    assert.match(text, /LECTERN_RTC_PORT/);
  });

  test('says what to do without a media worker', async () => {
    const { code, text } = await lastWords(start({ MEDIASOUP_WORKER_BIN: '/nonexistent/worker' }));
    assert.equal(code, 1);
    assert.match(text, /npm run doctor/);
  });

  test('ends in order on SIGTERM, and its workers with it', async () => {
    const child = start();
    await ready();
    const { code } = await end(child, 'SIGTERM');
    assert.equal(code, 0);
    // The port is free at once.
    const probe = createSocket('udp4');
    probe.bind(Number(env.LECTERN_RTC_PORT), '127.0.0.1');
    await once(probe, 'listening');
    probe.close();
  });

  test('killed in class, it is back on the same ports with all that was acknowledged', async (t) => {
    const first = start();
    await ready();
    const secret = loadSecrets(data).ticket;
    const there = { room: randomId() };
    const ticket = (peer: string) => signTicket(secret, peer, 'teacher', there);
    const teacher = await Person.connect(url(), await ticket('teacher'));
    const { session } = await teacher.enter('teacher');
    for (let index = 0; index < 20; index += 1) {
      await teacher.ask('chat:send', { id: `m${index}`, text: `number ${index}` });
    }
    await teacher.ask('broadcast:start', {});
    const killed = performance.now();
    await end(first, 'SIGKILL');
    start();
    await ready();
    t.diagnostic(`ready ${(performance.now() - killed).toFixed(0)} ms after kill -9`);
    const back = await Person.connect(url(), await ticket('teacher'), session);
    const joined = await back.enter('teacher');
    assert.equal(joined.resumed, false);
    assert.deepEqual(
      joined.chat.map(({ text }) => text),
      Array.from({ length: 20 }, (_, index) => `number ${index}`),
    );
    assert.ok(['starting', 'interrupted'].includes(joined.room.broadcast.state));
    back.leave();
    teacher.leave();
  });
});

async function end(child: ChildProcess, signal: NodeJS.Signals): Promise<{ code: number | null }> {
  const gone = once(child, 'exit');
  child.kill(signal);
  const [code] = (await gone) as [number | null];
  return { code };
}
