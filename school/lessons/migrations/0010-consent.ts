import type { Kysely } from 'kysely';
import { columns } from '../../database/engine.ts';

export async function up(db: Kysely<unknown>): Promise<void> {
  await db.schema
    .alterTable('lesson')
    .addColumn('asksConsent', 'integer', (column) => column.notNull().defaultTo(0))
    .execute();
  await db.schema.alterTable('attendance').addColumn('consentedAtMs', columns(db).big).execute();
}
