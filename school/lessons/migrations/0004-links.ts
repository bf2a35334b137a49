import type { Kysely } from 'kysely';

export async function up(db: Kysely<unknown>): Promise<void> {
  for (const name of ['teacherLink', 'assistantLink', 'studentLink', 'watchLink']) {
    await db.schema
      .alterTable('lesson')
      .addColumn(name, 'integer', (column) => column.notNull().defaultTo(0))
      .execute();
  }
}
