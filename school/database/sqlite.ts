// Kysely on the SQLite that is built into Node. Several processes may have one file open.
import { mkdirSync } from 'node:fs';
import { dirname } from 'node:path';
import { DatabaseSync, type SQLInputValue } from 'node:sqlite';
import {
  CompiledQuery,
  SqliteAdapter,
  SqliteDriver,
  SqliteIntrospector,
  SqliteQueryCompiler,
  type DatabaseConnection,
  type Dialect,
  type SqliteDatabase,
} from 'kysely';
import { eraseSecurely } from '#server/erasing.ts';
import { onDisk } from '#server/storage.ts';

/** How long a process waits for another one that writes. */
const BUSY_MS = 5_000;

/** The file is opened, and its folder made, with the first query. */
export const sqliteDialect = (path: string): Dialect => ({
  createAdapter: () => new NodeSqliteAdapter(),
  createDriver: () => new ImmediateDriver({ database: async () => glue(openFile(path)) }),
  createIntrospector: (db) => new SqliteIntrospector(db),
  createQueryCompiler: () => new SqliteQueryCompiler(),
});

function openFile(path: string): DatabaseSync {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  const sqlite = new DatabaseSync(path, { timeout: BUSY_MS });
  try {
    // FULL: what was acknowledged also survives a loss of power; the senders have forgotten it by then.
    sqlite.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON');
    eraseSecurely(sqlite);
    return sqlite;
  } catch (error) {
    sqlite.close();
    throw error;
  }
}

/** Shows node:sqlite to Kysely as the driver that its SQLite dialect was written for. */
function glue(sqlite: DatabaseSync): SqliteDatabase {
  return {
    close: () => sqlite.close(),
    prepare(sql) {
      const statement = sqlite.prepare(sql);
      return {
        reader: statement.columns().length > 0,
        all: (parameters) => onDisk(() => statement.all(...bound(parameters))),
        run(parameters) {
          // A full disk has SQLite roll back by itself, and what went wrong must not be hidden by that.
          if (sql === 'rollback' && !sqlite.isTransaction) return NOTHING_DONE;
          return onDisk(() => statement.run(...bound(parameters)));
        },
        iterate: (parameters) => statement.iterate(...bound(parameters)),
      };
    },
  };
}

const NOTHING_DONE = { changes: 0, lastInsertRowid: 0 };

const bound = (parameters: readonly unknown[]) => parameters as readonly SQLInputValue[];

/** SQLite rolls DDL back like anything else: a migration that was cut short leaves nothing behind. */
class NodeSqliteAdapter extends SqliteAdapter {
  override get supportsTransactionalDdl(): boolean {
    return true;
  }
}

class ImmediateDriver extends SqliteDriver {
  /**
   * A transaction that reads first and writes then is refused, however long it would wait, if another process
   * wrote meanwhile (sqlite.org/lang_transaction.html): so it has the right to write from the start.
   */
  override async beginTransaction(connection: DatabaseConnection): Promise<void> {
    await connection.executeQuery(CompiledQuery.raw('begin immediate'));
  }
}
