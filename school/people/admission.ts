// What an invitation lets its holder be in a lesson.
import { LecternError, type ErrorCode } from '#shared/contract/errors.ts';
import type { Invite } from '#shared/contract/tickets.ts';
import type { ApiContext } from '../http/api.ts';
import type { Owner } from './owner.ts';
import type { Tokens } from './tokens.ts';

/** How a route refuses that is open to invitations. */
export const ADMISSION_REFUSALS: readonly ErrorCode[] = [
  'bad-request',
  'unauthorized',
  'ticket-invalid',
  'ticket-expired',
  'forbidden',
  'not-found',
];

export class Admission {
  readonly #tokens: Tokens;
  readonly #owner: Owner;

  constructor(tokens: Tokens, owner: Owner) {
    this.#tokens = tokens;
    this.#owner = owner;
  }

  /**
   * The lesson and the role that `invite` is for; null if there is no invitation but the owner asks, who
   * may see every lesson, as its teacher.
   * Throws LecternError `ticket-invalid` or `ticket-expired`; `unauthorized` or `forbidden` where
   * neither an invitation nor an owner is there.
   */
  async read(context: ApiContext, invite: string): Promise<Invite | null> {
    if (invite !== '') return this.#tokens.readInvite(invite);
    await this.#owner.require(context);
    return null;
  }

  /** The role that `invite` gives in `lesson`. Throws as `read`, and `ticket-invalid` for another lesson's. */
  async roleIn(context: ApiContext, lesson: string, invite: string): Promise<Invite['role']> {
    const invitation = await this.read(context, invite);
    if (invitation === null) return 'teacher';
    if (invitation.lesson !== lesson) throw new LecternError('ticket-invalid');
    return invitation.role;
  }
}
