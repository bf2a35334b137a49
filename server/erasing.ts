// SQLite that forgets: what was deleted is overwritten in the file and does not stay in the write-ahead log.
import type { DatabaseSync } from 'node:sqlite';

/**
 * Sets up `db`: deleted rows are overwritten with zeros (sqlite.org/pragma.html#pragma_secure_delete). A file
 * of an earlier version, which did not, is written again once; SQLite's `user_version` notes that.
 */
export function eraseSecurely(db: DatabaseSync): void {
  db.exec('PRAGMA secure_delete = ON');
  const { user_version: version } = db.prepare('PRAGMA user_version').get() as { user_version: number };
  if (version > 0) return;
  try {
    db.exec('VACUUM; PRAGMA user_version = 1');
  } catch {
    // On a full disk the next start does it: a class must not wait for that.
  }
  emptyLog(db);
}

/**
 * Moves the write-ahead log into the file and cuts it to nothing (sqlite.org/pragma.html#pragma_wal_checkpoint).
 * On a full disk it stays as it is until the next time.
 */
export function emptyLog(db: DatabaseSync): void {
  try {
    db.exec('PRAGMA wal_checkpoint(TRUNCATE)');
  } catch {
    // There is no room, or somebody else reads.
  }
}
