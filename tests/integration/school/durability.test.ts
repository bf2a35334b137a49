// What was acknowledged stays, and what was promised is done, whatever ends in between.
import assert from 'node:assert/strict';
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { Attendance, Lesson } from '#shared/contract/rest.ts';
import { loadSecrets, type Secrets } from '#server/secrets.ts';
import {
  API_KEY,
  codeOf,
  databaseEnv,
  startFakeService,
  startTestSchool,
  type FakeService,
} from './support.ts';
import { freePort } from '../../support/free-port.ts';

const MAIN = join(import.meta.dirname, '../../../school/main.ts');

async function eventually(what: string, probe: () => boolean | Promise<boolean>): Promise<void> {
  const deadline = Date.now() + 20_000;
  while (!(await probe())) {
    assert.ok(Date.now() < deadline, what);
    await sleep(50);
  }
}

describe('a school process that is killed', () => {
  let dataDir: string;
  let secrets: Secrets;
  let sfu: FakeService;
  let gateway: FakeService;
  let child: ChildProcess;
  let url: string;
  let database: Awaited<ReturnType<typeof databaseEnv>>;

  before(async () => {
    dataDir = mkdtempSync(join(tmpdir(), 'lectern-school-'));
    secrets = loadSecrets(dataDir);
    sfu = await startFakeService(secrets.internal);
    gateway = await startFakeService(secrets.internal);
    database = await databaseEnv();
    const port = await freePort();
    url = `http://127.0.0.1:${port}`;
    await start(port);
  });
  after(async () => {
    child.kill('SIGKILL');
    await sfu.stop();
    await gateway.stop();
    rmSync(dataDir, { recursive: true, force: true });
  });

  async function start(port = Number(new URL(url).port)): Promise<void> {
    child = spawn(process.execPath, [MAIN], {
      stdio: 'ignore',
      env: {
        ...process.env,
        LECTERN_DATA: dataDir,
        LECTERN_SCHOOL_PORT: String(port),
        LECTERN_SFU_URL: sfu.url,
        LECTERN_GATEWAY_URL: gateway.url,
        LECTERN_API_KEY: API_KEY,
        ...database,
      },
    });
    await eventually('the school is ready', async () => {
      const response = await fetch(`${url}/readyz`).catch(() => undefined);
      return response?.status === 200;
    });
  }
  async function kill(): Promise<void> {
    const gone = once(child, 'exit');
    child.kill('SIGKILL');
    await gone;
  }
  async function owner(
    method: string,
    path: string,
    body?: unknown,
  ): Promise<{ status: number; body: unknown }> {
    const response = await fetch(`${url}/api/v1${path}`, {
      method,
      headers: { authorization: `Bearer ${API_KEY}`, 'content-type': 'application/json' },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const text = await response.text();
    return { status: response.status, body: text === '' ? undefined : JSON.parse(text) };
  }

  it('still has the lesson and the events that it acknowledged', async () => {
    const lesson = Lesson.parse((await owner('POST', '/lessons', { title: 'Photosynthesis' })).body);
    const delivery = {
      method: 'POST',
      headers: { authorization: `Bearer ${secrets.internal}` },
      body: JSON.stringify({
        outbox: 'sfu-1',
        events: [
          { id: 1, event: { type: 'room:opened', atMs: 1, room: lesson.id, media: null } },
          {
            id: 2,
            event: {
              type: 'peer:joined',
              atMs: 2,
              room: lesson.id,
              media: null,
              peer: { id: 'peer-anna-1', name: 'Anna', role: 'student', permissions: [], joinedAtMs: 2 },
            },
          },
        ],
      }),
    };
    assert.equal((await fetch(`${url}/internal/events`, delivery)).status, 200);
    await kill();
    await start();
    const again = Lesson.parse((await owner('GET', `/lessons/${lesson.id}`)).body);
    assert.deepEqual({ ...again, play: lesson.play }, { ...lesson, state: 'open' });
    // The sender did not get the answer and tells it once more.
    assert.equal((await fetch(`${url}/internal/events`, delivery)).status, 200);
    const attendance = Attendance.parse((await owner('GET', `/lessons/${lesson.id}/attendance`)).body);
    assert.deepEqual(
      attendance.map(({ name }) => name),
      ['Anna'],
    );
  });

  it('still deletes what it was told to while the others were down', async () => {
    const lesson = Lesson.parse((await owner('POST', '/lessons', { title: 'To be deleted' })).body);
    await Promise.all([gateway.stop(), sfu.stop()]);
    assert.equal((await owner('DELETE', `/lessons/${lesson.id}`)).status, 204);
    assert.equal((await owner('GET', `/lessons/${lesson.id}`)).status, 404);
    await kill();
    await Promise.all([gateway.start(), sfu.start()]);
    await start();
    await eventually('its media is erased', () =>
      gateway.asked.includes(`DELETE /internal/channels/${lesson.channel}`),
    );
    assert.ok(sfu.asked.includes(`DELETE /internal/rooms/${lesson.id}`));
  });

  it('still knows who is signed in, and who has signed out', async () => {
    const ours = { 'content-type': 'application/json', 'sec-fetch-site': 'same-origin' };
    const signIn = async () => {
      const body = JSON.stringify({ key: secrets.owner });
      const answer = await fetch(`${url}/api/v1/session`, { method: 'POST', headers: ours, body });
      return answer.headers.get('set-cookie')?.split(';', 1)[0] ?? '';
    };
    const list = async (cookie: string) =>
      (await fetch(`${url}/api/v1/lessons`, { headers: { cookie } })).status;
    const [leaves, stays] = [await signIn(), await signIn()];
    assert.deepEqual([await list(leaves), await list(stays)], [200, 200]);
    const out = { method: 'DELETE', headers: { ...ours, cookie: leaves } };
    assert.equal((await fetch(`${url}/api/v1/session`, out)).status, 204);
    await kill();
    await start();
    assert.deepEqual([await list(leaves), await list(stays)], [401, 200]);
  });

  it('ends in order when it is asked to', async () => {
    const gone = once(child, 'exit');
    child.kill('SIGTERM');
    assert.deepEqual(await gone, [0, null]);
  });
});

describe('a service that is down', () => {
  it('does not keep a lesson from being ended or deleted, and is told when it is back', async () => {
    const school = await startTestSchool();
    try {
      const ended = await school.createLesson('Ended');
      const deleted = await school.createLesson('Deleted');
      await school.gateway.stop();
      const answer = await school.owner('POST', `/lessons/${ended.id}/end`);
      assert.equal(Lesson.parse(answer.body).state, 'ended');
      assert.equal((await school.owner('DELETE', `/lessons/${deleted.id}`)).status, 204);
      assert.equal(codeOf(await school.owner('GET', `/lessons/${deleted.id}`)), 'not-found');
      // What can be done is done at once.
      assert.ok(school.sfu.asked.includes(`DELETE /internal/rooms/${deleted.id}`));
      const pending = async () => /^lectern_school_errands\S* (\d+)$/m.exec(await metrics(school.url))?.[1];
      // Besides the two, that the key of the ended one opens nothing any more.
      assert.equal(await pending(), '3');
      await school.gateway.start();
      await eventually('all are done', async () => (await pending()) === '0');
      assert.ok(school.gateway.asked.includes(`DELETE /internal/channels/${ended.channel}/broadcast`));
      assert.ok(school.gateway.asked.includes(`DELETE /internal/channels/${deleted.channel}`));
      // The room may have gone on air again while the gateway was away: it is closed before the last erasure.
      const times = school.sfu.asked.filter(
        (asked) => asked === `DELETE /internal/rooms/${deleted.id}`,
      ).length;
      assert.ok(times >= 2);
    } finally {
      await school.close();
    }
  });

  it('finds what it missed although one thing to do cannot be read, and not all of it at once', async () => {
    const school = await startTestSchool();
    const db = await school.openDatabase();
    try {
      const lesson = await school.createLesson('Deleted');
      const bodies = ['{"type":"of-a-newer-lectern"}'];
      for (let count = 10; count < 60; count += 1) {
        bodies.push(JSON.stringify({ type: 'erase-recording', recording: `recording${count}` }));
      }
      await db
        .insertInto('errand')
        .values(bodies.map((body) => ({ body })))
        .execute();
      let now = 0;
      let most = 0;
      school.gateway.onAsk = async () => {
        now += 1;
        most = Math.max(most, now);
        await sleep(5);
        now -= 1;
      };
      assert.equal((await school.owner('DELETE', `/lessons/${lesson.id}`)).status, 204);
      assert.ok(school.gateway.asked.includes(`DELETE /internal/channels/${lesson.channel}`));
      assert.ok(school.gateway.asked.includes('DELETE /internal/recordings/recording10'));
      assert.ok(most <= 8, `${most} at once`);
    } finally {
      await db.destroy();
      await school.close();
    }
  });
});

async function metrics(url: string): Promise<string> {
  return (await fetch(`${url}/metrics`)).text();
}
