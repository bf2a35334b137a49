import type { Kysely } from 'kysely';

interface Then {
  lesson: { id: string; title: string; titleFolded: string };
}

export async function up(db: Kysely<Then>): Promise<void> {
  await db.schema
    .alterTable('lesson')
    .addColumn('titleFolded', 'text', (column) => column.notNull().defaultTo(''))
    .execute();
  for (const { id, title } of await db.selectFrom('lesson').select(['id', 'title']).execute()) {
    const titleFolded = title.normalize('NFKC').toLowerCase();
    await db.updateTable('lesson').set({ titleFolded }).where('id', '=', id).execute();
  }
}
