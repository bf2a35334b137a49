// The school's database: Kysely over the SQLite that is built into Node.
import { mkdirSync } from 'node:fs';
import { dirname } from 'node:path';
import { DatabaseSync, type SQLInputValue } from 'node:sqlite';
import {
  CamelCasePlugin,
  Kysely,
  sql,
  SqliteAdapter,
  SqliteDialect,
  type Generated,
  type SqliteDatabase,
} from 'kysely';
import { Migrator } from 'kysely/migration';
import { eraseSecurely } from '#server/erasing.ts';
import { onDisk } from '#server/storage.ts';
import type { Role } from '#shared/domain/permissions.ts';
import type { LessonState, RecordingState } from '#shared/domain/lifecycle.ts';
import { MIGRATIONS } from './migrations.ts';

/** Times are in ms since 1970. Columns are in snake_case; CamelCasePlugin translates. */
export interface Tables {
  lesson: {
    id: string;
    title: string;
    channel: string;
    state: LessonState;
    createdAtMs: number;
    /** Grows with each change that the gateway has to know of; in ms since 1970. */
    settingsVersion: Generated<number>;
    /** Counts the stream keys that were replaced. */
    publishVersion: Generated<number>;
    /** Counts the revocations of playback addresses. */
    accessEpoch: Generated<number>;
    /** Count how often each link was replaced. */
    teacherLink: Generated<number>;
    assistantLink: Generated<number>;
    studentLink: Generated<number>;
    watchLink: Generated<number>;
    /** A `LessonAccess` as JSON; null for a lesson without rules of its own. */
    access: string | null;
  };
  recording: {
    id: string;
    lesson: string;
    channel: string;
    state: RecordingState;
    startedAtMs: number;
    /** When it stopped being written; null until then. */
    endedAtMs: number | null;
    durationMs: number;
    bytes: number;
    /** When it was deleted. The row stays, so that a late event does not bring it back. */
    erasedAtMs: number | null;
  };
  attendance: {
    id: Generated<number>;
    lesson: string;
    peer: string;
    name: string;
    role: Role;
    joinedAtMs: number;
    leftAtMs: number | null;
  };
  chat: {
    lesson: string;
    message: string;
    peer: string;
    name: string;
    role: Role;
    text: string;
    sentAtMs: number;
  };
  /** What the audience is told beside the addresses; lessons without a row have neither. */
  watching: { lesson: string; watermark: string | null; interrupted: 0 | 1 };
  /** The owner's sign-ins; `id` is made from the token in the cookie and does not tell it. */
  session: { id: string; expiresAtMs: number };
  /** How far each outbox of the other services was applied. */
  outbox: { name: string; lastId: number };
  /** What is still to be done at the other services; `body` is an `Errand` as JSON. */
  errand: { id: Generated<number>; body: string };
  /** What is set for the whole school; `body` is JSON. */
  setting: { name: 'access' | 'gateway-instance'; version: number; body: string };
}

/** The database, or a transaction on it. */
export type Database = Kysely<Tables>;

/**
 * Opens `path`, making its folder and bringing its tables up to date.
 * Throws an Error that says what to do if the file is damaged or from a newer Lectern.
 */
export async function openDatabase(path: string): Promise<Database> {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  const sqlite = new DatabaseSync(path);
  try {
    // FULL: what was acknowledged also survives a loss of power; the senders have forgotten it by then.
    sqlite.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON');
    sqlite.function('folded', { deterministic: true }, (text) => folded(String(text)));
    eraseSecurely(sqlite);
    const db = new Kysely<Tables>({
      dialect: new NodeSqliteDialect({ database: glue(sqlite) }),
      plugins: [new CamelCasePlugin()],
    });
    const migrator = new Migrator({ db, provider: { getMigrations: async () => MIGRATIONS } });
    const { error } = await migrator.migrateToLatest();
    if (error !== undefined) throw error as Error;
    return db;
  } catch (error) {
    sqlite.close();
    const why = error instanceof Error ? error.message : String(error);
    throw new Error(`${path} cannot be used (${why}): restore it from a backup, or update Lectern.`);
  }
}

/** What is the same to a reader is the same text: SQLite itself folds the case of A to Z alone. */
export const folded = (text: string): string => text.normalize('NFKC').toLowerCase();

/** To be called after something was erased: it is not in the write-ahead log any more either. */
export async function forgetErased(db: Database): Promise<void> {
  await sql`PRAGMA wal_checkpoint(TRUNCATE)`.execute(db);
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

class NodeSqliteDialect extends SqliteDialect {
  override createAdapter(): SqliteAdapter {
    return new NodeSqliteAdapter();
  }
}
