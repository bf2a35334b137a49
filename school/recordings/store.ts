// Recordings in the database: what the gateway told about them.
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

/** Adds those of `infos` that are not known yet and whose lesson is. */
export async function addMissing(db: Database, infos: readonly RecordingInfo[], atMs: number): Promise<void> {
  if (infos.length === 0) return;
  const ids = infos.map(({ id }) => id);
  const rows = await db.selectFrom('recording').select('id').where('id', 'in', ids).execute();
  const known = new Set(rows.map(({ id }) => id));
  for (const info of infos) {
    if (known.has(info.id)) continue;
    const lesson = await db
      .selectFrom('lesson')
      .select('id')
      .where('id', '=', info.lesson)
      .executeTakeFirst();
    if (lesson !== undefined) await noteRecording(db, info, atMs);
  }
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
