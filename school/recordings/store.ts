// Recordings in the database: what the gateway told about them.
import type { Selectable } from 'kysely';
import type { RecordingInfo } from '#shared/contract/internal.ts';
import type { RecordingPatch, ReplayState } from '#shared/contract/rest.ts';
import { Piece } from '#shared/contract/split.ts';
import { Trim } from '#shared/contract/trim.ts';
import type { Database } from '../database/database.ts';
import { oneOf } from '../database/engine.ts';
import type { Tables } from '../database/tables.ts';
import { addJob } from '../jobs/job.ts';
import { findLesson } from '../lessons/store.ts';

export type RecordingRow = Selectable<Tables['recording']>;

/** It is written no more. */
export const STOPPED: readonly RecordingInfo['state'][] = ['finalizing', 'ready', 'failed'];
/** States after which nothing more happens. */
export const FINAL: readonly RecordingInfo['state'][] = ['ready', 'failed'];
/** Its broadcast is on air. */
export const ON_AIR: readonly RecordingInfo['state'][] = ['armed', 'writing', 'paused'];

/** What became ready longer ago than this when it is heard of is no news, in ms. */
const NEWS_MS = 24 * 60 * 60_000;

/**
 * Takes over what the gateway says of a recording, in the caller's transaction. What is final or deleted stays so; of
 * one that becomes ready the operator's webhook is told.
 */
export async function noteRecording(db: Database, info: RecordingInfo, atMs: number): Promise<void> {
  const { id, lesson, channel, trim, pieces, ...figures } = info;
  const known = await db
    .selectFrom('recording')
    .select(['state', 'erasedAtMs'])
    .where('id', '=', id)
    .executeTakeFirst();
  if (known !== undefined && (known.erasedAtMs !== null || FINAL.includes(known.state))) return;
  if (info.state === 'ready' && atMs - info.startedAtMs - info.durationMs < NEWS_MS) {
    await addJob(db, { type: 'tell-ready', recording: id, atMs });
  }
  const endedAtMs = STOPPED.includes(info.state) ? atMs : null;
  await db
    .insertInto('recording')
    .values({
      ...{ id, lesson, channel, ...figures, endedAtMs, erasedAtMs: null },
      ...{ trim: toColumn(trim), pieces: toColumn(pieces) },
    })
    .onConflict((conflict) =>
      conflict
        .column('id')
        .doUpdateSet(({ fn, ref, eb }) => ({
          ...figures,
          // It may have been trimmed since: news of before that come late do not know.
          trim: fn.coalesce(ref('recording.trim'), ref('excluded.trim')),
          pieces: eb
            .case()
            .when('recording.trim', 'is', null)
            .then(ref('excluded.pieces'))
            .else(ref('recording.pieces'))
            .end(),
          endedAtMs: fn.coalesce(ref('recording.endedAtMs'), ref('excluded.endedAtMs')),
        }))
        .where('recording.state', 'not in', FINAL)
        .where('recording.erasedAtMs', 'is', null),
    )
    .execute();
}

const toColumn = (value: Trim | readonly Piece[] | undefined) =>
  value === undefined ? null : JSON.stringify(value);

/** What is shown of a recording; undefined for all of it. */
export const trimOf = ({ trim }: Pick<RecordingRow, 'trim'>): Trim | undefined =>
  trim === null ? undefined : Trim.parse(JSON.parse(trim));

/** The pieces that its files are cut into; none where they are not. */
export const piecesOf = ({ pieces }: Pick<RecordingRow, 'pieces'>): readonly Piece[] =>
  pieces === null ? [] : Piece.array().parse(JSON.parse(pieces));

/** A recording as the gateway knows it now. */
export function updated(row: RecordingRow, info: RecordingInfo): RecordingRow {
  const { state, startedAtMs, durationMs, bytes, trim, pieces } = info;
  const figures = { state, startedAtMs, durationMs, bytes };
  return { ...row, ...figures, trim: toColumn(trim), pieces: toColumn(pieces) };
}

