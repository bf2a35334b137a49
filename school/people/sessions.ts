// The owner's sign-ins. They are kept here and not in the cookie alone, so that one that was ended is over
// for everyone who has a copy of its cookie, also after a restart.
import { createHmac, randomBytes } from 'node:crypto';
import type { Secrets } from '#server/secrets.ts';
import type { Database } from '../database/database.ts';

/** How long a sign-in lasts, in s. */
export const SESSION_TTL_S = 30 * 86_400;

const TOKEN_BYTES = 32;
/** In base64url. */
const TOKEN_LENGTH = Math.ceil((TOKEN_BYTES * 4) / 3);

export class Sessions {
  readonly #db: Database;
  readonly #secrets: Pick<Secrets, 'session' | 'owner'>;
  readonly #now: () => number;

  /** `now` is the time in ms since 1970. */
  constructor(db: Database, secrets: Pick<Secrets, 'session' | 'owner'>, now: () => number) {
    this.#db = db;
    this.#secrets = secrets;
    this.#now = now;
  }

  /** Begins a sign-in, in place of `former` if the browser had one. Returns its token, for the cookie. */
  async begin(former: string | undefined): Promise<string> {
    const token = randomBytes(TOKEN_BYTES).toString('base64url');
    const nowMs = this.#now();
    await this.#db
      .insertInto('session')
      .values({ id: this.#idOf(token), expiresAtMs: nowMs + SESSION_TTL_S * 1_000 })
      .execute();
    if (former !== undefined) await this.end(former);
    await this.#db.deleteFrom('session').where('expiresAtMs', '<=', nowMs).execute();
    return token;
  }

  /** True if `token` is that of a sign-in that was not ended and has not expired. */
  async isGood(token: string): Promise<boolean> {
    if (token.length !== TOKEN_LENGTH) return false;
    const session = await this.#db
      .selectFrom('session')
      .select('id')
      .where('id', '=', this.#idOf(token))
      .where('expiresAtMs', '>', this.#now())
      .executeTakeFirst();
    return session !== undefined;
  }

  /** Ends a sign-in. Returns false if there was none. */
  async end(token: string): Promise<boolean> {
    const { numDeletedRows } = await this.#db
      .deleteFrom('session')
      .where('id', '=', this.#idOf(token))
      .executeTakeFirst();
    return numDeletedRows > 0n;
  }

  /** Ends all sign-ins. Returns how many there were. */
  async endAll(): Promise<number> {
    const rows = await this.#db.deleteFrom('session').returning('expiresAtMs').execute();
    return rows.filter(({ expiresAtMs }) => expiresAtMs > this.#now()).length;
  }

  /**
   * What is kept of a token: nobody signs in with a copy of the database. With another owner link or other
   * secrets no token has the id that is kept.
   */
  #idOf(token: string): string {
    const { session, owner } = this.#secrets;
    return createHmac('sha256', session).update(`${owner} ${token}`).digest('base64url');
  }
}
