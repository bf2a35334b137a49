// A SQLite file of events that are on their way to `school`. WAL mode keeps what was committed through `kill -9`.
import { randomBytes } from 'node:crypto';
import { mkdirSync } from 'node:fs';
import { dirname } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { emptyLog, eraseSecurely } from './erasing.ts';

/** What was delivered is out of the write-ahead log, too, so long after the last delivery. */
const FORGET_AFTER_MS = 2_000;

export interface EventDb {
  readonly db: DatabaseSync;
  /** The sender's own name: the service and a random id of this file. */
  readonly name: string;
  /**
   * Call it before an event is inserted. A loss of power may take back events that `school` has already: their
   * ids must not come again, or it would take what comes next for a repetition. The time, in µs, is ahead of every
   * id before it.
   */
  stepAhead(): void;
  /** Rows were deleted: nothing of them stays in the write-ahead log for long. */
  forget(): void;
  close(): void;
}

/** Opens `path`, making it on first use. `columns` are those of the table `event` next to its growing `id`. */
export function openEventDb(path: string, service: string, columns: string): EventDb {
  mkdirSync(dirname(path), { recursive: true });
  const db = new DatabaseSync(path);
  db.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;');
  eraseSecurely(db);
  db.exec(`CREATE TABLE IF NOT EXISTS event (id INTEGER PRIMARY KEY AUTOINCREMENT, ${columns})`);
  db.exec('CREATE TABLE IF NOT EXISTS name (value TEXT NOT NULL)');
  db.exec(`INSERT INTO sqlite_sequence (name, seq) SELECT 'event', 0
    WHERE NOT EXISTS (SELECT 1 FROM sqlite_sequence WHERE name = 'event')`);
  const named = db.prepare('SELECT value FROM name').get() as { value: string } | undefined;
  const name = named?.value ?? `${service}-${randomBytes(9).toString('base64url')}`;
  if (named === undefined) db.prepare('INSERT INTO name VALUES (?)').run(name);
  const ahead = db.prepare("UPDATE sqlite_sequence SET seq = max(seq, ?) WHERE name = 'event'");
  // Before the first event of this run, not at once: on a full disk a service that was killed has to come back.
  let isAhead = false;
  let forgetting: NodeJS.Timeout | undefined;
  let isOpen = true;
  return {
    db,
    name,
    stepAhead() {
      if (!isAhead) ahead.run(Date.now() * 1_000);
      isAhead = true;
    },
    forget() {
      forgetting ??= setTimeout(() => {
        forgetting = undefined;
        emptyLog(db);
      }, FORGET_AFTER_MS);
    },
    close() {
      if (!isOpen) return;
      isOpen = false;
      clearTimeout(forgetting);
      db.close();
    },
  };
}

/** Does `work` in one transaction, or not at all. */
export function inOne(db: DatabaseSync, work: () => void): void {
  db.exec('BEGIN IMMEDIATE');
  try {
    work();
    db.exec('COMMIT');
  } catch (error) {
    // A full disk has SQLite roll back by itself.
    if (db.isTransaction) db.exec('ROLLBACK');
    throw error;
  }
}
