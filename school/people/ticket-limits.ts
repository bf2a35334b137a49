// How often tickets may be asked for. A school is one address and a class has one link, so neither alone says
// who asks too often; those who teach are counted apart, so that no student keeps them out, and so is each person
// who has a ticket, so that nobody who asks too often at the same address does.
import type { Invite } from '#shared/contract/tickets.ts';
import { teaches } from '#shared/domain/roles.ts';
import { refuseFor, type ApiContext } from '../http/api.ts';
import { TokenBuckets } from '#server/token-buckets.ts';

/** All that one address asks for with links that are no good. */
const ADDRESS_RATE = { capacity: 500, perSecond: 50 };
/** Somebody who has a ticket already: each page that is opened asks once. */
const PERSON_RATE = { capacity: 30, perSecond: 1 };
/** New people by one link and address: a class of 300 behind one address is in within a minute. */
const NEWCOMER_RATE = { capacity: 200, perSecond: 2 };
/** New people by one link, from everywhere. */
const INVITATION_RATE = { capacity: 400, perSecond: 5 };
/** Those who teach, by lesson and address. */
const TEACHING_RATE = { capacity: 50, perSecond: 1 };

/** Who asks for a ticket. */
export interface Asking {
  readonly lesson: string;
  readonly role: Invite['role'];
  /** Of the link: who floods one that was replaced takes nothing from the new one. */
  readonly version: number;
  /** Somebody who has a ticket of this room, and gets another for the same person. */
  readonly holder: string | undefined;
}

export class TicketLimits {
  readonly #ipOf: (context: ApiContext) => string;
  readonly #addresses: TokenBuckets;
  readonly #people: TokenBuckets;
  readonly #newcomers: TokenBuckets;
  readonly #invitations: TokenBuckets;
  readonly #teaching: TokenBuckets;

  /** `now` is the time in ms. */
  constructor(ipOf: (context: ApiContext) => string, now: () => number) {
    this.#ipOf = ipOf;
    this.#addresses = new TokenBuckets({ ...ADDRESS_RATE, now });
    this.#people = new TokenBuckets({ ...PERSON_RATE, now });
    this.#newcomers = new TokenBuckets({ ...NEWCOMER_RATE, now });
    this.#invitations = new TokenBuckets({ ...INVITATION_RATE, now });
    this.#teaching = new TokenBuckets({ ...TEACHING_RATE, now });
  }

  /** Counts a request that showed no good invitation. Throws LecternError `rate-limited`. */
  stranger(context: ApiContext): void {
    refuseFor(context, this.#addresses.take(this.#ipOf(context)));
  }

  /** Counts a request by a good invitation. Throws LecternError `rate-limited`. */
  take(context: ApiContext, { lesson, role, version, holder }: Asking): void {
    const ip = this.#ipOf(context);
    if (role !== 'audience' && teaches(role)) {
      refuseFor(context, this.#teaching.take(ip, `${lesson} ${role} ${version} `));
      return;
    }
    if (holder !== undefined) {
      refuseFor(context, this.#people.take(`${lesson} ${holder}`));
      return;
    }
    const invitation = `${lesson} ${role} ${version} `;
    refuseFor(context, this.#newcomers.take(ip, invitation));
    refuseFor(context, this.#invitations.take(invitation));
  }
}
