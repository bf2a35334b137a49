// The tables of the school. Each topic declares its own in its `tables.ts`, into this interface, and makes
// them in its `migrations/`.

/** Times are in ms since 1970. Columns are in snake_case; CamelCasePlugin translates. */
export interface Tables {
  /** Which migrations were applied, by the names of their files; Kysely keeps it. */
  kyselyMigration: { name: string; timestamp: string };
}
