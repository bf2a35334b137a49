import type { Kysely } from 'kysely';
import { columns } from '../../database/engine.ts';

export async function up(db: Kysely<unknown>): Promise<void> {
  const { big } = columns(db);
  await db.schema
    .createTable('session')
    .addColumn('id', 'text', (column) => column.primaryKey())
    .addColumn('expiresAtMs', big, (column) => column.notNull())
    .execute();
}
