import type { Kysely } from 'kysely';
import { columns } from '../../database/engine.ts';

export async function up(db: Kysely<unknown>): Promise<void> {
  const { big } = columns(db);
  for (const name of ['settingsVersion', 'publishVersion', 'accessEpoch']) {
    await db.schema
      .alterTable('lesson')
      .addColumn(name, big, (column) => column.notNull().defaultTo(0))
      .execute();
  }
  await db.schema.alterTable('lesson').addColumn('access', 'text').execute();
  await db.schema
    .createTable('setting')
    .addColumn('name', 'text', (column) => column.primaryKey())
    .addColumn('version', big, (column) => column.notNull())
    .addColumn('body', 'text', (column) => column.notNull())
    .execute();
}
