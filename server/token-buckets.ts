// Token buckets: each address may do `capacity` things at once, and `perSecond` in the long run.
import { LruMap } from '#shared/lru-map.ts';
import { TokenBucket } from '#shared/token-bucket.ts';
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
  readonly #buckets = new LruMap<string, TokenBucket>(MAX_ADDRESSES);

  constructor(options: BucketOptions) {
    this.#options = options;
  }

  /** Takes a token of this address, within `group` where it is counted apart. Returns 0, or how many seconds to wait where there is none. */
  take(ip: string, group = ''): number {
    const { capacity, perSecond, now } = this.#options;
    const address = `${group}${networkOf(ip)}`;
    const atMs = now();
    let bucket = this.#buckets.get(address);
    if (bucket === undefined) {
      bucket = new TokenBucket({ size: capacity, perSecond }, atMs);
      this.#buckets.set(address, bucket);
    }
    return bucket.take(atMs) ? 0 : Math.ceil(bucket.secondsUntil(1));
  }
}
