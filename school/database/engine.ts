// What migrations and queries write differently for SQLite and for PostgreSQL.
import {
  PostgresAdapter,
  sql,
  type ColumnDefinitionBuilder,
  type QueryExecutorProvider,
  type RawBuilder,
} from 'kysely';

const isPostgres = (db: QueryExecutorProvider): boolean =>
  db.getExecutor().adapter instanceof PostgresAdapter;

/** What columns are made with. */
export function columns(db: QueryExecutorProvider) {
  const postgres = isPostgres(db);
  return {
    /** The type of times in ms, of sizes in bytes and of what else outgrows 32 bits. */
    big: postgres ? 'bigint' : 'integer',
    /** Makes a `big` column the primary key, which counts up by itself. */
    counter: (column: ColumnDefinitionBuilder): ColumnDefinitionBuilder =>
      postgres ? column.primaryKey().generatedByDefaultAsIdentity() : column.primaryKey(),
  } as const;
}

/**
 * For `where … in`: `texts`, however many, as one parameter. Of those a query takes 32,766 (SQLite) or 65,535
 * (PostgreSQL), which has no empty list either.
 */
export function oneOf(db: QueryExecutorProvider, texts: readonly string[]): RawBuilder<string> {
  return isPostgres(db)
    ? sql`(select unnest(${texts}::text[]))`
    : sql`(select value from json_each(${JSON.stringify(texts)}))`;
}

/**
 * To be called after something was erased: it is not in SQLite's write-ahead log any more either.
 * PostgreSQL clears its files by itself, with its next vacuum and checkpoint.
 */
export async function forgetErased(db: QueryExecutorProvider): Promise<void> {
  if (!isPostgres(db)) await sql`PRAGMA wal_checkpoint(TRUNCATE)`.execute(db);
}
