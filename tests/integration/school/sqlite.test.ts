// The school's database as a file: how it is made, what SQLite is told, and what is wrong with a disk.
import assert from 'node:assert/strict';
import { globSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { after, before, describe, it } from 'node:test';
import { CamelCasePlugin, Kysely, sql } from 'kysely';
import { Migrator } from 'kysely/migration';
import { NO_SPLIT } from '#shared/contract/split.ts';
import { openSqlite } from '../../../school/database/database.ts';
import { getMigrations } from '../../../school/database/migrations.ts';
import { sqliteDialect } from '../../../school/database/sqlite.ts';

describe('the database in a file', () => {
  let dir: string;
  let path: string;
  before(() => {
    dir = mkdtempSync(join(tmpdir(), 'lectern-school-'));
    path = join(dir, 'school', 'lectern.db');
  });
  after(() => rmSync(dir, { recursive: true, force: true }));

  it('is made in an empty folder, where only its owner can look, and opens again', async () => {
    const first = await openSqlite(path);
    const lesson = {
      id: 'lesson01',
      title: 'x',
      channel: 'channel1',
      state: 'open',
      createdAtMs: 1,
    } as const;
    await first.insertInto('lesson').values(lesson).execute();
    await first.destroy();
    assert.equal(statSync(join(dir, 'school')).mode & 0o077, 0);
    const second = await openSqlite(path);
    const links = { teacherLink: 0, assistantLink: 0, studentLink: 0, watchLink: 0 };
    const untouched = { settingsVersion: 0, publishVersion: 0, accessEpoch: 0, access: null, ...links };
    assert.deepEqual(await second.selectFrom('lesson').selectAll().execute(), [
      { ...lesson, titleFolded: '', recordingMode: 'automatic', asksConsent: 0, ...untouched, ...NO_SPLIT },
    ]);
    await second.destroy();
  });

  it('has the tables that each Lectern made, to the letter', async () => {
    for (const name of Object.keys(await getMigrations()).sort()) {
      const db = new Kysely<unknown>({
        dialect: sqliteDialect(join(dir, `${name}.db`)),
        plugins: [new CamelCasePlugin()],
      });
      await new Migrator({ db, provider: { getMigrations } }).migrateTo(name);
      const { rows } = await sql<{ sql: string }>`
        select sql from sqlite_master where sql is not null and name not like 'kysely%' order by rowid`.execute(
        db,
      );
      await db.destroy();
      const made = rows.map((row) => `${row.sql};\n`).join('');
      const landed = readFileSync(join(import.meta.dirname, 'landed', `${name}.sql`), 'utf8');
      assert.equal(landed.slice(0, landed.indexOf('\n\n') + 1), made, 'see landed/README.md');
    }
    const files = globSync('landed/*.sql', { cwd: import.meta.dirname });
    assert.equal(files.length, Object.keys(await getMigrations()).length);
  });

  it('keeps its promises: write-ahead log, synchronised', async () => {
    const db = await openSqlite(path);
    const { rows } = await sql`PRAGMA synchronous`.execute(db);
    assert.deepEqual(rows, [{ synchronous: 2 }]);
    await db.destroy();
    const plain = new DatabaseSync(path);
    assert.deepEqual({ ...plain.prepare('PRAGMA journal_mode').get() }, { journal_mode: 'wal' });
    plain.close();
  });

  it('says that the disk is full, takes back what was begun, and goes on when there is room', async () => {
    const db = await openSqlite(join(dir, 'full.db'));
    const fill = (title: string) =>
      db.transaction().execute(async (transaction) => {
        for (let n = 0; n < 20; n += 1) {
          const id = `${title.slice(0, 4)}${n}`.padEnd(8, 'x');
          await transaction
            .insertInto('lesson')
            .values({ id, title, channel: id, state: 'scheduled', createdAtMs: n })
            .execute();
        }
      });
    await sql`PRAGMA max_page_count = 1`.execute(db);
    await assert.rejects(fill('long'.repeat(5_000)), { code: 'disk-full' });
    await sql`PRAGMA max_page_count = 100000`.execute(db);
    await fill('room');
    const lessons = await db.selectFrom('lesson').select('id').execute();
    assert.equal(lessons.length, 20);
    await db.destroy();
  });

  it('says so when the file is something else', async () => {
    const other = join(dir, 'other.db');
    writeFileSync(other, 'This is not a database, though it is long enough to be taken for one.'.repeat(50));
    await assert.rejects(
      openSqlite(other),
      /other\.db cannot be used \(file is not a database\): restore it/,
    );
  });
});
