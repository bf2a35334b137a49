// The outbox: what was put in arrives at the school, in order, no matter which process is killed in between.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { EventBatch, type GatewayEvent } from '#shared/contract/internal.ts';
import { INTERNAL } from '#shared/contract/internal-api.ts';
import { LecternError } from '#shared/contract/errors.ts';
import { readJson, requireBearer, sendError, sendJson } from '#server/http.ts';
import { internalClient } from '#server/internal-client.ts';
import { createLog } from '#server/log.ts';
import { openOutbox, type Outbox } from '#server/outbox.ts';
import { openEventLog } from '../../../sfu/event-log.ts';
import { smallDisk } from '../../support/small-disk.ts';
import { closeServer, createServer, listen } from '#server/service.ts';

const SECRET = 'the-secret-between-services';
const ROOT = join(import.meta.dirname, '../../..');
/** The school at `url`, as an outbox calls it. */
const schoolAt = (url: string) => internalClient(INTERNAL.school, () => [url], SECRET);
const silent = createLog('silent', 'test');

const opened = (n: number): Extract<GatewayEvent, { type: 'gateway:started' }> => ({
  type: 'gateway:started',
  atMs: n,
  instance: 'one',
});

/** A school that takes events, refuses them, or is not there. */
class School {
  readonly batches: EventBatch[] = [];
  refusal: LecternError | undefined;
  port = 0;
  #server: ReturnType<typeof createServer> | undefined;

  /** `atMs` of every event that arrived, each id counted once, in the order of arrival. */
  get told(): number[] {
    const seen = new Set<number>();
    return this.batches
      .flatMap(({ events }) => events)
      .filter(({ id }) => !seen.has(id) && seen.add(id))
      .map(({ event }) => event.atMs);
  }

  async open(): Promise<void> {
    this.#server = createServer((request, response) => {
      void (async () => {
        try {
          requireBearer(request, SECRET);
          const batch = await readJson(request, EventBatch, 4 * 1024 * 1024);
          if (this.refusal !== undefined) throw this.refusal;
          this.batches.push(batch);
          sendJson(response, 200, {});
        } catch (error) {
          sendError(response, error, silent);
        }
      })();
    });
    this.port = await listen(this.#server, this.port, '127.0.0.1');
  }

  async close(): Promise<void> {
    if (this.#server !== undefined) await closeServer(this.#server);
    this.#server = undefined;
  }
}

async function eventually(what: string, probe: () => boolean): Promise<void> {
  const deadline = Date.now() + 15_000;
  while (!probe()) {
    assert.ok(Date.now() < deadline, what);
    await sleep(20);
  }
}

