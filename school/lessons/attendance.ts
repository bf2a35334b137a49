// Who was in a class, and when.
import type { Attendance } from '#shared/contract/rest.ts';
import type { Role } from '#shared/domain/roles.ts';
import type { Database } from '../database/database.ts';

export interface Arrival {
  lesson: string;
  peer: string;
  name: string;
  role: Role;
  atMs: number;
  /** When they agreed to be recorded; null if they were not asked. */
  consentedAtMs: number | null;
}

/** Notes an arrival. Someone who never left, as the SFU was restarted, has been there all along. */
export async function noteArrival(db: Database, { atMs, ...person }: Arrival): Promise<void> {
  const { name, role, consentedAtMs } = person;
  await db
    .insertInto('attendance')
    .values({ ...person, joinedAtMs: atMs, leftAtMs: null })
    .onConflict((conflict) =>
      conflict
        .columns(['lesson', 'peer'])
        .where('leftAtMs', 'is', null)
        .doUpdateSet({ name, role, ...(consentedAtMs !== null && { consentedAtMs }) }),
    )
    .execute();
}

/** At most so many names are told of those who teach a class. */
const TEACHERS_TOLD = 5;

/** The names of those who teach and are there, in the order of arrival. */
export async function teachersOf(db: Database, lesson: string): Promise<string[]> {
  const rows = await db
    .selectFrom('attendance')
    .select('name')
    .where('lesson', '=', lesson)
    .where('leftAtMs', 'is', null)
    .where('role', 'in', ['teacher', 'assistant'])
    .orderBy('joinedAtMs')
    .limit(TEACHERS_TOLD)
    .execute();
  return rows.map(({ name }) => name);
}

/** Notes when somebody who is there agreed to be recorded. */
export async function noteConsent(
  db: Database,
  lesson: string,
  peer: string,
  consentedAtMs: number,
): Promise<void> {
  await db
    .updateTable('attendance')
    .set({ consentedAtMs })
    .where('lesson', '=', lesson)
    .where('peer', '=', peer)
    .where('leftAtMs', 'is', null)
    .execute();
}

/** Notes that `peer`, or everyone who is still there, left. */
export async function noteDeparture(
  db: Database,
  lesson: string,
  atMs: number,
  peer?: string,
): Promise<void> {
  await db
    .updateTable('attendance')
    .set({ leftAtMs: atMs })
    .where('lesson', '=', lesson)
    .where('leftAtMs', 'is', null)
    .$if(peer !== undefined, (query) => query.where('peer', '=', peer ?? ''))
    .execute();
}

/** A page in the order of arrival, after the place that `next` of the page before names; null after the last. */
export async function listAttendance(
  db: Database,
  lesson: string,
  limit: number,
  after = '0.0',
): Promise<{ people: Attendance; next: string | null }> {
  const [atMs, id] = after.split('.').map(Number);
  const rows = await db
    .selectFrom('attendance')
    .select(['id', 'peer', 'name', 'role', 'joinedAtMs', 'leftAtMs', 'consentedAtMs'])
    .where('lesson', '=', lesson)
    .where(({ eb, refTuple, tuple }) => eb(refTuple('joinedAtMs', 'id'), '>', tuple(atMs ?? 0, id ?? 0)))
    .orderBy('joinedAtMs')
    .orderBy('id')
    .limit(limit + 1)
    .execute();
  const found = rows.slice(0, limit);
  const last = rows.length > limit ? found.at(-1) : undefined;
  return {
    people: found.map(({ id: _id, ...person }) => person),
    next: last === undefined ? null : `${last.joinedAtMs}.${last.id}`,
  };
}
