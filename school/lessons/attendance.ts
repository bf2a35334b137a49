// Who was in a class, and when.
import type { Attendance } from '#shared/contract/rest.ts';
import type { Role } from '#shared/domain/permissions.ts';
import type { Database } from '../database.ts';

export interface Arrival {
  lesson: string;
  peer: string;
  name: string;
  role: Role;
  atMs: number;
}

/** Notes an arrival. Someone who never left, as the SFU was restarted, has been there all along. */
export async function noteArrival(db: Database, { atMs, ...person }: Arrival): Promise<void> {
  const { name, role } = person;
  await db
    .insertInto('attendance')
    .values({ ...person, joinedAtMs: atMs, leftAtMs: null })
    .onConflict((conflict) =>
      conflict.columns(['lesson', 'peer']).where('leftAtMs', 'is', null).doUpdateSet({ name, role }),
    )
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

/** In the order of arrival. */
export function listAttendance(db: Database, lesson: string): Promise<Attendance> {
  return db
    .selectFrom('attendance')
    .select(['peer', 'name', 'role', 'joinedAtMs', 'leftAtMs'])
    .where('lesson', '=', lesson)
    .orderBy('joinedAtMs')
    .orderBy('id')
    .execute();
}
