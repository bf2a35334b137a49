// Recordings in the database: what the gateway told about them.
import { sql } from 'kysely';
import type { RecordingInfo } from '#shared/contract/internal.ts';
import type { ReplayState } from '#shared/contract/rest.ts';
import type { Database, Tables } from '../database.ts';

export type RecordingRow = Tables['recording'];

const STOPPED: readonly RecordingInfo['state'][] = ['finalizing', 'ready', 'failed'];
/** States after which nothing more happens. */
export const FINAL: readonly RecordingInfo['state'][] = ['ready', 'failed'];

/** Takes over what the gateway says of a recording. What is final or deleted stays so. */
export async function noteRecording(db: Database, info: RecordingInfo, atMs: number): Promise<void> {
  const { id, lesson, channel, ...figures } = info;
  const endedAtMs = STOPPED.includes(info.state) ? atMs : null;
  await db
    .insertInto('recording')
    .values({ id, lesson, channel, ...figures, endedAtMs, erasedAtMs: null })
    .onConflict((conflict) =>
      conflict
        .column('id')
        .doUpdateSet(({ fn, ref }) => ({
          ...figures,
          endedAtMs: fn.coalesce(ref('recording.endedAtMs'), ref('excluded.endedAtMs')),
        }))
        .where('recording.state', 'not in', FINAL)
        .where('recording.erasedAtMs', 'is', null),
    )
    .execute();
}

/** Adds those of `infos`, however many, that are not known yet and whose lesson is. */
export async function addMissing(db: Database, infos: readonly RecordingInfo[], atMs: number): Promise<void> {
  if (infos.length === 0) return;
  // In one transaction: a lesson must not go between the look and the note.
  await db.transaction().execute(async (transaction) => {
    const known = await idsAmong(
      transaction,
      'recording',
      infos.map(({ id }) => id),
    );
    const missing = infos.filter(({ id }) => !known.has(id));
    const lessons = await idsAmong(
      transaction,
      'lesson',
      missing.map(({ lesson }) => lesson),
    );
    for (const info of missing) {
      if (lessons.has(info.lesson)) await noteRecording(transaction, info, atMs);
    }
  });
}

/** Those of `ids` that `table` has. They go as one value: SQLite takes 32,766 of them, a gateway has more. */
async function idsAmong(
  db: Database,
  table: 'lesson' | 'recording',
  ids: readonly string[],
): Promise<ReadonlySet<string>> {
  const given = sql<string>`(select value from json_each(${JSON.stringify(ids)}))`;
  const rows = await db.selectFrom(table).select('id').where('id', 'in', given).execute();
  return new Set(rows.map(({ id }) => id));
}

/** The recording if it is known and not deleted. */
export function findRecording(db: Database, id: string): Promise<RecordingRow | undefined> {
  return db
    .selectFrom('recording')
    .selectAll()
    .where('id', '=', id)
    .where('erasedAtMs', 'is', null)
    .executeTakeFirst();
}

export interface RecordingFilter {
  lesson?: string | undefined;
  /** Only those that began before this time. */
  beforeMs?: number | undefined;
  limit: number;
}

/** Newest first. */
export function listRecordings(
  db: Database,
  { lesson, beforeMs, limit }: RecordingFilter,
): Promise<RecordingRow[]> {
  return db
    .selectFrom('recording')
    .selectAll()
    .where('erasedAtMs', 'is', null)
    .$if(lesson !== undefined, (query) => query.where('lesson', '=', lesson ?? ''))
    .$if(beforeMs !== undefined, (query) => query.where('startedAtMs', '<', beforeMs ?? 0))
    .orderBy('startedAtMs', 'desc')
    .orderBy('id')
    .limit(limit)
    .execute();
}

/** Whether a recording holds something to watch; where nothing ever came there is none. */
export const isWatchable = ({ state, durationMs }: Pick<RecordingInfo, 'state' | 'durationMs'>): boolean =>
  state === 'ready' && durationMs > 0;

/** What the recordings of one lesson add up to. */
export function replayOf(recordings: readonly Pick<RecordingInfo, 'state' | 'durationMs'>[]): ReplayState {
  if (recordings.some(isWatchable)) return 'ready';
  return recordings.some(({ state }) => !FINAL.includes(state)) ? 'preparing' : 'none';
}

/** The replays of `lessons`, by the lesson's id, as far as the gateway told. */
export async function listReplays(
  db: Database,
  lessons: readonly string[],
): Promise<ReadonlyMap<string, ReplayState>> {
  const rows = await db
    .selectFrom('recording')
    .select(['lesson', 'state', 'durationMs'])
    .where('lesson', 'in', lessons)
    .where('erasedAtMs', 'is', null)
    .execute();
  const byLesson = Map.groupBy(rows, ({ lesson }) => lesson);
  return new Map(lessons.map((lesson) => [lesson, replayOf(byLesson.get(lesson) ?? [])]));
}

export async function markErased(db: Database, id: string, atMs: number): Promise<void> {
  await db.updateTable('recording').set({ erasedAtMs: atMs }).where('id', '=', id).execute();
}
