// What six hostile students cost the SFU, and how fast others join meanwhile. Each joins, reads no more,
// answers pings all the same, asks to join again forty times a second, and comes back when it is cut off.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { WebSocket } from 'ws';
import { loadSecrets } from '#server/secrets.ts';
import { RawSocket } from '../integration/sfu/raw-socket.ts';
import { Person, signTicket, until } from '../integration/sfu/world.ts';
import { median, percentile } from '../support/av.ts';
import { memoryMb } from '../support/cost.ts';
import { freePort } from '../support/free-port.ts';
import { measured, ms, type Report } from './report.ts';

const HOSTILE = 6;
const CLASS = 30;
const CALM_MS = 20_000;
/** Set HOSTILE_S for the figure that is quoted: 300. */
const HOSTILE_MS = Number(process.env.HOSTILE_S ?? 60) * 1_000;
const JOIN_EVERY_MS = 500;

const MAIN = join(import.meta.dirname, '../../sfu/main.ts');
const NO_CAPABILITIES = { name: 'x', rtpCapabilities: {} };

export async function run(report: Report): Promise<void> {
  const data = mkdtempSync(join(tmpdir(), 'lectern-hostile-'));
  const port = String(await freePort());
  const sfu = spawn(process.execPath, [MAIN], {
    env: {
      ...process.env,
      LECTERN_DATA: data,
      LECTERN_SFU_PORT: port,
      LECTERN_RTC_PORT: String(await freePort()),
      LECTERN_WORKERS: '1',
      LECTERN_LOG: 'error',
      LECTERN_SCHOOL_URL: 'http://127.0.0.1:1',
      LECTERN_GATEWAY_URL: 'http://127.0.0.1:1',
    },
    stdio: ['ignore', 'inherit', 'inherit'],
  });
  const ended = once(sfu, 'exit');
  const people: Person[] = [];
  const url = `http://127.0.0.1:${port}`;
  try {
    await until(
      'the sfu is ready',
      async () => (await fetch(`${url}/readyz`).catch(() => null))?.ok === true,
    );
    const secret = loadSecrets(data).ticket;
    const ticket = (peer: string, role: 'teacher' | 'student' = 'student') => signTicket(secret, peer, role);
    const teacher = await Person.connect(url, await ticket('teacher', 'teacher'));
    await teacher.enter('teacher');
    await teacher.publish('camera', 1_001);
    people.push(teacher);
    for (let index = 0; index < CLASS; index += 1) {
      const student = await Person.connect(url, await ticket(`student${index}`));
      await student.enter(`student${index}`);
      people.push(student);
    }
    let comers = 0;
    /** Joins of newcomers for so long, in ms each. */
    const joins = async (forMs: number) => {
      const taken: number[] = [];
      for (const end = Date.now() + forMs; Date.now() < end;) {
        const pass = await ticket(`comer${(comers += 1)}`);
        const started = performance.now();
        const comer = await Person.connect(url, pass);
        await comer.enter('comer');
        taken.push(performance.now() - started);
        await comer.ask('room:leave', {});
        comer.leave();
        await sleep(JOIN_EVERY_MS);
      }
      return taken;
    };
    const memory = () => memoryMb([sfu.pid ?? 0]);
    const calm = await joins(CALM_MS);
    const before = memory();
    const quarrel = new AbortController();
    const hostile = Array.from({ length: HOSTILE }, async (_, index) =>
      attack(url, await ticket(`hostile${index}`), quarrel.signal),
    );
    let most = 0;
    const sampler = setInterval(() => (most = Math.max(most, memory())), 1_000);
    const meanwhile = await joins(HOSTILE_MS).finally(() => clearInterval(sampler));
    quarrel.abort();
    await Promise.all(hostile);
    report({
      name: `SFU: memory with ${HOSTILE} hostile sockets for ${HOSTILE_MS / 1_000} s`,
      aim: '≤ 50 MB more',
      measured: measured`${most - before} MB more at most`,
      note: measured`${before} MB before`,
    });
    const figures = (taken: number[]) =>
      measured`p50 ${ms(median(taken))}, p95 ${ms(percentile(taken, 95))}, most ${ms(Math.max(...taken))}`;
    report({
      name: 'SFU: joins of others meanwhile',
      aim: 'p95 as without',
      measured: figures(meanwhile),
      note: measured`without: ${figures(calm)}`,
    });
  } finally {
    for (const person of people) person.leave();
    sfu.kill('SIGTERM');
    await ended;
    rmSync(data, { recursive: true, force: true });
  }
}

async function attack(url: string, ticket: string, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    const raw = await RawSocket.welcomed(url, ticket).catch(() => null);
    if (raw === null) {
      await sleep(200);
      continue;
    }
    raw.ask('room:join', NO_CAPABILITIES);
    raw.ws.pause();
    for (let round = 0; !signal.aborted && raw.ws.readyState === WebSocket.OPEN; round += 1) {
      raw.ask('room:join', NO_CAPABILITIES);
      if (round % 40 === 0) raw.ws.send('3');
      await sleep(25);
    }
    raw.end();
  }
}
