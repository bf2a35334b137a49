import { sql, type Kysely } from 'kysely';
import { columns } from '../../database/engine.ts';

export async function up(db: Kysely<unknown>): Promise<void> {
  const { big, counter } = columns(db);
  await db.schema
    .createTable('lesson')
    .addColumn('id', 'text', (column) => column.primaryKey())
    .addColumn('title', 'text', (column) => column.notNull())
    .addColumn('channel', 'text', (column) => column.notNull().unique())
    .addColumn('state', 'text', (column) => column.notNull())
    .addColumn('createdAtMs', big, (column) => column.notNull().unique())
    .execute();

  await db.schema
    .createTable('recording')
    .addColumn('id', 'text', (column) => column.primaryKey())
    .addColumn('lesson', 'text', (column) => column.notNull().references('lesson.id').onDelete('cascade'))
    .addColumn('channel', 'text', (column) => column.notNull())
    .addColumn('state', 'text', (column) => column.notNull())
    .addColumn('startedAtMs', big, (column) => column.notNull())
    .addColumn('endedAtMs', big)
    .addColumn('durationMs', big, (column) => column.notNull())
    .addColumn('bytes', big, (column) => column.notNull())
    .addColumn('erasedAtMs', big)
    .execute();
  await db.schema
    .createIndex('recording_of_lesson')
    .on('recording')
    .columns(['lesson', 'startedAtMs'])
    .execute();

  await db.schema
    .createTable('attendance')
    .addColumn('id', big, counter)
    .addColumn('lesson', 'text', (column) => column.notNull().references('lesson.id').onDelete('cascade'))
    .addColumn('peer', 'text', (column) => column.notNull())
    .addColumn('name', 'text', (column) => column.notNull())
    .addColumn('role', 'text', (column) => column.notNull())
    .addColumn('joinedAtMs', big, (column) => column.notNull())
    .addColumn('leftAtMs', big)
    .execute();
  await db.schema
    .createIndex('attendance_of_lesson')
    .on('attendance')
    .columns(['lesson', 'joinedAtMs'])
    .execute();
  // A person is in a room once.
  await db.schema
    .createIndex('attendance_present')
    .unique()
    .on('attendance')
    .columns(['lesson', 'peer'])
    .where(sql.ref('left_at_ms'), 'is', null)
    .execute();

  await db.schema
    .createTable('chat')
    .addColumn('lesson', 'text', (column) => column.notNull().references('lesson.id').onDelete('cascade'))
    .addColumn('message', 'text', (column) => column.notNull())
    .addColumn('peer', 'text', (column) => column.notNull())
    .addColumn('name', 'text', (column) => column.notNull())
    .addColumn('role', 'text', (column) => column.notNull())
    .addColumn('text', 'text', (column) => column.notNull())
    .addColumn('sentAtMs', big, (column) => column.notNull())
    .addPrimaryKeyConstraint('chat_key', ['lesson', 'message'])
    .execute();
  await db.schema.createIndex('chat_in_time').on('chat').columns(['lesson', 'sentAtMs']).execute();

  await db.schema
    .createTable('outbox')
    .addColumn('name', 'text', (column) => column.primaryKey())
    .addColumn('lastId', big, (column) => column.notNull())
    .execute();

  await db.schema
    .createTable('errand')
    .addColumn('id', big, counter)
    .addColumn('body', 'text', (column) => column.notNull())
    .execute();
}
