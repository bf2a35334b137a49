// Errands: what must still be done at the other services. They are written down in the transaction
// that makes them necessary, and tried until they are done, over restarts of anything.
import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';
import { ChannelId, LessonId, RecordingId } from '#shared/contract/ids.ts';
import { LecternError } from '#shared/contract/errors.ts';
import type { Log } from '#server/log.ts';
import type { Database } from '../database.ts';
import type { Neighbours } from '../neighbours.ts';
import type { Pushes } from '../access/pushes.ts';

const RETRY_MIN_MS = 500;
const RETRY_MAX_MS = 30_000;
/** How many errands are tried at once: after a long absence of a service there may be thousands. */
const TOGETHER = 8;
/** How long whoever ends or deletes something waits for the other services. */
const WAIT_LIMIT_MS = 8_000;

const Errand = z.discriminatedUnion('type', [
  z.object({ type: z.literal('end-lesson'), lesson: LessonId, channel: ChannelId }),
  z.object({ type: z.literal('erase-lesson'), lesson: LessonId, channel: ChannelId }),
  z.object({ type: z.literal('erase-recording'), recording: RecordingId }),
  /** What is said is what is set when it is done, so several of one lesson are as good as one. */
  z.object({ type: z.literal('push-settings'), lesson: LessonId }),
  z.object({ type: z.literal('push-defaults') }),
  /** Tell the room, which asks the gateway: again if that one had not been told yet. */
  z.object({ type: z.literal('push-room'), lesson: LessonId }),
  z.object({ type: z.literal('recheck-rooms') }),
]);
export type Errand = z.infer<typeof Errand>;

/** Owns the timer of the next try. */
export class Errands {
  readonly #db: Database;
  readonly #neighbours: Neighbours;
  readonly #pushes: Pushes;
  readonly #log: Log;
  #timer: NodeJS.Timeout | undefined;
  #round: Promise<void> | undefined;
  /** Those that are tried out of turn. */
  readonly #single = new Set<Promise<boolean>>();
  #delayMs = RETRY_MIN_MS;
  #closed = false;

  constructor(db: Database, neighbours: Neighbours, pushes: Pushes, log: Log) {
    this.#db = db;
    this.#neighbours = neighbours;
    this.#pushes = pushes;
    this.#log = log;
  }

  /**
   * Writes the errand down within the caller's transaction; resolves with its id. Call `run`, or `runOne`,
   * once that is committed.
   */
  async add(transaction: Database, errand: Errand): Promise<number> {
    const { id } = await transaction
      .insertInto('errand')
      .values({ body: JSON.stringify(errand) })
      .returning('id')
      .executeTakeFirstOrThrow();
    return id;
  }

  /**
   * Tries one errand at once, whatever else is under way: a revocation must not wait for a service that
   * hangs. Resolves with whether it is done; if not, it is tried later with the others.
   */
  runOne(id: number): Promise<boolean> {
    const tried = this.#tryOne(id).finally(() => this.#single.delete(tried));
    this.#single.add(tried);
    return tried;
  }

  /** True while an errand like this one is still to be done. */
  async isPending(errand: Errand): Promise<boolean> {
    const body = JSON.stringify(errand);
    const row = await this.#db.selectFrom('errand').select('id').where('body', '=', body).executeTakeFirst();
    return row !== undefined;
  }

  /** How many are not done yet. */
  async count(): Promise<number> {
    const { n } = await this.#db
      .selectFrom('errand')
      .select(({ fn }) => fn.countAll<number>().as('n'))
      .executeTakeFirstOrThrow();
    return n;
  }

