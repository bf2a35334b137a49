// Links to one replay. Each has its own end and rules; ending one cuts off those who watch by it.
import { LecternError } from '#shared/contract/errors.ts';
import { makeId } from '#shared/contract/ids.ts';
import { MAX_SHARES, shareViewer, type Share, type ShareCreate } from '#shared/contract/shares.ts';
import type { Log } from '#server/log.ts';
import type { Selectable } from 'kysely';
import { changeSettings } from '../access/store.ts';
import type { Database } from '../database/database.ts';
import type { Tables } from '../database/tables.ts';
import type { Jobs } from '../jobs/jobs.ts';
import type { Links } from '../lessons/links.ts';
import type { Tokens } from '../people/tokens.ts';
import { findRecording } from './store.ts';

export type ShareRow = Selectable<Tables['share']>;

export interface SharesDeps {
  db: Database;
  jobs: Jobs;
  links: Links;
  tokens: Tokens;
  log: Log;
  /** The time in ms since 1970. */
  now: () => number;
}

/** All methods throw LecternError `not-found` for a recording that is not there. */
export class Shares {
  readonly #deps: SharesDeps;

  constructor(deps: SharesDeps) {
    this.#deps = deps;
  }

  /** Those of a recording that are good, newest first. */
  async list(recording: string): Promise<Share[]> {
    const { db, now } = this.#deps;
    await this.#lessonOf(recording);
    const rows = await db
      .selectFrom('share')
      .selectAll()
      .where('recording', '=', recording)
      .where('endedAtMs', 'is', null)
      .where((eb) => eb.or([eb('expiresAtMs', 'is', null), eb('expiresAtMs', '>', now())]))
      .orderBy('createdAtMs', 'desc')
      .orderBy('id')
      .execute();
    return Promise.all(rows.map((row) => this.#view(row)));
  }

  /** Throws `bad-request` for an end that is past, `conflict` where the lesson has as many as it may. */
  async create(recording: string, { expiresAtMs, files, chat }: ShareCreate): Promise<Share> {
    const { db, links, log, now } = this.#deps;
    const createdAtMs = now();
    if (expiresAtMs !== null && expiresAtMs <= createdAtMs)
      throw new LecternError('bad-request', 'expiresAtMs: is past');
    const lesson = await this.#lessonOf(recording);
    const row: ShareRow = {
      id: makeId((bytes) => crypto.getRandomValues(bytes)),
      recording,
      createdAtMs,
      expiresAtMs,
      endedAtMs: null,
      files: files ? 1 : 0,
      chat: chat ? 1 : 0,
    };
    await db.transaction().execute(async (transaction) => {
      const overMs = createdAtMs - links.longestMs;
      await transaction
        .deleteFrom('share')
        .where((eb) => eb.or([eb('endedAtMs', '<', overMs), eb('expiresAtMs', '<', overMs)]))
        .execute();
      const { count } = await sharesOf(transaction, lesson)
        .select(({ fn }) => fn.countAll().as('count'))
        .executeTakeFirstOrThrow();
      if (Number(count) >= MAX_SHARES)
        throw new LecternError('conflict', 'This class has as many links to its replays as it can have.');
      await transaction.insertInto('share').values(row).execute();
    });
    log.info({ recording, share: row.id, expiresAtMs, files, chat }, 'replay shared');
    return this.#view(row);
  }

  /** Ends one: nobody comes by it any more. Returns whether those who watch by it are cut off by now. */
  async end(recording: string, share: string): Promise<boolean> {
    const { db, jobs, log, now } = this.#deps;
    const lesson = await this.#lessonOf(recording);
    const push = await db.transaction().execute(async (transaction) => {
      const { numUpdatedRows } = await transaction
        .updateTable('share')
        .set({ endedAtMs: now() })
        .where('id', '=', share)
        .where('recording', '=', recording)
        .where('endedAtMs', 'is', null)
        .executeTakeFirst();
      if (numUpdatedRows === 0n) throw new LecternError('not-found');
      await changeSettings(transaction, lesson, {}, now());
      return jobs.add(transaction, { type: 'push-settings', lesson });
    });
    log.info({ recording, share }, 'share of a replay ended');
    return jobs.runOne(push);
  }

  /**
   * The share behind a link. Throws LecternError `ticket-invalid` for what is none, `ticket-expired`, and
   * `link-ended`.
   */
  async read(token: string): Promise<ShareRow> {
    const { db, tokens, now } = this.#deps;
    const { share } = await tokens.readShare(token);
    const row = await db.selectFrom('share').selectAll().where('id', '=', share).executeTakeFirst();
    if (row === undefined || row.endedAtMs !== null) throw new LecternError('link-ended');
    if (row.expiresAtMs !== null && row.expiresAtMs <= now()) throw new LecternError('ticket-expired');
    return row;
  }

  async #lessonOf(recording: string): Promise<string> {
    const row = await findRecording(this.#deps.db, recording);
    if (row === undefined) throw new LecternError('not-found');
    return row.lesson;
  }

  async #view({ id, recording, createdAtMs, expiresAtMs, files, chat }: ShareRow): Promise<Share> {
    const url = await this.#deps.links.share(recording, id);
    return { id, url, createdAtMs, expiresAtMs, files: files === 1, chat: chat === 1 };
  }
}

const sharesOf = (db: Database, lesson: string) =>
  db
    .selectFrom('share')
    .innerJoin('recording', 'recording.id', 'share.recording')
    .where('recording.lesson', '=', lesson)
    // What is deleted opens by no link.
    .where('recording.erasedAtMs', 'is', null);

/** The `viewer` of addresses that were signed for links of a lesson which have ended. */
export async function endedViewers(db: Database, lesson: string): Promise<string[]> {
  const rows = await sharesOf(db, lesson)
    .select(['share.id', 'share.files'])
    .where('share.endedAtMs', 'is not', null)
    .execute();
  return rows.map(({ id, files }) => shareViewer(id, files === 1));
}
