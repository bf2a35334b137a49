// The recordings of one class (shared/domain/replay.ts), in the database.
import { classesOf } from '#shared/domain/replay.ts';
import type { Database } from '../database/database.ts';
import { oneOf } from '../database/engine.ts';
import { isWatchable, STOPPED, type RecordingRow } from './store.ts';

/** All recordings of `lessons` that are not deleted. */
export function listOfLessons(db: Database, lessons: readonly string[]): Promise<RecordingRow[]> {
  return db
    .selectFrom('recording')
    .selectAll()
    .where('lesson', 'in', oneOf(db, lessons))
    .where('erasedAtMs', 'is', null)
    .execute();
}

/** For each of `rows` that can be watched, with which recording its class begins. */
export function firstPartsOf(rows: readonly RecordingRow[]): ReadonlyMap<string, string> {
  const classes = classesOf(rows.filter(isWatchable));
  return new Map(classes.flatMap((parts) => parts.map(({ id }) => [id, parts[0]?.id ?? id] as const)));
}

/** Those of `rows` that make a class with `row`, which is one of them in any case, in the order of time. */
function classOf(row: RecordingRow, rows: readonly RecordingRow[]): RecordingRow[] {
  const others = rows.filter(({ id }) => id !== row.id);
  return classesOf([row, ...others]).find((parts) => parts.includes(row)) ?? [row];
}

/** What the replay of `row` plays; itself alone while it cannot be watched. */
export const partsToPlay = (row: RecordingRow, rows: readonly RecordingRow[]): RecordingRow[] =>
  isWatchable(row) ? classOf(row, rows.filter(isWatchable)) : [row];

/** The same by what was told, of which the last word may be on its way: for what goes with a replay. */
export const partsTold = (row: RecordingRow, rows: readonly RecordingRow[]): RecordingRow[] =>
  classOf(
    row,
    rows.filter(({ state, durationMs }) => STOPPED.includes(state) && state !== 'failed' && durationMs > 0),
  );
