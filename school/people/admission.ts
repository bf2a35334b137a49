// What an invitation lets its holder be in a lesson.
import { LecternError, type ErrorCode } from '#shared/contract/errors.ts';
import { LINK_OF, type Invite } from '#shared/contract/tickets.ts';
import type { Database } from '../database/database.ts';
import type { ApiContext } from '../http/api.ts';
import { findLesson, linkVersionsOf } from '../lessons/store.ts';
import type { Owner } from './owner.ts';
import type { Tokens } from './tokens.ts';

/** How a route refuses that is open to invitations. */
export const ADMISSION_REFUSALS: readonly ErrorCode[] = [
  'bad-request',
  'unauthorized',
  'ticket-invalid',
  'ticket-expired',
  'link-replaced',
  'forbidden',
  'not-found',
];

export class Admission {
  readonly #db: Database;
  readonly #tokens: Tokens;
  readonly #owner: Owner;

  constructor(db: Database, tokens: Tokens, owner: Owner) {
    this.#db = db;
    this.#tokens = tokens;
    this.#owner = owner;
  }

  /**
   * The lesson and the role that `invite` is for, whether or not its link was replaced; null if there is no
   * invitation but the owner asks, who may see every lesson, as its teacher.
   * Throws LecternError `ticket-invalid` or `ticket-expired`; `unauthorized` or `forbidden` where
   * neither an invitation nor an owner is there.
   */
  async claim(context: ApiContext, invite: string): Promise<Invite | null> {
    if (invite !== '') return this.#tokens.readInvite(invite);
    await this.#owner.require(context);
    return null;
  }

  /** As `claim`, for a link that is good now. Throws `link-replaced` as well. */
  async read(context: ApiContext, invite: string): Promise<Invite | null> {
    const claimed = await this.claim(context, invite);
    if (claimed === null) return null;
    const lesson = await findLesson(this.#db, claimed.lesson);
    if (lesson !== undefined && claimed.version < linkVersionsOf(lesson)[LINK_OF[claimed.role]]) {
      throw new LecternError('link-replaced');
    }
    return claimed;
  }
}

/** Returns `invite`. Throws LecternError `ticket-invalid` if it is for another lesson. */
export function requireLesson(invite: Invite | null, lesson: string): Invite | null {
  if (invite !== null && invite.lesson !== lesson) throw new LecternError('ticket-invalid');
  return invite;
}