/** Notes what is shown of a recording. */
export async function setTrim(db: Database, { id, trim, pieces }: RecordingInfo): Promise<void> {
  const change = { trim: toColumn(trim), pieces: toColumn(pieces) };
  await db.updateTable('recording').set(change).where('id', '=', id).execute();
}

/** Adds those of `infos`, however many, that are not known yet and whose lesson is. Returns how many that were. */
export async function addMissing(
  db: Database,
  infos: readonly RecordingInfo[],
  atMs: number,
): Promise<number> {
  if (infos.length === 0) return 0;
  // In one transaction: a lesson must not go between the look and the note.
  return db.transaction().execute(async (transaction) => {
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
    const added = missing.filter(({ lesson }) => lessons.has(lesson));
    for (const info of added) await noteRecording(transaction, info, atMs);
    return added.length;
  });
}

/** Those of `ids`, however many, that `table` has. */
async function idsAmong(
  db: Database,
  table: 'lesson' | 'recording',
  ids: readonly string[],
): Promise<ReadonlySet<string>> {
  const rows = await db.selectFrom(table).select('id').where('id', 'in', oneOf(db, ids)).execute();
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

/** Newest first; without those of broadcasts of which nothing was recorded. */
export function listRecordings(
  db: Database,
  { lesson, beforeMs, limit }: RecordingFilter,
): Promise<RecordingRow[]> {
  return db
    .selectFrom('recording')
    .selectAll()
    .where('erasedAtMs', 'is', null)
    .where((eb) => eb.or([eb('state', '!=', 'failed'), eb('bytes', '>', 0)]))
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

/** What there is to watch of a lesson, and the newest recording of it; null where there is none. */
export interface LessonReplay {
  readonly state: ReplayState;
  readonly newest: RecordingRow | null;
}

/** The replays of `lessons`, by the lesson's id, as far as the gateway told. */
export async function listReplays(
  db: Database,
  lessons: readonly string[],
): Promise<ReadonlyMap<string, LessonReplay>> {
  const rows = await db
    .selectFrom('recording')
    .selectAll()
    .where('lesson', 'in', oneOf(db, lessons))
    .where('erasedAtMs', 'is', null)
    .orderBy('startedAtMs', 'desc')
    .execute();
  const byLesson = Map.groupBy(rows, ({ lesson }) => lesson);
  return new Map(
    lessons.map((lesson) => {
      const recordings = byLesson.get(lesson) ?? [];
      return [lesson, { state: replayOf(recordings), newest: recordings.find(isWatchable) ?? null }];
    }),
  );
}

/** What a recording is called: by a name of its own, or as its class. */
export async function titleOf(
  db: Database,
  { title, lesson }: Pick<RecordingRow, 'title' | 'lesson'>,
): Promise<string> {
  return title ?? (await findLesson(db, lesson))?.title ?? '';
}

/** Changes what `patch` names. */
export async function changeRecording(
  db: Database,
  id: string,
  { kept, title }: Pick<RecordingPatch, 'kept' | 'title'>,
): Promise<void> {
  if (kept === undefined && title === undefined) return;
  await db
    .updateTable('recording')
    .set({ ...(kept !== undefined && { isKept: kept ? 1 : 0 }), ...(title !== undefined && { title }) })
    .where('id', '=', id)
    .execute();
}

/** Returns false if it is deleted already or, with `unlessKept`, kept. */
export async function markErased(
  db: Database,
  id: string,
  atMs: number,
  { unlessKept }: { unlessKept: boolean },
): Promise<boolean> {
  const { numUpdatedRows } = await db
    .updateTable('recording')
    .set({ erasedAtMs: atMs })
    .where('id', '=', id)
    .where('erasedAtMs', 'is', null)
    .$if(unlessKept, (query) => query.where('isKept', '=', 0))
    .executeTakeFirst();
  return numUpdatedRows > 0n;
}