  /**
   * Tries all errands now, the newest first. Resolves when each was tried once, or after WAIT_LIMIT_MS, as
   * a person waits for it; those that failed are tried later.
   */
  async run(): Promise<void> {
    const tried = new AbortController();
    const limit = sleep(WAIT_LIMIT_MS, undefined, { signal: tried.signal });
    try {
      await Promise.race([this.#runAnew(), limit]);
    } finally {
      tried.abort();
    }
  }

  /** Resolves when nothing is under way any more. What is not done is done after the next start. */
  async close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#timer);
    await Promise.allSettled([this.#round, ...this.#single]);
  }

  /**
   * Tells the rooms, also while the gateway is away: they do not wait for it forever. Rejects if it had not
   * done `gateway` yet, so that they are told once more.
   */
  async #tell(rooms: () => Promise<void>, gateway: Errand): Promise<void> {
    const isBehind = await this.isPending(gateway);
    await rooms();
    if (isBehind) throw new LecternError('service-unavailable');
  }

  async #tryOne(id: number): Promise<boolean> {
    const row = await this.#db.selectFrom('errand').selectAll().where('id', '=', id).executeTakeFirst();
    if (row === undefined) return true;
    const isDone = !this.#closed && (await this.#try(id, row.body));
    if (!isDone) void this.run();
    return isDone;
  }

  async #runAnew(): Promise<void> {
    // A round under way may have begun before the caller's errand was there.
    await this.#round;
    if (this.#closed) return;
    this.#delayMs = RETRY_MIN_MS;
    await this.#start();
  }

  #start(): Promise<void> {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#round ??= this.#tryAll().finally(() => {
      this.#round = undefined;
    });
    return this.#round;
  }

  async #tryAll(): Promise<void> {
    const rows = await this.#db.selectFrom('errand').selectAll().orderBy('id', 'desc').execute();
    let left = 0;
    const lane = async () => {
      for (let row = rows.shift(); row !== undefined && !this.#closed; row = rows.shift()) {
        if (!(await this.#try(row.id, row.body))) left += 1;
      }
    };
    await Promise.all(Array.from({ length: TOGETHER }, lane));
    if (this.#closed || left === 0) return;
    this.#timer = setTimeout(() => void this.#start(), this.#delayMs);
    this.#delayMs = Math.min(this.#delayMs * 2, RETRY_MAX_MS);
  }

  async #try(id: number, body: string): Promise<boolean> {
    try {
      const errand = Errand.parse(JSON.parse(body));
      await this.#do(errand);
      await this.#db.deleteFrom('errand').where('id', '=', id).execute();
      this.#log.debug({ errand }, 'errand done');
      return true;
    } catch (error) {
      this.#log.debug({ err: error, errand: body }, 'errand not done yet');
      return false;
    }
  }

  /**
   * Every step is tried though one fails: what can be gone now is gone now. All of them together must
   * succeed for the errand to be done, as a room that comes back could go on air once more.
   */
  async #do(errand: Errand): Promise<void> {
    const { closeRoom, endRelays, endBroadcast, eraseChannel, eraseRecording } = this.#neighbours;
    const steps: (() => Promise<void>)[] = [];
    if (errand.type === 'push-settings') {
      steps.push(() => this.#pushes.settings(errand.lesson));
    } else if (errand.type === 'push-defaults') {
      steps.push(() => this.#pushes.defaults());
    } else if (errand.type === 'push-room') {
      const gateway = { type: 'push-settings', lesson: errand.lesson } as const;
      steps.push(() => this.#tell(() => this.#pushes.room(errand.lesson), gateway));
    } else if (errand.type === 'recheck-rooms') {
      steps.push(() => this.#tell(() => this.#pushes.rooms(), { type: 'push-defaults' }));
    } else if (errand.type === 'erase-recording') {
      steps.push(() => eraseRecording(errand.recording));
    } else {
      steps.push(
        () => closeRoom(errand.lesson),
        () => endRelays(errand.channel),
        () => endBroadcast(errand.channel),
      );
      if (errand.type === 'erase-lesson') steps.push(() => eraseChannel(errand.channel));
    }
    const failures: unknown[] = [];
    for (const step of steps) {
      try {
        await step();
      } catch (error) {
        failures.push(error);
      }
    }
    if (failures.length > 0) throw new AggregateError(failures, 'a service did not do its part');
  }
}
