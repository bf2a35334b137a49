import type { Kysely } from 'kysely';
import { columns } from '../../database/engine.ts';

export async function up(db: Kysely<unknown>): Promise<void> {
  const { big } = columns(db);
  await db.schema
    .createTable('share')
    .addColumn('id', 'text', (column) => column.primaryKey())
    .addColumn('recording', 'text', (column) =>
      column.notNull().references('recording.id').onDelete('cascade'),
    )
    .addColumn('createdAtMs', big, (column) => column.notNull())
    .addColumn('expiresAtMs', big)
    .addColumn('endedAtMs', big)
    .addColumn('files', 'integer', (column) => column.notNull())
    .addColumn('chat', 'integer', (column) => column.notNull())
    .execute();
  await db.schema.createIndex('share_of').on('share').column('recording').execute();
}
