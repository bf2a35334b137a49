// All that holds for a school on SQLite holds for one on PostgreSQL: the same tests, and what can happen to a
// server alone.
import assert from 'node:assert/strict';
import { globSync } from 'node:fs';
import { basename, join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { sql } from 'kysely';
import { createLog } from '#server/log.ts';
import { readSettings } from '#server/settings.ts';
import { openDatabase } from '../../../school/database/database.ts';
import { startPostgres } from '../../support/postgres.ts';
import { codeOf, startTestSchool, useDatabases, type TestSchool } from './support.ts';

/** What is about SQLite's files, and this. */
const OTHERS = ['sqlite.test.ts', basename(import.meta.filename)];

const server = await startPostgres();
after(() => server.stop());
useDatabases(() => server.createDatabase());

const files = globSync('*.test.ts', { cwd: import.meta.dirname, exclude: OTHERS });
for (const file of files.sort()) await import(join(import.meta.dirname, file));

describe('a school whose PostgreSQL is restarted', () => {
  let school: TestSchool;
  let name: string;
  before(async () => {
    school = await startTestSchool();
    const db = await school.openDatabase();
    const { rows } = await sql<{ name: string }>`select current_database() as name`.execute(db);
    name = rows[0]!.name;
    await db.destroy();
  });
  after(() => school.close());

  const cutOff = () =>
    server.operate(`select pg_terminate_backend(pid) from pg_stat_activity where datname = '${name}'`);

  it('refuses while it is away, says so in the log, and goes on when it is back', async () => {
    const lesson = await school.createLesson();
    await server.operate(`alter database ${name} with allow_connections false`);
    await cutOff();
    // The first to ask may be the one that finds out that its connection is broken.
    for (const _ of ['first', 'second']) {
      assert.equal(codeOf(await school.owner('GET', `/lessons/${lesson.id}`)), 'service-unavailable');
    }
    assert.ok(school.lines.some((line) => line.includes('PostgreSQL does not answer')));
    await server.operate(`alter database ${name} with allow_connections true`);
    assert.equal((await school.owner('GET', `/lessons/${lesson.id}`)).status, 200);
  });

  it('takes back a transaction in the middle of which it went', async () => {
    const db = await school.openDatabase();
    const broken = db.transaction().execute(async (transaction) => {
      await transaction.insertInto('outbox').values({ name: 'half', lastId: 1 }).execute();
      await cutOff();
      await transaction.insertInto('outbox').values({ name: 'whole', lastId: 1 }).execute();
    });
    await assert.rejects(broken, { code: 'service-unavailable' });
    assert.deepEqual(await db.selectFrom('outbox').selectAll().execute(), []);
    await db.destroy();
  });

  it('says what to do where it is not there at the start, and not the password', async () => {
    const settings = readSettings({ LECTERN_DATABASE_URL: 'postgres://lectern:hidden@127.0.0.1:1/lectern' });
    await assert.rejects(openDatabase(settings, createLog('silent', 'school')), {
      message:
        'LECTERN_DATABASE_URL cannot be used (connect ECONNREFUSED 127.0.0.1:1): look after PostgreSQL, or update Lectern.',
    });
  });
});
