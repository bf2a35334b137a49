// Kysely on PostgreSQL.
import pg from 'pg';
import {
  CompiledQuery,
  PostgresAdapter,
  PostgresDriver,
  PostgresIntrospector,
  PostgresQueryCompiler,
  type AbortableOperationOptions,
  type DatabaseConnection,
  type Dialect,
  type QueryResult,
} from 'kysely';
import { LecternError, type ErrorCode } from '#shared/contract/errors.ts';
import type { Log } from '#server/log.ts';

/** How long a connection may take, and how long a transaction waits for another one. */
const WAIT_MS = 5_000;
/** After so long PostgreSQL ends the transaction of a process that stands still: others wait for it. */
const IDLE_MS = 10_000;
/** Any number: the advisory lock that transactions hold. */
const WRITER_LOCK = 5_328_463_766;

/** `url` is as in LECTERN_DATABASE_URL. Connections are made with the first queries. */
export const postgresDialect = (url: string, log: Log): Dialect => ({
  createAdapter: () => new PostgresAdapter(),
  createDriver: () => new OneWriterDriver(url, log),
  createIntrospector: (db) => new PostgresIntrospector(db),
  createQueryCompiler: () => new PostgresQueryCompiler(),
});

class OneWriterDriver extends PostgresDriver {
  readonly #log: Log;

  constructor(url: string, log: Log) {
    super({
      pool: async () => createPool(url),
      onCreateConnection: async (connection) => {
        const { executeQuery } = connection;
        connection.executeQuery = <R>(query: CompiledQuery, options?: AbortableOperationOptions) =>
          refusing(
            log,
            () => executeQuery.call(connection, withoutNul(query), options) as Promise<QueryResult<R>>,
            troubleOf,
          );
      },
    });
    this.#log = log;
  }

  override acquireConnection(...options: Parameters<PostgresDriver['acquireConnection']>) {
    return refusing(
      this.#log,
      () => super.acquireConnection(...options),
      () => 'service-unavailable',
    );
  }

  /**
   * One transaction at a time, of all schools on this database, as SQLite has it by nature: what a
   * transaction has read stays so until it has written.
   */
  override async beginTransaction(connection: DatabaseConnection): Promise<void> {
    await connection.executeQuery(CompiledQuery.raw('begin'));
    try {
      await connection.executeQuery(CompiledQuery.raw(`select pg_advisory_xact_lock(${WRITER_LOCK})`));
    } catch (error) {
      await connection.executeQuery(CompiledQuery.raw('rollback'));
      throw error;
    }
  }
}

function createPool(url: string): pg.Pool {
  const pool = new pg.Pool({
    connectionString: url,
    application_name: 'lectern',
    connectionTimeoutMillis: WAIT_MS,
    lock_timeout: WAIT_MS,
    idle_in_transaction_session_timeout: IDLE_MS,
    types: {
      // A bigint comes as text by default; ours are below 2^53.
      getTypeParser: (type, format) =>
        type === pg.types.builtins.INT8
          ? Number
          : (pg.types.getTypeParser(type, format) as (value: string) => unknown),
    },
  });
  // A connection that breaks: the next query makes another one, and one under way rejects.
  pool.on('error', () => undefined);
  pool.on('connect', (client) => client.on('error', () => undefined));
  return pool;
}

/** PostgreSQL has no NUL in its texts. */
const withoutNul = (query: CompiledQuery): CompiledQuery => ({
  ...query,
  parameters: query.parameters.map((value) =>
    typeof value === 'string' ? value.replaceAll('\0', '\ufffd') : value,
  ),
});

/** Does `act`; an error that has a `code` rejects as a refusal. */
async function refusing<T>(
  log: Log,
  act: () => Promise<T>,
  codeOf: (error: unknown) => ErrorCode | undefined,
): Promise<T> {
  try {
    return await act();
  } catch (error) {
    const code = codeOf(error);
    if (code === undefined) throw error;
    log.warn({ err: error }, 'PostgreSQL does not answer as it should');
    throw Object.assign(new LecternError(code), { cause: error });
  }
}

/** Classes of SQLSTATE (postgresql.org/docs/current/errcodes-appendix.html): connection, resources, operator, system. */
const TROUBLES: readonly string[] = ['08', '53', '57', '58'];
const DISK_FULL = '53100';
const LOCK_NOT_AVAILABLE = '55P03';

/** What is refused where the server is at fault; undefined where the query is. */
function troubleOf(error: unknown): ErrorCode | undefined {
  // Whatever else `pg` throws is of the connection.
  const code = error instanceof pg.DatabaseError ? (error.code ?? '') : '08000';
  if (code === DISK_FULL) return 'disk-full';
  return code === LOCK_NOT_AVAILABLE || TROUBLES.includes(code.slice(0, 2))
    ? 'service-unavailable'
    : undefined;
}
