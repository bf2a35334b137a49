// A durable outbox: events for `school` survive a restart of either side and arrive in their order,
// at least once. SQLite in WAL mode keeps what was acknowledged through `kill -9`.
import { randomBytes } from 'node:crypto';
import { mkdirSync } from 'node:fs';
import { dirname } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { z } from 'zod';
import { LecternError } from '#shared/contract/errors.ts';
import { ServiceEvent, type EventBatch } from '#shared/contract/internal.ts';
import { emptyLog, eraseSecurely } from './erasing.ts';
import { callInternal } from './internal-client.ts';
import type { Log } from './log.ts';
import { createPatientWriter } from './patient-writer.ts';

const BATCH = 100;
const RETRY_MIN_MS = 250;
const RETRY_MAX_MS = 10_000;
/** What was delivered is out of the write-ahead log, too, so long after the last delivery. */
const FORGET_AFTER_MS = 2_000;

export interface Outbox {
  /** Stores the event, on a full disk as soon as there is room; delivery follows. */
  add(event: ServiceEvent): void;
  /** Stores it now, or throws LecternError `disk-full` or `disk-unavailable`; delivery follows. */
  addNow(event: ServiceEvent): void;
  /** How many events wait. */
  size(): number;
  close(): void;
}

export interface OutboxOptions {
  /** The SQLite file. */
  path: string;
  service: string;
  schoolUrl: string;
  secret: string;
  log: Log;
}

/** One event as it is delivered, or none: what no `school` could take must not hold up all that follows. */
function readEvent(id: number, body: string, log: Log): EventBatch['events'] {
  try {
    return [{ id, event: ServiceEvent.parse(JSON.parse(body)) }];
  } catch (error) {
    log.error({ err: error, id }, 'an event in the outbox cannot be read and is given up');
    return [];
  }
}

/** Opens the outbox and starts to deliver what is in it. */
export function openOutbox({ path, service, schoolUrl, secret, log }: OutboxOptions): Outbox {
  mkdirSync(dirname(path), { recursive: true });
  const db = new DatabaseSync(path);
  db.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;');
  eraseSecurely(db);
  db.exec('CREATE TABLE IF NOT EXISTS event (id INTEGER PRIMARY KEY AUTOINCREMENT, body TEXT NOT NULL)');
  db.exec('CREATE TABLE IF NOT EXISTS name (value TEXT NOT NULL)');
  // A loss of power may take back events that `school` has already: their ids must not come again, or
  // it would take what comes next for a repetition. The time, in µs, is ahead of every id before it.
  db.exec(`INSERT INTO sqlite_sequence (name, seq) SELECT 'event', 0
    WHERE NOT EXISTS (SELECT 1 FROM sqlite_sequence WHERE name = 'event')`);
  const ahead = db.prepare("UPDATE sqlite_sequence SET seq = max(seq, ?) WHERE name = 'event'");
  // Before the first event of this run, not now: on a full disk a service that was killed has to come back.
  let isAhead = false;
  const named = db.prepare('SELECT value FROM name').get() as { value: string } | undefined;
  const outbox = named?.value ?? `${service}-${randomBytes(9).toString('base64url')}`;
  if (named === undefined) db.prepare('INSERT INTO name VALUES (?)').run(outbox);
  const insert = db.prepare('INSERT INTO event (body) VALUES (?)');
  const first = db.prepare('SELECT id, body FROM event ORDER BY id LIMIT ?');
  const done = db.prepare('DELETE FROM event WHERE id <= ?');
  const count = db.prepare('SELECT count(*) AS n FROM event');

  let closed = false;
  let busy = false;
  let delayMs = RETRY_MIN_MS;
  let timer: NodeJS.Timeout | undefined;
  let forgetting: NodeJS.Timeout | undefined;

  const schedule = (inMs: number) => {
    if (closed || timer !== undefined) return;
    timer = setTimeout(() => {
      timer = undefined;
      void deliver();
    }, inMs);
  };

  async function deliver(): Promise<void> {
    if (busy || closed) return;
    busy = true;
    try {
      for (;;) {
        const rows = first.all(BATCH) as { id: number; body: string }[];
        const last = rows.at(-1);
        if (last === undefined) break;
        const events = rows.flatMap(({ id, body }) => readEvent(id, body, log));
        const batch: EventBatch = { outbox, events };
        if (events.length > 0) {
          await callInternal(secret, 'POST', `${schoolUrl}/internal/events`, z.unknown(), batch);
        }
        if (closed) return;
        done.run(last.id);
        forgetting ??= setTimeout(() => {
          forgetting = undefined;
          emptyLog(db);
        }, FORGET_AFTER_MS);
        delayMs = RETRY_MIN_MS;
      }
    } catch (error) {
      // A restart of the school is nothing to report; a refusal would last, and someone should know.
      const isAway = error instanceof LecternError && error.code === 'service-unavailable';
      log[isAway ? 'debug' : 'warn']({ err: error, retryMs: delayMs }, 'school does not take events now');
      schedule(delayMs);
      delayMs = Math.min(delayMs * 2, RETRY_MAX_MS);
    } finally {
      busy = false;
    }
  }

  const writer = createPatientWriter<string>(
    'outbox',
    (body) => {
      if (!isAhead) ahead.run(Date.now() * 1_000);
      isAhead = true;
      insert.run(body);
      schedule(0);
    },
    log,
  );
  schedule(0);
  return {
    add: (event) => writer.write(JSON.stringify(ServiceEvent.parse(event))),
    addNow: (event) => writer.writeNow(JSON.stringify(ServiceEvent.parse(event))),
    size: () => (count.get() as { n: number }).n + writer.waiting().length,
    close() {
      if (closed) return;
      writer.close();
      closed = true;
      clearTimeout(timer);
      clearTimeout(forgetting);
      db.close();
    },
  };
}
