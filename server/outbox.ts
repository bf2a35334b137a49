// A durable outbox: events for `school` survive a restart of either side and arrive in their order, at least once.
import { ServiceEvent } from '#shared/contract/internal.ts';
import type { SchoolClient } from '#shared/contract/internal-api.ts';
import { EventDelivery, type Waiting } from './delivery.ts';
import { openEventDb } from './event-db.ts';
import type { Log } from './log.ts';
import { createDiskFullTolerantWriter } from './disk-full-tolerant-writer.ts';

export interface Outbox {
  /** Stores the event, on a full disk as soon as there is room; delivery follows. */
  add(event: ServiceEvent): void;
  /** How many events wait. */
  size(): number;
  close(): void;
}

export interface OutboxOptions {
  /** The SQLite file. */
  path: string;
  service: string;
  school: SchoolClient;
  log: Log;
}

/** Opens the outbox and starts to deliver what is in it. */
export function openOutbox({ path, service, school, log }: OutboxOptions): Outbox {
  const events = openEventDb(path, service, 'body TEXT NOT NULL');
  const { db } = events;
  const insert = db.prepare('INSERT INTO event (body) VALUES (?)');
  const first = db.prepare('SELECT id, body FROM event ORDER BY id LIMIT ?');
  const done = db.prepare('DELETE FROM event WHERE id <= ?');
  const count = db.prepare('SELECT count(*) AS n FROM event');
  const delivery = new EventDelivery({
    name: events.name,
    school,
    log,
    first: (limit) => first.all(limit) as unknown as Waiting[],
    done(id) {
      done.run(id);
      events.forget();
    },
  });
  const writer = createDiskFullTolerantWriter<string>(
    'outbox',
    (body) => {
      events.stepAhead();
      insert.run(body);
      delivery.wake();
    },
    log,
  );
  let isOpen = true;
  return {
    add: (event) => writer.write(JSON.stringify(ServiceEvent.parse(event))),
    size: () => (count.get() as { n: number }).n + writer.waiting().length,
    close() {
      if (!isOpen) return;
      isOpen = false;
      writer.close();
      delivery.close();
      events.close();
    },
  };
}
