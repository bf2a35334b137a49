import type { Kysely } from 'kysely';

export async function up(db: Kysely<unknown>): Promise<void> {
  await db.schema
    .alterTable('lesson')
    .addColumn('recordingMode', 'text', (column) => column.notNull().defaultTo('automatic'))
    .execute();
}
