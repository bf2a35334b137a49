import type { Kysely } from 'kysely';

export async function up(db: Kysely<unknown>): Promise<void> {
  await db.schema
    .createTable('watching')
    .addColumn('lesson', 'text', (column) => column.primaryKey().references('lesson.id').onDelete('cascade'))
    .addColumn('watermark', 'text')
    .addColumn('interrupted', 'integer', (column) => column.notNull())
    .execute();
}
