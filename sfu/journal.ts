// The rooms' journal in SQLite: one log of entries for each room. WAL mode keeps what was committed
// through `kill -9`; a closed room shrinks to the fact that it is closed.
import { mkdirSync } from 'node:fs';
import { dirname } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { emptyLog, eraseSecurely } from '#server/erasing.ts';
import type { Log } from '#server/log.ts';
import { createPatientWriter } from '#server/patient-writer.ts';
import type { Journal } from './room/ports.ts';
import { emptyRecord, remember, type JournalEntry, type RoomRecord } from './room/record.ts';

export interface OpenJournal extends Journal {
  close(): void;
}

interface Line {
  readonly room: string;
  readonly entry: JournalEntry;
}

/** Opens the journal in the SQLite file `path`, making it on first use. On a full disk it goes on in memory. */
export function openJournal(path: string, log: Log): OpenJournal {
  mkdirSync(dirname(path), { recursive: true });
  const db = new DatabaseSync(path);
  db.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;');
  eraseSecurely(db);
  db.exec(
    'CREATE TABLE IF NOT EXISTS entry (id INTEGER PRIMARY KEY, room TEXT NOT NULL, body TEXT NOT NULL);' +
      'CREATE INDEX IF NOT EXISTS entry_room ON entry (room, id)',
  );
  const insert = db.prepare('INSERT INTO entry (room, body) VALUES (?, ?)');
  const select = db.prepare('SELECT body FROM entry WHERE room = ? ORDER BY id');
  const erase = db.prepare('DELETE FROM entry WHERE room = ?');
  const rooms = db.prepare('SELECT DISTINCT room FROM entry');
  let open = true;

  const forget = db.prepare(
    "DELETE FROM entry WHERE room = ? AND body ->> '$.type' = 'chat:posted' AND body ->> '$.message.id' = ?",
  );

  const store = ({ room, entry }: Line): void => {
    if (entry.type === 'chat:deleted') {
      // Its text is nowhere any more, so there is nothing to remember of it.
      forget.run(room, entry.messageId);
      emptyLog(db);
      return;
    }
    if (entry.type !== 'room:closed') {
      insert.run(room, JSON.stringify(entry));
      return;
    }
    db.exec('BEGIN');
    try {
      erase.run(room);
      insert.run(room, JSON.stringify(entry));
      db.exec('COMMIT');
      emptyLog(db);
    } catch (error) {
      // A full disk has SQLite roll back by itself.
      if (db.isTransaction) db.exec('ROLLBACK');
      throw error;
    }
  };
  const writer = createPatientWriter<Line>('journal', store, log);

  const load = (room: string): RoomRecord => {
    const record = emptyRecord();
    // The entries are this process's own words, so they are not checked again.
    for (const { body } of select.all(room)) remember(record, JSON.parse(String(body)) as JournalEntry);
    for (const line of writer.waiting()) if (line.room === room) remember(record, line.entry);
    return record;
  };
  return {
    load,
    append: (room, entry) => writer.write({ room, entry }),
    appendNow: (room, entry) => writer.writeNow({ room, entry }),
    unfinished() {
      return rooms
        .all()
        .map(({ room }) => String(room))
        .filter((room) => {
          const record = load(room);
          return record.present.size > 0 || record.onAir !== null;
        });
    },
    close() {
      if (!open) return;
      open = false;
      writer.close();
      db.close();
    },
  };
}
