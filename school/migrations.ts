// How the tables came to be. A migration that has been released is never changed; a new one is added.
import { sql, type Kysely } from 'kysely';
import type { Migration } from 'kysely/migration';

export const MIGRATIONS: Record<string, Migration> = {
  '0001-lessons': { up: lessons },
  '0002-access': { up: access },
  '0003-watching': { up: watching },
  '0004-links': { up: links },
  '0005-sessions': { up: sessions },
};

async function lessons(db: Kysely<unknown>): Promise<void> {
  await db.schema
    .createTable('lesson')
    .addColumn('id', 'text', (column) => column.primaryKey())
    .addColumn('title', 'text', (column) => column.notNull())
    .addColumn('channel', 'text', (column) => column.notNull().unique())
    .addColumn('state', 'text', (column) => column.notNull())
    .addColumn('createdAtMs', 'integer', (column) => column.notNull().unique())
    .execute();

  await db.schema
    .createTable('recording')
    .addColumn('id', 'text', (column) => column.primaryKey())
    .addColumn('lesson', 'text', (column) => column.notNull().references('lesson.id').onDelete('cascade'))
    .addColumn('channel', 'text', (column) => column.notNull())
    .addColumn('state', 'text', (column) => column.notNull())
    .addColumn('startedAtMs', 'integer', (column) => column.notNull())
    .addColumn('endedAtMs', 'integer')
    .addColumn('durationMs', 'integer', (column) => column.notNull())
    .addColumn('bytes', 'integer', (column) => column.notNull())
    .addColumn('erasedAtMs', 'integer')
    .execute();
  await db.schema
    .createIndex('recording_of_lesson')
    .on('recording')
    .columns(['lesson', 'startedAtMs'])
    .execute();

  await db.schema
    .createTable('attendance')
    .addColumn('id', 'integer', (column) => column.primaryKey())
    .addColumn('lesson', 'text', (column) => column.notNull().references('lesson.id').onDelete('cascade'))
    .addColumn('peer', 'text', (column) => column.notNull())
    .addColumn('name', 'text', (column) => column.notNull())
    .addColumn('role', 'text', (column) => column.notNull())
    .addColumn('joinedAtMs', 'integer', (column) => column.notNull())
    .addColumn('leftAtMs', 'integer')
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
    .addColumn('sentAtMs', 'integer', (column) => column.notNull())
    .addPrimaryKeyConstraint('chat_key', ['lesson', 'message'])
    .execute();
  await db.schema.createIndex('chat_in_time').on('chat').columns(['lesson', 'sentAtMs']).execute();

  await db.schema
    .createTable('outbox')
    .addColumn('name', 'text', (column) => column.primaryKey())
    .addColumn('lastId', 'integer', (column) => column.notNull())
    .execute();

  await db.schema
    .createTable('errand')
    .addColumn('id', 'integer', (column) => column.primaryKey())
    .addColumn('body', 'text', (column) => column.notNull())
    .execute();
}

async function access(db: Kysely<unknown>): Promise<void> {
  for (const name of ['settingsVersion', 'publishVersion', 'accessEpoch']) {
    await db.schema
      .alterTable('lesson')
      .addColumn(name, 'integer', (column) => column.notNull().defaultTo(0))
      .execute();
  }
  await db.schema.alterTable('lesson').addColumn('access', 'text').execute();
  await db.schema
    .createTable('setting')
    .addColumn('name', 'text', (column) => column.primaryKey())
    .addColumn('version', 'integer', (column) => column.notNull())
    .addColumn('body', 'text', (column) => column.notNull())
    .execute();
}

async function watching(db: Kysely<unknown>): Promise<void> {
  await db.schema
    .createTable('watching')
    .addColumn('lesson', 'text', (column) => column.primaryKey().references('lesson.id').onDelete('cascade'))
    .addColumn('watermark', 'text')
    .addColumn('interrupted', 'integer', (column) => column.notNull())
    .execute();
}

async function links(db: Kysely<unknown>): Promise<void> {
  for (const name of ['teacherLink', 'assistantLink', 'studentLink', 'watchLink']) {
    await db.schema
      .alterTable('lesson')
      .addColumn(name, 'integer', (column) => column.notNull().defaultTo(0))
      .execute();
  }
}

async function sessions(db: Kysely<unknown>): Promise<void> {
  await db.schema
    .createTable('session')
    .addColumn('id', 'text', (column) => column.primaryKey())
    .addColumn('expiresAtMs', 'integer', (column) => column.notNull())
    .execute();
}
