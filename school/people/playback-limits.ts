// How often playback may be asked for: by one address, and by all who hold one invitation. A class behind
// one address asks in the same minute, and one visitor must not keep the school busy.
import type { MiddlewareHandler } from 'hono';
import type { Invite } from '#shared/contract/tickets.ts';
import { limitRate, refuseFor, type ApiContext, type ApiEnv } from '../http/api.ts';
import { TokenBuckets } from '#server/token-buckets.ts';

/**
 * A page that waits for its class asks every 1.6 s, and a school of five hundred who wait is one address. An
 * answer costs about a millisecond of a core.
 */
const ADDRESS_RATE = { capacity: 2_000, perSecond: 300 };
const INVITE_RATE = { capacity: 10_000, perSecond: 1_000 };

/** A search reads all that was written in a class, in a quarter of a second at most where it was as much as it may be. */
const SEARCH_ADDRESS_RATE = { capacity: 40, perSecond: 3 };
const SEARCH_INVITE_RATE = { capacity: 60, perSecond: 4 };

export interface PlaybackLimits {
  /** Before anything is read or checked. */
  readonly byAddress: MiddlewareHandler<ApiEnv>;
  /** Once a link is known to be good; all who hold it count together. Throws LecternError `rate-limited`. */
  takeFor(context: ApiContext, holder: string): void;
}

/** Names those who hold one link of a lesson. */
export const holderOf = ({ lesson, role, version }: Invite): string => `${lesson} ${role} ${version}`;

/** `now` is the time in ms. */
export const playbackLimits = (ipOf: (context: ApiContext) => string, now: () => number): PlaybackLimits =>
  limitsOf(ADDRESS_RATE, INVITE_RATE, ipOf, now);

export const searchLimits = (ipOf: (context: ApiContext) => string, now: () => number): PlaybackLimits =>
  limitsOf(SEARCH_ADDRESS_RATE, SEARCH_INVITE_RATE, ipOf, now);

function limitsOf(
  ofAddress: typeof ADDRESS_RATE,
  ofInvite: typeof INVITE_RATE,
  ipOf: (context: ApiContext) => string,
  now: () => number,
): PlaybackLimits {
  const holders = new TokenBuckets({ ...ofInvite, now });
  return {
    byAddress: limitRate(new TokenBuckets({ ...ofAddress, now }), ipOf),
    takeFor: (context, holder) => refuseFor(context, holders.take(holder)),
  };
}
