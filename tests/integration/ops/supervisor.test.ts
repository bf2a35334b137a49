// The supervisor with real processes.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { createLog } from '#server/log.ts';
import { createLogLines } from '../../../bin/log-lines.ts';
import { Supervisor, type ServiceSpec, type SupervisorOptions } from '../../../bin/supervisor.ts';
import { eventually } from '../../support/lectern.ts';
import { freePort } from '../../support/free-port.ts';

type Line = Record<string, unknown> & { msg: string };

const SERVICES = join(import.meta.dirname, 'services');
const QUICK = { minMs: 20, maxMs: 80, steadyMs: 60_000 };

const steady = (port: number): ServiceSpec => ({
  name: 'steady',
  file: join(SERVICES, 'steady.ts'),
  readyUrl: `http://127.0.0.1:${port}/readyz`,
});

function supervise(services: ServiceSpec[], port: number, more: Partial<SupervisorOptions> = {}) {
  const log: Line[] = [];
  const lines = createLogLines('json', { write: (text: string) => log.push(JSON.parse(text) as Line) });
  const supervisor = new Supervisor({
    services,
    env: { ...process.env, LECTERN_STEADY_PORT: String(port) },
    log: createLog('info', 'lectern', { write: (line: string) => lines.write(line) }),
    lines,
    restart: QUICK,
    ...more,
  });
  const starts = () => log.filter(({ msg }) => msg === 'service started');
  return { supervisor, log, starts, pid: () => Number(starts().at(-1)?.pid) };
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

test('a service that is killed in mid-class is back soon, on the same port', async () => {
  const port = await freePort();
  const { supervisor, log, starts, pid } = supervise([steady(port)], port);
  try {
    await supervisor.start();
    const first = pid();
    process.kill(first, 'SIGKILL');
    await eventually('a second start', () => starts().length === 2);
    await eventually('it answers again', async () => (await fetch(`http://127.0.0.1:${port}/readyz`)).ok);
    assert.notEqual(pid(), first);
    const ended = log.find(({ msg }) => msg === 'service ended');
    assert.deepEqual({ name: ended?.name, how: ended?.how }, { name: 'steady', how: 'SIGKILL' });
  } finally {
    await supervisor.close();
  }
});

test('a service that ran well is started again at once, from code that was compiled before', async (context) => {
  const cache = mkdtempSync(join(tmpdir(), 'lectern-code-'));
  const { LECTERN_CACHE: before } = process.env;
  process.env.LECTERN_CACHE = cache;
  context.after(() => {
    if (before === undefined) delete process.env.LECTERN_CACHE;
    else process.env.LECTERN_CACHE = before;
    rmSync(cache, { recursive: true, force: true });
  });
  const port = await freePort();
  const restart = { minMs: 5_000, maxMs: 5_000, steadyMs: 0 };
  const { supervisor, log, starts, pid } = supervise([steady(port)], port, { restart });
  try {
    await supervisor.start();
    const kept = () =>
      readdirSync(cache, { recursive: true, withFileTypes: true }).filter((one) => one.isFile());
    await eventually('its code is kept', () => kept().length > 3);
    process.kill(pid(), 'SIGKILL');
    await eventually('a second start', () => starts().length === 2);
    assert.equal(log.find(({ msg }) => msg === 'service ended')?.restartInMs, 0);
    await eventually('it answers again', async () => (await fetch(`http://127.0.0.1:${port}/readyz`)).ok);
  } finally {
    await supervisor.close();
  }
});

for (const [how, hang] of [
  ['is stopped', (pid: number) => process.kill(pid, 'SIGSTOP')],
  [
    'loops without an end',
    (_pid: number, port: number) => void fetch(`http://127.0.0.1:${port}/loop`).catch(() => 0),
  ],
] as const) {
  test(`a service that ${how} is ended and back on the same port, and one that is well is left alone`, async () => {
    const port = await freePort();
    const { supervisor, log, starts, pid } = supervise([steady(port)], port, { hangMs: 3_000 });
    try {
      await supervisor.start();
      const first = pid();
      // Longer than a hang is: it says that it is alive.
      await sleep(4_000);
      assert.equal(starts().length, 1);
      hang(first, port);
      await eventually('a second start', () => starts().length === 2);
      await eventually('it answers again', async () => (await fetch(`http://127.0.0.1:${port}/readyz`)).ok);
      assert.equal(isAlive(first), false);
      assert.equal(log.find(({ msg }) => msg === 'service hangs')?.pid, first);
    } finally {
      await supervisor.close();
    }
  });
}

test('at the end each service closes in its own time, and none is started again', async () => {
  const port = await freePort();
  const { supervisor, log, starts, pid } = supervise([steady(port)], port);
  await supervisor.start();
  await Promise.all([supervisor.close(), supervisor.close()]);
  assert.equal(isAlive(pid()), false);
  assert.ok(log.some(({ msg }) => msg === 'steady closed'));
  await sleep(QUICK.maxMs * 2);
  assert.equal(starts().length, 1);
  assert.equal(
    log.some(({ msg }) => msg === 'service ended'),
    false,
  );
});

test('a service that cannot start is tried a few times, each a little later, and then a person is told', async () => {
  const port = await freePort();
  const failing = {
    name: 'failing',
    file: join(SERVICES, 'failing.ts'),
    readyUrl: `http://127.0.0.1:${port}/readyz`,
  };
  const { supervisor, log } = supervise([failing], port);
  try {
    await assert.rejects(supervisor.start(), /failing does not start/);
    const waits = log.filter(({ msg }) => msg === 'service ended').map(({ restartInMs }) => restartInMs);
    assert.deepEqual(waits.slice(0, 5), [20, 40, 80, 80, 80]);
    assert.ok(log.some(({ msg, service }) => msg === 'the database is on fire' && service === 'failing'));
  } finally {
    await supervisor.close();
  }
});

test('a service that takes the question whether it is ready, and says nothing, is asked again', async () => {
  let asked = 0;
  const mute = createServer((_request, response) => {
    asked += 1;
    if (asked > 1) response.end();
  }).listen(0, '127.0.0.1');
  await once(mute, 'listening');
  const readyUrl = `http://127.0.0.1:${(mute.address() as AddressInfo).port}/`;
  const port = await freePort();
  const { supervisor } = supervise([{ ...steady(port), readyUrl }], port);
  try {
    await supervisor.start();
    assert.equal(asked, 2);
  } finally {
    await supervisor.close();
    mute.closeAllConnections();
    mute.close();
  }
});

test('a person who will not wait ends even what will not end, with all that it started', async () => {
  const port = await freePort();
  const stubborn = {
    name: 'stubborn',
    file: join(SERVICES, 'stubborn.ts'),
    readyUrl: `http://127.0.0.1:${port}/`,
  };
  const { supervisor, log, pid } = supervise([stubborn], port);
  supervisor.start().catch(() => undefined);
  const child = await eventually(
    'its child',
    () => Number(log.find(({ msg }) => msg === 'started')?.child) || undefined,
  );
  const closed = supervisor.close();
  await sleep(200);
  assert.equal(isAlive(pid()), true, 'it ended by itself');
  supervisor.kill();
  await closed;
  await eventually('all are gone', () => !isAlive(pid()) && !isAlive(child));
});

test('when the supervisor is killed, its services end and free their ports', async () => {
  const port = await freePort();
  const supervisor = spawn(process.execPath, [join(SERVICES, 'supervised.ts')], {
    env: { ...process.env, LECTERN_STEADY_PORT: String(port) },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const log: Line[] = [];
  createInterface({ input: supervisor.stdout }).on('line', (line) => log.push(JSON.parse(line) as Line));
  await eventually('it is ready', () => log.some(({ msg }) => msg === 'all ready'));
  const pid = Number(log.find(({ msg }) => msg === 'service started')?.pid);
  assert.equal(isAlive(pid), true);
  supervisor.kill('SIGKILL');
  await eventually('the service ended', () => !isAlive(pid));
  const next = createServer().listen(port, '127.0.0.1');
  await once(next, 'listening');
  next.close();
});