describe('an outbox', () => {
  let dir: string;
  let path: string;
  let school: School;
  const outboxes: Outbox[] = [];

  beforeEach(async () => {
    dir = mkdtempSync(join(tmpdir(), 'lectern-outbox-'));
    path = join(dir, 'sfu', 'outbox.db');
    school = new School();
    await school.open();
  });
  afterEach(async () => {
    for (const outbox of outboxes.splice(0)) outbox.close();
    await school.close();
    rmSync(dir, { recursive: true, force: true });
  });

  const open = (log = silent): Outbox => {
    const at = schoolAt(`http://127.0.0.1:${school.port}`);
    const outbox = openOutbox({ path, service: 'sfu', school: at, log });
    outboxes.push(outbox);
    return outbox;
  };

  it('passes over what cannot be read, as from another version, and delivers what follows', async () => {
    const away = school.port;
    school.port = 9;
    const first = open();
    first.add(opened(1));
    first.close();
    const plain = new DatabaseSync(path);
    plain.prepare('INSERT INTO event (body) VALUES (?)').run('{"type":"of-another-version"}');
    plain.close();
    school.port = away;
    const outbox = open();
    outbox.add(opened(2));
    await eventually('both arrived', () => school.told.length === 2);
    assert.deepEqual(school.told, [1, 2]);
    await eventually('nothing is left', () => outbox.size() === 0);
  });

  it('delivers in order, and forgets what has arrived', async () => {
    const outbox = open();
    for (let n = 1; n <= 350; n += 1) outbox.add(opened(n));
    await eventually('all arrived', () => school.told.length === 350);
    assert.deepEqual(
      school.told,
      Array.from({ length: 350 }, (_, n) => n + 1),
    );
    await eventually('and are forgotten', () => outbox.size() === 0);
    assert.equal(new Set(school.batches.map((batch) => batch.outbox)).size, 1);
  });

  it('keeps everything while the school is away, over its own restart, under the same name', async () => {
    const first = open();
    first.add(opened(1));
    await eventually('the first arrived', () => first.size() === 0);
    await school.close();
    first.add(opened(2));
    first.add(opened(3));
    assert.equal(first.size(), 2);
    first.close();
    const second = open();
    second.add(opened(4));
    assert.equal(second.size(), 3);
    await school.open();
    await eventually('the rest arrived', () => second.size() === 0);
    assert.deepEqual(school.told, [1, 2, 3, 4]);
    assert.equal(new Set(school.batches.map((batch) => batch.outbox)).size, 1);
  });

  it('loses nothing that was put in before its process was killed', async () => {
    await school.close();
    const script = `
      const [root, path, url, secret] = process.argv.slice(1);
      const { openOutbox } = await import(root + '/server/outbox.ts');
      const { internalClient } = await import(root + '/server/internal-client.ts');
      const { INTERNAL } = await import(root + '/shared/contract/internal-api.ts');
      const school = internalClient(INTERNAL.school, () => [url], secret);
      const outbox = openOutbox({ path, service: 'sfu', school, log: { debug() {}, warn() {} } });
      for (let n = 1; ; n += 1) {
        outbox.add({ type: 'gateway:started', atMs: n, instance: 'one' });
        process.stdout.write(n + '\\n');
        await new Promise((resolve) => setTimeout(resolve, 1));
      }`;
    const url = `http://127.0.0.1:${school.port}`;
    const child = spawn(process.execPath, ['--input-type=module', '-e', script, ROOT, path, url, SECRET], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    let text = '';
    child.stdout.on('data', (chunk: Buffer) => (text += chunk.toString()));
    await eventually('it is busy', () => text.split('\n').length > 100);
    const gone = once(child, 'exit');
    child.kill('SIGKILL');
    await gone;
    const last = Number(text.slice(0, text.lastIndexOf('\n')).split('\n').at(-1));
    await school.open();
    open();
    await eventually('all arrived', () => school.told.length >= last);
    const told = school.told;
    assert.deepEqual(
      told,
      Array.from({ length: told.length }, (_, n) => n + 1),
      'none is missing and none is out of order',
    );
  });

  it('never uses an id again, even if the disk takes back what was delivered', async () => {
    const first = open();
    first.add(opened(1));
    await eventually('it arrived', () => first.size() === 0);
    first.close();
    const before = school.batches[0]?.events[0]?.id ?? 0;
    // As after a loss of power: the file is as it was before the event.
    const db = new DatabaseSync(path);
    db.exec("DELETE FROM event; UPDATE sqlite_sequence SET seq = 0 WHERE name = 'event'");
    db.close();
    const second = open();
    second.add(opened(2));
    await eventually('the next arrived', () => school.batches.length === 2);
    assert.ok((school.batches[1]?.events[0]?.id ?? 0) > before);
  });

  it('opens on a full disk as the log of the sfu does, and keeps what comes once there is room', async (context) => {
    const disk = smallDisk(2);
    if (disk === undefined) return context.skip('no right to mount a file system');
    const path = join(disk.dir, 'outbox.db');
    const logPath = join(disk.dir, 'events.db');
    const at = { service: 'sfu', school: schoolAt('http://127.0.0.1:1'), log: silent };
    // As a kill leaves it: what SQLite writes ahead is there already.
    const killed = [openOutbox({ path, ...at }), openEventLog({ path: logPath, ...at })];
    try {
      disk.fill();
      const again = openOutbox({ path, ...at });
      const rooms = openEventLog({ path: logPath, ...at });
      again.add(opened(1));
      rooms.append({ type: 'room:closed', atMs: 1, room: 'algebra1', media: null });
      disk.free();
      rooms.close();
      again.close();
      const rows = new DatabaseSync(path).prepare('SELECT body FROM event').all();
      assert.deepEqual(
        rows.map(({ body }) => JSON.parse(String(body)) as unknown),
        [opened(1)],
      );
    } finally {
      for (const one of killed) one.close();
      disk.close();
    }
  });

  it('refuses what is no event before it is stored', () => {
    const outbox = open();
    assert.throws(() => outbox.add({ ...opened(1), instance: 'x'.repeat(41) }));
    assert.equal(outbox.size(), 0);
  });

  it('holds on to what the school refuses, says so, and delivers once it is taken', async () => {
    const lines: string[] = [];
    school.refusal = new LecternError('bad-request');
    const outbox = open(createLog('info', 'test', { write: (line) => lines.push(line) }));
    outbox.add(opened(1));
    await eventually('it is reported', () =>
      lines.some((line) => line.includes('school does not take events')),
    );
    assert.equal(outbox.size(), 1);
    assert.ok(!lines.join('').includes(SECRET));
    school.refusal = undefined;
    await eventually('it arrives', () => outbox.size() === 0);
  });

  it('closes while a delivery is under way, twice if need be', async () => {
    const outbox = open();
    for (let n = 1; n <= 10; n += 1) outbox.add(opened(n));
    await sleep(1);
    outbox.close();
    outbox.close();
    await eventually('nothing is left hanging', () => true);
  });
});
