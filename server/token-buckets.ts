// Token buckets: each address may do `capacity` things at once, and `perSecond` in the long run.
import { networkOf } from './forwarded.ts';

/** How many addresses are remembered; the one that asked longest ago is forgotten first. */
const MAX_ADDRESSES = 20_000;

export interface BucketOptions {
  capacity: number;
  perSecond: number;
  /** The time in ms. */
  now: () => number;
}

export class TokenBuckets {
  readonly #options: BucketOptions;
  readonly #buckets = new Map<string, { tokens: number; atMs: number }>();

  constructor(options: BucketOptions) {
    this.#options = options;
  }

  /** Takes a token of this address, within `group` where it is counted apart. Returns 0, or how many seconds to wait where there is none. */
  take(ip: string, group = ''): number {
    const { capacity, perSecond, now } = this.#options;
    const address = `${group}${networkOf(ip)}`;
    const atMs = now();
    const bucket = this.#buckets.get(address) ?? { tokens: capacity, atMs };
    bucket.tokens = Math.min(capacity, bucket.tokens + (Math.max(0, atMs - bucket.atMs) / 1_000) * perSecond);
    bucket.atMs = atMs;
    // Re-inserted at the end: the map's order is that of the last use.
    this.#buckets.delete(address);
    this.#buckets.set(address, bucket);
    const [oldest] = this.#buckets.keys();
    if (this.#buckets.size > MAX_ADDRESSES && oldest !== undefined) this.#buckets.delete(oldest);
    if (bucket.tokens < 1) return Math.ceil((1 - bucket.tokens) / perSecond);
    bucket.tokens -= 1;
    return 0;
  }
}
