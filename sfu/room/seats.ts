// Who finds a seat in a room. Those who teach always do; students have so many by each invitation, so that
// a link that was given away can be replaced by one that still has room.
import { inviteOf } from '#shared/contract/tickets.ts';
import { teaches, type Role } from '#shared/domain/roles.ts';
import type { Peer } from './peer.ts';

/** The most students that one invitation brings in: all media of a room run on one core. */
export const SEATS_PER_INVITATION = 300;
/** The most students in all, once a link was replaced. */
export const SEATS = 450;

interface Newcomer {
  readonly role: Role;
  readonly invite?: string | undefined;
}

/**
 * Whose seat a newcomer takes: undefined if one is free, null if none can be had. Nobody loses it who is
 * present; of those who are away it is one who never published or wrote, then the one longest away.
 */
export function seatFor(newcomer: Newcomer, peers: Iterable<Peer>): Peer | null | undefined {
  if (teaches(newcomer.role)) return undefined;
  const invite = inviteOf(newcomer);
  const students = [...peers].filter((peer) => !teaches(peer.role));
  const same = students.filter((peer) => peer.invite === invite);
  if (same.length < SEATS_PER_INVITATION && students.length < SEATS) return undefined;
  const rivals = same.length < SEATS_PER_INVITATION ? students : same;
  const away = rivals.filter((peer) => peer.awaySinceMs !== null);
  away.sort((a, b) => Number(a.active) - Number(b.active) || (a.awaySinceMs ?? 0) - (b.awaySinceMs ?? 0));
  return away[0] ?? null;
}
