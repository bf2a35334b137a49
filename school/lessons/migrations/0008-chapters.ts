import type { Kysely } from 'kysely';
import { columns } from '../../database/engine.ts';

export async function up(db: Kysely<unknown>): Promise<void> {
  await db.schema
    .createTable('chapter')
    .addColumn('lesson', 'text', (column) => column.notNull().references('lesson.id').onDelete('cascade'))
    .addColumn('chapter', 'text', (column) => column.notNull())
    .addColumn('broadcast', 'text', (column) => column.notNull())
    .addColumn('title', 'text')
    .addColumn('markedAtMs', columns(db).big, (column) => column.notNull())
    .addPrimaryKeyConstraint('chapter_key', ['lesson', 'chapter'])
    .execute();
}
