// How long recordings are kept: so many days, and so many bytes of them, the oldest going first. What somebody keeps
// stays, and what is being written is not touched.
import type { RetentionView } from '#shared/contract/rest.ts';
import type { Log } from '#server/log.ts';
import type { Database } from '../database/database.ts';
import type { RecordingRow } from './store.ts';
import { FINAL } from './store.ts';

const DAY_MS = 24 * 60 * 60_000;
/** How often it is looked what has to go: a recording stays for up to this much longer. */
const LOOK_EVERY_MS = 60 * 60_000;
/** However much they take, a recording stays for so long after it ended: time to keep it. */
const AT_LEAST_MS = DAY_MS;
/** So many go in one round: a first limit on an old school must not keep everything else waiting. */
const MAX_AT_ONCE = 100;
/** How many of those that go next the owner is shown. */
const SHOWN = 20;

/** Null for without end. */
export interface RetentionLimits {
  readonly maxDays: number | null;
  readonly maxBytes: number | null;
}

/** What decides about a recording. */
export type Keepable = Pick<RecordingRow, 'id' | 'state' | 'endedAtMs' | 'startedAtMs' | 'bytes' | 'isKept'>;

const isFree = ({ state, isKept }: Pick<Keepable, 'state' | 'isKept'>): boolean =>
  isKept === 0 && FINAL.includes(state);

/** Whether a limit may delete a recording, and when its days are over, in ms since 1970; null if they never are. */
export function fateOf(
  recording: Omit<Keepable, 'id' | 'bytes'>,
  { maxDays, maxBytes }: RetentionLimits,
): { readonly mayGo: boolean; readonly goesAtMs: number | null } {
  const isDated = isFree(recording) && maxDays !== null;
  const goesAtMs = isDated ? endOf(recording) + maxDays * DAY_MS : null;
  return { mayGo: isFree(recording) && (maxDays !== null || maxBytes !== null), goesAtMs };
}

const endOf = ({ endedAtMs, startedAtMs }: Pick<Keepable, 'endedAtMs' | 'startedAtMs'>): number =>
  endedAtMs ?? startedAtMs;

/**
 * Which of `recordings` go, and when, the soonest first: those whose days are over in order, and the oldest of those
 * that take more bytes together than they may. What is kept does not count to these bytes: however much it is, it
 * drives nothing else out.
 */
export function goingOf<R extends Keepable>(
  recordings: readonly R[],
  limits: RetentionLimits,
  nowMs: number,
): { readonly recording: R; readonly goesAtMs: number }[] {
  const maxBytes = limits.maxBytes ?? Infinity;
  const counted = recordings.filter(({ isKept }) => isKept === 0);
  let bytes = counted.reduce((sum, recording) => sum + recording.bytes, 0);
  const going: { recording: R; goesAtMs: number }[] = [];
  for (const recording of counted.toSorted((a, b) => a.startedAtMs - b.startedAtMs)) {
    if (!isFree(recording)) continue;
    const { goesAtMs } = fateOf(recording, limits);
    const isTooMuch = bytes > maxBytes;
    const roomAtMs = isTooMuch ? Math.max(nowMs, endOf(recording) + AT_LEAST_MS) : Infinity;
    const atMs = Math.min(goesAtMs ?? Infinity, roomAtMs);
    if (atMs === Infinity) continue;
    if (isTooMuch || atMs <= nowMs) bytes -= recording.bytes;
    going.push({ recording, goesAtMs: atMs });
  }
  return going.sort((a, b) => a.goesAtMs - b.goesAtMs);
}

export interface RetentionOptions {
  readonly db: Database;
  readonly limits: RetentionLimits;
  /** Deletes a recording as its owner does, unless it is kept by now. */
  readonly erase: (recording: string) => Promise<void>;
  readonly log: Log;
  /** The time in ms since 1970. */
  readonly now: () => number;
}

/** Owns the timer of the next look. */
export class Retention {
  readonly #options: RetentionOptions;
  readonly #timer: NodeJS.Timeout | undefined;
  #round: Promise<void> | undefined;
  #closed = false;

  constructor(options: RetentionOptions) {
    this.#options = options;
    const { maxDays, maxBytes } = options.limits;
    if (maxDays === null && maxBytes === null) return;
    this.#timer = setInterval(() => void this.look(), LOOK_EVERY_MS);
  }

  /** Deletes what has to go. Never rejects: what could not be deleted now is looked at again. */
  look(): Promise<void> {
    this.#round ??= this.#look().finally(() => (this.#round = undefined));
    return this.#round;
  }

  /** What the owner is shown. */
  async view(): Promise<RetentionView> {
    const going = await this.#going();
    const { maxDays, maxBytes } = this.#options.limits;
    return {
      maxDays,
      maxBytes,
      going: going.slice(0, SHOWN).map(({ recording, goesAtMs: atMs }) => ({
        recording: recording.id,
        lesson: recording.lesson,
        title: recording.title,
        bytes: recording.bytes,
        goesAtMs: atMs,
      })),
    };
  }

  async close(): Promise<void> {
    this.#closed = true;
    clearInterval(this.#timer);
    await this.#round;
  }

  async #look(): Promise<void> {
    const { log, now } = this.#options;
    try {
      const due = (await this.#going()).filter((one) => one.goesAtMs <= now()).slice(0, MAX_AT_ONCE);
      for (const { recording } of due) {
        if (this.#closed) return;
        await this.#erase(recording);
      }
    } catch (error) {
      log.error({ err: error }, 'it could not be looked which recordings should go, trying again');
    }
  }

  async #erase({ id, lesson }: Pick<RecordingRow, 'id' | 'lesson'>): Promise<void> {
    const { erase, log } = this.#options;
    log.info({ recording: id, lesson }, 'the time of a recording is over');
    try {
      await erase(id);
    } catch (error) {
      log.error(
        { err: error, recording: id },
        'a recording that should go could not be deleted, trying again',
      );
    }
  }

  async #going() {
    const { db, limits, now } = this.#options;
    const rows = await db
      .selectFrom('recording')
      .innerJoin('lesson', 'lesson.id', 'recording.lesson')
      .select(['recording.id', 'recording.lesson', 'recording.state', 'endedAtMs', 'startedAtMs'])
      .select(['bytes', 'isKept'])
      .select(({ fn }) => fn.coalesce('recording.title', 'lesson.title').as('title'))
      .where('erasedAtMs', 'is', null)
      .execute();
    return goingOf(rows, limits, now());
  }
}
