import type { Kysely } from 'kysely';
import { columns } from '../../database/engine.ts';

export async function up(db: Kysely<unknown>): Promise<void> {
  const { big } = columns(db);
  await db.schema.alterTable('lesson').addColumn('splitMs', big).execute();
  await db.schema.alterTable('lesson').addColumn('splitBytes', big).execute();
}
