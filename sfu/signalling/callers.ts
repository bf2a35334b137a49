// Who is connected by which ticket and by which invitation, and what each may still ask for. The rates of a
// person outlive its sockets: coming again is no way to new ones.
import { LecternError } from '#shared/contract/errors.ts';
import type { Ticket } from '#shared/contract/tickets.ts';
import { LruMap } from '#shared/lru-map.ts';
import type { TokenBucket } from '#shared/token-bucket.ts';
import { crowdMessages } from './messages.ts';
import { Allowance } from './rates.ts';

/** A page that reloads has two for a moment; a second tab that takes over, too. */
export const MAX_SOCKETS_PER_TICKET = 3;
/** How many of one invitation may be in the green room; a full class and as many again who look in. */
export const MAX_WAITING_PER_INVITATION = 600;
/** A person who has no socket is remembered for at least this long, in ms: all its rates are full by then. */
const REMEMBERED_MS = 60_000;
/** So many invitations are remembered, those of which nobody came for the longest time are forgotten first. */
const INVITATIONS = 10_000;

/** One socket of somebody. */
export interface Visit {
  /** Called when it has to give way to a newer one, of the same ticket or of the same invitation. */
  readonly giveWay: (reason: 'too-many' | 'crowd') => void;
}

interface Caller {
  readonly allowance: Allowance;
  /** In the order of coming. */
  readonly visits: Set<Visit>;
  seenAtMs: number;
}

export class Callers {
  /** In the order in which each was last seen. */
  readonly #callers = new Map<string, Caller>();
  /** Who did not join yet, by invitation, in the order of coming. */
  readonly #waiting = new Map<string, Set<Visit>>();
  /** What those of one invitation may send together. */
  readonly #crowds = new LruMap<string, TokenBucket>(INVITATIONS);
  readonly #now: () => number;

  /** `now` gives the time in ms. */
  constructor(now: () => number) {
    this.#now = now;
  }

  /** What the holder of this ticket may do. Throws LecternError `rate-limited` if it connects too often. */
  admit(ticket: Ticket): Allowance {
    const nowMs = this.#now();
    for (const [key, caller] of this.#callers) {
      if (nowMs - caller.seenAtMs < REMEMBERED_MS) break;
      // One who is connected stays; it is looked at again after as long.
      if (caller.visits.size > 0) this.#see(key, caller, nowMs);
      else this.#callers.delete(key);
    }
    const caller = this.#find(ticket);
    if (!caller.allowance.handshake(nowMs)) throw new LecternError('rate-limited');
    return caller.allowance;
  }

  /**
   * A socket came in. One too many of its ticket makes the oldest give way, before all those that did not
   * join: a reload always gets in. So does one too many of its invitation in the green room.
   */
  enter(ticket: Ticket, visit: Visit): void {
    const { visits } = this.#find(ticket);
    if (visits.size >= MAX_SOCKETS_PER_TICKET) {
      const waiting = this.#waitingBy(ticket);
      const all = [...visits];
      const oldest = all.find((one) => waiting.has(one)) ?? all[0];
      if (oldest !== undefined) this.#giveWay(ticket, oldest, 'too-many');
    }
    visits.add(visit);
    const waiting = this.#waitingBy(ticket).add(visit);
    const [longest] = waiting;
    if (waiting.size > MAX_WAITING_PER_INVITATION && longest !== undefined)
      this.#giveWay(ticket, longest, 'crowd');
  }

  /** It joined the room: it waits no longer. */
  joined(ticket: Ticket, visit: Visit): void {
    this.#leaveGreenRoom(ticket, visit);
  }

  leave(ticket: Ticket, visit: Visit): void {
    const key = keyOf(ticket);
    const caller = this.#callers.get(key);
    caller?.visits.delete(visit);
    if (caller !== undefined) this.#see(key, caller, this.#now());
    this.#leaveGreenRoom(ticket, visit);
  }

  #giveWay(ticket: Ticket, visit: Visit, reason: 'too-many' | 'crowd'): void {
    this.leave(ticket, visit);
    visit.giveWay(reason);
  }

  #find(ticket: Ticket): Caller {
    const key = keyOf(ticket);
    const nowMs = this.#now();
    const caller = this.#callers.get(key) ?? {
      allowance: new Allowance(nowMs, this.#crowdOf(ticket, nowMs)),
      visits: new Set(),
      seenAtMs: nowMs,
    };
    this.#see(key, caller, nowMs);
    return caller;
  }

  #crowdOf(ticket: Ticket, nowMs: number): TokenBucket {
    const key = invitationOf(ticket);
    const crowd = this.#crowds.get(key) ?? crowdMessages(nowMs);
    this.#crowds.set(key, crowd);
    return crowd;
  }

  #see(key: string, caller: Caller, nowMs: number): void {
    caller.seenAtMs = nowMs;
    this.#callers.delete(key);
    this.#callers.set(key, caller);
  }

  #waitingBy(ticket: Ticket): Set<Visit> {
    const key = invitationOf(ticket);
    let waiting = this.#waiting.get(key);
    if (waiting === undefined) {
      waiting = new Set();
      this.#waiting.set(key, waiting);
    }
    return waiting;
  }

  #leaveGreenRoom(ticket: Ticket, visit: Visit): void {
    const key = invitationOf(ticket);
    const waiting = this.#waiting.get(key);
    waiting?.delete(visit);
    if (waiting?.size === 0) this.#waiting.delete(key);
  }
}

const keyOf = ({ room, sub }: Ticket): string => `${room} ${sub}`;
const invitationOf = ({ room, role, invite }: Ticket): string => `${room} ${invite ?? role}`;
