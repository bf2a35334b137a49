// One set-up step at a time, also between processes. The lock is SQLite's on a file: the system lets go
// of it when its holder ends, however it ends, so a lock can never be left behind.
import { mkdirSync } from 'node:fs';
import { dirname } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { setTimeout as sleep } from 'node:timers/promises';
import { SetupError } from './run.ts';

const POLL_MS = 250;

export interface LockOptions {
  signal?: AbortSignal | undefined;
  /** Called once if another process has the lock. */
  onWait?: () => void;
}

/** Runs `work` while holding the lock on `path`. Rejects with what `work` rejects with, if aborted, or with SetupError. */
export async function withLock<T>(
  path: string,
  work: () => Promise<T>,
  options: LockOptions = {},
): Promise<T> {
  const db = openLock(path);
  try {
    for (let waited = false; !tryLock(db);) {
      if (!waited) options.onWait?.();
      waited = true;
      await sleep(POLL_MS, undefined, {
        ...(options.signal === undefined ? {} : { signal: options.signal }),
      });
    }
    return await work();
  } finally {
    db.close();
  }
}

function openLock(path: string): DatabaseSync {
  const dir = dirname(path);
  try {
    mkdirSync(dir, { recursive: true });
    return new DatabaseSync(path, { timeout: 0 });
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new SetupError(`${dir} cannot be written (${why}): give it to the user that runs Lectern.`);
  }
}

const SQLITE_BUSY = 5;

function tryLock(db: DatabaseSync): boolean {
  try {
    db.exec('BEGIN EXCLUSIVE');
    return true;
  } catch (error) {
    if (error instanceof Error && 'errcode' in error && error.errcode === SQLITE_BUSY) return false;
    throw error;
  }
}
