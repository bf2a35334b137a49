// Jobs: what must still be done at the other services. They are written down in the transaction
// that makes them necessary, and tried until they are done, over restarts of anything.
import { setTimeout as sleep } from 'node:timers/promises';
import { LecternError, type ErrorCode } from '#shared/contract/errors.ts';
import type { Log } from '#server/log.ts';
import type { Database } from '../database/database.ts';
import type { ServiceClients } from '../clients.ts';
import type { Pushes } from '../access/pushes.ts';
import { addJob, Job } from './job.ts';
import { Rounds, type JobRow } from './rounds.ts';
import type { Webhook } from './webhook.ts';

/** Refusals which say that what should be gone is gone. */
const GONE: readonly ErrorCode[] = ['not-found', 'unknown-channel', 'not-live', 'room-closed'];
const TOGETHER = 8;
/** How long anyone who ends or deletes something waits for the other services. */
const WAIT_LIMIT_MS = 8_000;

/** How the webhook's jobs begin in the database: others do not wait for it. */
const TELLING = '{"type":"tell-ready"%';

export class Jobs {
  readonly #db: Database;
  readonly #clients: ServiceClients;
  readonly #pushes: Pushes;
  readonly #webhook: Pick<Webhook, 'recordingReady'>;
  readonly #log: Log;
  /** Jobs at our own services, and at the operator's webhook: nobody waits for that one. */
  readonly #rounds: Rounds;
  readonly #tellings: Rounds;
  /** Those that are tried out of turn. */
  readonly #single = new Set<Promise<boolean>>();
  #closed = false;

  constructor(
    db: Database,
    clients: ServiceClients,
    pushes: Pushes,
    webhook: Pick<Webhook, 'recordingReady'>,
    log: Log,
  ) {
    this.#db = db;
    this.#clients = clients;
    this.#pushes = pushes;
    this.#webhook = webhook;
    this.#log = log;
    const attempt = ({ id, body }: JobRow) => this.#try(id, body);
    this.#rounds = new Rounds({ due: () => this.#due('not like'), attempt, together: TOGETHER, log });
    this.#tellings = new Rounds({ due: () => this.#due('like'), attempt, together: 1, log });
  }

  /**
   * Writes the job down within the caller's transaction; resolves with its id. Call `run`, or `runOne`,
   * once that is committed.
   */
  add(transaction: Database, job: Job): Promise<number> {
    return addJob(transaction, job);
  }

  /**
   * Tries one job at once, whatever else is under way: a revocation must not wait for a service that
   * hangs. Resolves with whether it is done; if not, it is tried later with the others.
   */
  runOne(id: number): Promise<boolean> {
    const tried = this.#tryOne(id).finally(() => this.#single.delete(tried));
    this.#single.add(tried);
    return tried;
  }

  /** True while a job like this one is still to be done. */
  async isPending(job: Job): Promise<boolean> {
    const body = JSON.stringify(job);
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
   * Tries all jobs now, the newest first. Resolves when each was tried once, or after WAIT_LIMIT_MS, as
   * a person waits for it; those that failed are tried later.
   */
  async run(): Promise<void> {
    const tried = new AbortController();
    const limit = sleep(WAIT_LIMIT_MS, undefined, { signal: tried.signal });
    try {
      void this.#tellings.run();
      await Promise.race([this.#rounds.run(), limit]);
    } finally {
      tried.abort();
    }
  }

  /** Resolves when nothing is under way any more. What is not done is done after the next start. */
  async close(): Promise<void> {
    this.#closed = true;
    await Promise.allSettled([this.#rounds.close(), this.#tellings.close(), ...this.#single]);
  }

  /**
   * Tells the rooms, also while the gateway is away: they do not wait for it forever. Rejects if it had not
   * done `gateway` yet, so that they are told once more.
   */
  async #notify(rooms: () => Promise<void>, gateway: Job): Promise<void> {
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

  /** The newest first. */
  #due(which: 'like' | 'not like'): Promise<JobRow[]> {
    return this.#db
      .selectFrom('errand')
      .selectAll()
      .where('body', which, TELLING)
      .orderBy('id', 'desc')
      .execute();
  }

  async #try(id: number, body: string): Promise<boolean> {
    try {
      const job = Job.parse(JSON.parse(body));
      await this.#do(job);
      await this.#db.deleteFrom('errand').where('id', '=', id).execute();
      this.#log.debug({ job }, 'job done');
      return true;
    } catch (error) {
      this.#log.debug({ err: error, job: body }, 'job not done yet');
      return false;
    }
  }

  /**
   * Every step is tried though one fails: what can be gone now is gone now. All of them together must
   * succeed for the job to be done, as a room that comes back could go on air once more.
   */
  async #do(job: Job): Promise<void> {
    const { gateway, sfu } = this.#clients;
    const steps: (() => Promise<void>)[] = [];
    if (job.type === 'push-settings') {
      steps.push(() => this.#pushes.settings(job.lesson));
    } else if (job.type === 'push-defaults') {
      steps.push(() => this.#pushes.defaults());
    } else if (job.type === 'push-room') {
      const gateway = { type: 'push-settings', lesson: job.lesson } as const;
      steps.push(() => this.#notify(() => this.#pushes.room(job.lesson), gateway));
    } else if (job.type === 'recheck-rooms') {
      steps.push(() => this.#notify(() => this.#pushes.rooms(), { type: 'push-defaults' }));
    } else if (job.type === 'tell-ready') {
      steps.push(() => this.#webhook.recordingReady(job.recording, job.atMs));
    } else if (job.type === 'erase-recording') {
      const params = { recording: job.recording };
      steps.push(() => gone(gateway.eraseRecording({ params })));
    } else {
      const params = { channel: job.channel };
      steps.push(
        () => gone(sfu.closeRoom({ params: { room: job.lesson } })),
        () => gone(gateway.endRelays({ params })),
        () => gone(gateway.endBroadcast({ params })),
      );
      if (job.type === 'erase-lesson') steps.push(() => gone(gateway.eraseChannel({ params })));
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

async function gone(removal: Promise<unknown>): Promise<void> {
  try {
    await removal;
  } catch (error) {
    if (!(error instanceof LecternError) || !GONE.includes(error.code)) throw error;
  }
}
