// The one log of all rooms, in SQLite: each event is stored once, in one transaction. Rooms are rebuilt from it, and a
// cursor says how much of it the school has. Of a room that is closed nothing stays that the school has, but that it
// is closed; a deleted message is gone at once.
import { dirname } from 'node:path';
import type { RoomEvent } from '#shared/contract/events.ts';
import type { SchoolClient } from '#shared/contract/internal-api.ts';
import { EventDelivery, type Waiting } from '#server/delivery.ts';
import { emptyLog } from '#server/erasing.ts';
import { inOne, openEventDb } from '#server/event-db.ts';
import type { Log } from '#server/log.ts';
import { createDiskFullTolerantWriter } from '#server/disk-full-tolerant-writer.ts';
import { importOlder } from './older-events.ts';
import type { EventLog } from './room/ports.ts';
import { emptyRecord, isUnfinished, remember, type RoomRecord } from './room/record.ts';

export interface OpenEventLog extends EventLog {
  /** How many events the school has yet to hear of. */
  waiting(): number;
  close(): void;
}

export interface EventLogOptions {
  /** The SQLite file. */
  readonly path: string;
  readonly school: SchoolClient;
  readonly log: Log;
}

/** Opens the log, making it on first use, and delivers what waits. On a full disk it goes on in memory. */
export function openEventLog({ path, school, log }: EventLogOptions): OpenEventLog {
  const events = openEventDb(path, 'sfu', 'room TEXT NOT NULL, body TEXT NOT NULL');
  const { db } = events;
  db.exec(
    `CREATE INDEX IF NOT EXISTS event_room ON event (room, id);
     CREATE TABLE IF NOT EXISTS closed (room TEXT PRIMARY KEY);
     CREATE TABLE IF NOT EXISTS delivered (id INTEGER NOT NULL);
     INSERT INTO delivered SELECT 0 WHERE NOT EXISTS (SELECT 1 FROM delivered);`,
  );
  importOlder(dirname(path), db, log);
  const insert = db.prepare('INSERT INTO event (room, body) VALUES (?, ?)');
  const ofRoom = db.prepare('SELECT body FROM event WHERE room = ? ORDER BY id');
  const rooms = db.prepare(
    "SELECT DISTINCT room FROM event WHERE room <> '' AND room NOT IN (SELECT room FROM closed)",
  );
  const close = db.prepare('INSERT OR IGNORE INTO closed VALUES (?)');
  const isClosed = db.prepare('SELECT 1 FROM closed WHERE room = ?');
  const forgetMessage = db.prepare(
    "DELETE FROM event WHERE room = ? AND body ->> '$.type' = 'chat:posted' AND body ->> '$.message.id' = ?",
  );
  const first = db.prepare(
    'SELECT id, body FROM event WHERE id > (SELECT id FROM delivered) ORDER BY id LIMIT ?',
  );
  const count = db.prepare('SELECT count(*) AS n FROM event WHERE id > (SELECT id FROM delivered)');
  const deliver = db.prepare('UPDATE delivered SET id = ?');
  /** What nobody reads any more. */
  const prune = db.prepare(
    "DELETE FROM event WHERE id <= (SELECT id FROM delivered) AND (room = '' OR room IN (SELECT room FROM closed))",
  );

  const delivery = new EventDelivery({
    name: events.name,
    school,
    log,
    first: (limit) => first.all(limit) as unknown as Waiting[],
    done(id) {
      inOne(db, () => {
        deliver.run(id);
        prune.run();
      });
      events.forget();
    },
  });
  const writer = createDiskFullTolerantWriter<RoomEvent>(
    'events',
    (event) => {
      events.stepAhead();
      inOne(db, () => {
        insert.run(event.room, JSON.stringify(event));
        if (event.type === 'chat:deleted') forgetMessage.run(event.room, event.messageId);
        if (event.type !== 'room:closed') return;
        close.run(event.room);
        prune.run();
      });
      if (event.type === 'chat:deleted' || event.type === 'room:closed') emptyLog(db);
      delivery.wake();
    },
    log,
  );

  const load = (room: string): RoomRecord => {
    const record = emptyRecord();
    if (isClosed.get(room) !== undefined) {
      record.state = 'closed';
      return record;
    }
    // The events are this process's own words, so they are not checked again.
    for (const { body } of ofRoom.all(room)) remember(record, JSON.parse(String(body)) as RoomEvent);
    for (const event of writer.waiting()) if (event.room === room) remember(record, event);
    return record;
  };
  let isOpen = true;
  return {
    load,
    append: (event) => writer.write(event),
    appendNow: (event) => writer.writeNow(event),
    unfinished: () =>
      rooms
        .all()
        .map(({ room }) => String(room))
        .filter((room) => isUnfinished(load(room))),
    waiting: () => (count.get() as { n: number }).n + writer.waiting().length,
    close() {
      if (!isOpen) return;
      isOpen = false;
      writer.close();
      delivery.close();
      events.close();
    },
  };
}
