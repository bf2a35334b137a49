// The school's database: Kysely over SQLite, which needs nothing, or over PostgreSQL.
import { join } from 'node:path';
import { CamelCasePlugin, Kysely, type Dialect } from 'kysely';
import { Migrator } from 'kysely/migration';
import type { Log } from '#server/log.ts';
import type { Settings } from '#server/settings.ts';
import { getMigrations } from './migrations.ts';
import { postgresDialect } from './postgres.ts';
import { sqliteDialect } from './sqlite.ts';
import type { Tables } from './tables.ts';

/** The database, or a transaction on it. */
export type Database = Kysely<Tables>;

/**
 * Opens the database that the settings name and brings its tables up to date. Throws an Error that says what
 * to do if it is damaged, cannot be reached or is from a newer Lectern.
 */
export function openDatabase(
  { dataDir, school: { databaseUrl: url } }: Pick<Settings, 'dataDir' | 'school'>,
  log: Log,
): Promise<Database> {
  return url === undefined
    ? openSqlite(join(dataDir, 'school', 'lectern.db'))
    : open(postgresDialect(url, log), 'LECTERN_DATABASE_URL', 'look after PostgreSQL');
}

/** The same for the file at `path`, making it and its folder. */
export const openSqlite = (path: string): Promise<Database> =>
  open(sqliteDialect(path), path, 'restore it from a backup');

async function open(dialect: Dialect, name: string, remedy: string): Promise<Database> {
  const db = new Kysely<Tables>({ dialect, plugins: [new CamelCasePlugin()] });
  const { error } = await new Migrator({ db, provider: { getMigrations } }).migrateToLatest();
  if (error === undefined) return db;
  await db.destroy();
  throw new Error(`${name} cannot be used (${reason(error)}): ${remedy}, or update Lectern.`);
}

/** What was wrong at the bottom of it. */
function reason(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  if (error.cause !== undefined) return reason(error.cause);
  // Where a host has several addresses and none answers, the message is empty.
  return error instanceof AggregateError ? error.errors.map(reason).join(', ') : error.message;
}
