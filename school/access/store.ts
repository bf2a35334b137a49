// Rules of access in the database: those of the school, and those of a lesson.
import { AccessRules, DEFAULT_ACCESS, LessonAccess, AS_THE_SCHOOL } from '#shared/contract/access.ts';
import type { AccessDefaults } from '#shared/contract/internal.ts';
import type { Database } from '../database/database.ts';
import { oneOf } from '../database/engine.ts';
import type { Tables } from '../database/tables.ts';
import { addJob } from '../jobs/job.ts';
import type { LessonRow } from '../lessons/store.ts';

/** What can be changed of a lesson that the gateway has to know. */
export type SettingsChange = Partial<Omit<LessonRow, 'id' | 'channel' | 'createdAtMs' | 'settingsVersion'>>;

/**
 * Changes what the gateway has to know of a lesson, moving the version of its settings on. Returns the
 * lesson as it is now, or undefined if there is none.
 */
export async function changeSettings(
  transaction: Database,
  lesson: string,
  change: SettingsChange,
  nowMs: number,
): Promise<LessonRow | undefined> {
  return transaction
    .updateTable('lesson')
    .set((eb) => ({
      ...change,
      settingsVersion: eb
        .case()
        .when('settingsVersion', '<', nowMs)
        .then(nowMs)
        .else(eb('settingsVersion', '+', 1))
        .end(),
    }))
    .where('id', '=', lesson)
    .returningAll()
    .executeTakeFirst();
}

/** The rules of a lesson; all are the school's where it has none. */
export function accessOf({ access }: Pick<LessonRow, 'access'>): LessonAccess {
  return access === null ? AS_THE_SCHOOL : LessonAccess.parse(JSON.parse(access));
}

/** The rules of the school, with their version; 0 while nobody has changed them. */
export async function schoolAccess(db: Database): Promise<AccessDefaults> {
  const row = await db.selectFrom('setting').selectAll().where('name', '=', 'access').executeTakeFirst();
  if (row === undefined) return { version: 0, access: DEFAULT_ACCESS };
  return { version: row.version, access: AccessRules.parse(JSON.parse(row.body)) };
}

export async function keepSchoolAccess(
  transaction: Database,
  access: AccessRules,
  nowMs: number,
): Promise<void> {
  const { version } = await schoolAccess(transaction);
  await keep(transaction, 'access', JSON.stringify(access), Math.max(nowMs, version + 1));
}

/** What addresses of a lesson's recordings are made with. */
export type Edition = Pick<LessonRow, 'accessEpoch' | 'watchLink'>;

/** The editions of lessons by their id. */
export async function editionsOf(
  db: Database,
  lessons: readonly string[],
): Promise<ReadonlyMap<string, Edition>> {
  const rows = await db
    .selectFrom('lesson')
    .select(['id', 'accessEpoch', 'watchLink'])
    .where('id', 'in', oneOf(db, lessons))
    .execute();
  return new Map(rows.map((row) => [row.id, row]));
}

/**
 * The gateway is there. Where its memory is another than that which was told, everything has to be said
 * again: jobs for it are added.
 */
export async function noteGateway(transaction: Database, instance: string): Promise<void> {
  const known = await transaction
    .selectFrom('setting')
    .select('body')
    .where('name', '=', 'gateway-instance')
    .executeTakeFirst();
  if (known?.body === instance) return;
  await keep(transaction, 'gateway-instance', instance, 0);
  const lessons = await transaction.selectFrom('lesson').select('id').execute();
  await addPushes(transaction, [
    { type: 'push-defaults' },
    ...lessons.map(({ id }) => ({ type: 'push-settings' as const, lesson: id })),
  ]);
}

/** Adds jobs that tell the gateway something, but for those that are there already. */
export async function addPushes(
  transaction: Database,
  jobs: readonly ({ type: 'push-defaults' } | { type: 'push-settings'; lesson: string })[],
): Promise<void> {
  for (const job of jobs) {
    const body = JSON.stringify(job);
    const same = await transaction
      .selectFrom('errand')
      .select('id')
      .where('body', '=', body)
      .executeTakeFirst();
    if (same === undefined) await addJob(transaction, job);
  }
}

async function keep(
  transaction: Database,
  name: Tables['setting']['name'],
  body: string,
  version: number,
): Promise<void> {
  await transaction
    .insertInto('setting')
    .values({ name, version, body })
    .onConflict((conflict) => conflict.column('name').doUpdateSet({ version, body }))
    .execute();
}
