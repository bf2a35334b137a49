// The database itself: what was kept by any Lectern before this one is there, and two processes share it.
import assert from 'node:assert/strict';
import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { globSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { CamelCasePlugin, Kysely, sql } from 'kysely';
import { Migrator } from 'kysely/migration';
import { getMigrations } from '../../../school/database/migrations.ts';
import { listLessons } from '../../../school/lessons/store.ts';
import { addMissing, findRecording } from '../../../school/recordings/store.ts';
import { makeDatabase, type TestDatabase } from './support.ts';

const LANDED = join(import.meta.dirname, 'landed');
const WRITER = join(import.meta.dirname, 'writer.ts');
const TRANSACTIONS = 300;

type Rows = Record<string, Record<string, unknown>[]>;

/** Everything in the database, as it lies there. */
async function contents(database: TestDatabase): Promise<Rows> {
  const db = new Kysely<Rows>({ dialect: database.dialect() });
  const rows: Rows = {};
  for (const { name } of await db.introspection.getTables()) {
    const all = sql<Record<string, unknown>>`select * from ${sql.table(name)} order by 1, 2`;
    rows[name] = (await all.execute(db)).rows.map((row) => ({ ...row }));
  }
  await db.destroy();
  return rows;
}

/** Makes the database that a Lectern whose newest migration was `name` left behind (landed/README.md). */
async function leave(database: TestDatabase, name: string): Promise<void> {
  const statements = readFileSync(join(LANDED, `${name}.sql`), 'utf8')
    .split(/;\n+/)
    .filter(Boolean);
  const db = new Kysely<Rows>({ dialect: database.dialect() });
  if (database.isPostgres) {
    const migrator = new Migrator({ db: db.withPlugin(new CamelCasePlugin()), provider: { getMigrations } });
    const { error } = await migrator.migrateTo(name);
    assert.equal(error, undefined);
  }
  for (const statement of statements) {
    const isRow = /^INSERT INTO (?!kysely)/.test(statement);
    if (isRow || !database.isPostgres) await sql.raw(statement).execute(db);
  }
  await db.destroy();
}

describe('an upgrade', () => {
  for (const name of globSync('*.sql', { cwd: LANDED })
    .sort()
    .map((file) => basename(file, '.sql'))) {
    it(`keeps all that a Lectern of ${name} knew`, async () => {
      const database = await makeDatabase();
      await leave(database, name);
      const before = await contents(database);
      const db = await database.open();
      const now = await contents(database);
      for (const [table, rows] of Object.entries(before)) {
        assert.ok(rows[0], `${table} has a row`);
        const columns = Object.keys(rows[0]);
        const kept = now[table]?.map((row) =>
          Object.fromEntries(columns.map((column) => [column, row[column]])),
        );
        assert.deepEqual(kept, rows, table);
      }
      assert.equal((await findRecording(db, 'recording001'))?.bytes, 5_000_000_000);
      for (const search of ['photo', "l'été", '100 %']) {
        assert.equal((await listLessons(db, 9, undefined, search)).length, 1, search);
      }
      assert.deepEqual(await listLessons(db, 9, undefined, '10_'), []);
      await db.destroy();
      database.remove();
    });
  }

  it('numbers each migration once', async () => {
    const names = Object.keys(await getMigrations()).sort();
    const numbers = names.map((name) => /^(\d{4})-[a-z-]+$/.exec(name)?.[1]);
    assert.deepEqual(
      numbers,
      names.map((_, index) => String(index + 1).padStart(4, '0')),
    );
  });
});

describe('the database', () => {
  let database: TestDatabase;
  before(async () => {
    database = await makeDatabase();
  });
  after(() => database.remove());

  it('takes over the recordings of a gateway that has very many', async () => {
    const db = await database.open();
    const lesson = {
      id: 'lesson01',
      title: 'x',
      channel: 'channel1',
      state: 'open',
      createdAtMs: 1,
    } as const;
    await db.insertInto('lesson').values(lesson).execute();
    const told = (id: string, lesson: string) => ({
      ...{ id, lesson, channel: 'channel1', state: 'ready' as const },
      ...{ startedAtMs: 1, durationMs: 1, bytes: 1 },
    });
    const others = Array.from({ length: 40_000 }, (_, index) => told(`recording${index}`, 'notknown'));
    await addMissing(db, [...others, told('recordingx', 'lesson01')], 2);
    const kept = await db.selectFrom('recording').select('id').execute();
    assert.deepEqual(kept, [{ id: 'recordingx' }]);
    await db.destroy();
  });

  it('keeps nothing of a lesson that is not there', async () => {
    const db = await database.open();
    const orphan = {
      lesson: 'nolesson',
      message: 'm',
      peer: 'p',
      name: 'n',
      role: 'student',
      text: 't',
      sentAtMs: 1,
    } as const;
    await assert.rejects(db.insertInto('chat').values(orphan).execute(), /foreign key/i);
    await db.destroy();
  });

  it('takes texts with characters that an engine does not have', async () => {
    const db = await database.open();
    assert.deepEqual(await listLessons(db, 9, undefined, 'a\0b'), []);
    await db.destroy();
  });

  it('is not touched if it is from a newer Lectern', async () => {
    const db = await database.open();
    const later = { name: '9999-later', timestamp: '2099-01-01T00:00:00.000Z' };
    await db.insertInto('kyselyMigration').values(later).execute();
    await assert.rejects(database.open(), /cannot be used \(.*9999-later.*\): .*update Lectern/);
    await db.deleteFrom('kyselyMigration').where('name', '=', later.name).execute();
    await db.destroy();
  });

  it('serves two processes that write at the same time: none is refused, and no one overwrites the other', async () => {
    const shared = await makeDatabase();
    // Both find it empty, and both make its tables.
    const writers = [1, 2].map(() => fork(WRITER, [JSON.stringify(shared.env), String(TRANSACTIONS)]));
    const heard = (writer: ChildProcess) => Promise.race([once(writer, 'message'), once(writer, 'exit')]);
    await Promise.all(writers.map(heard));
    const ends = writers.map((writer) => once(writer, 'exit'));
    for (const writer of writers) writer.send('begin');
    assert.deepEqual(await Promise.all(ends), [
      [0, null],
      [0, null],
    ]);
    const db = await shared.open();
    const { lastId } = await db.selectFrom('outbox').select('lastId').executeTakeFirstOrThrow();
    assert.equal(lastId, 2 * TRANSACTIONS);
    await db.destroy();
    shared.remove();
  });
});
