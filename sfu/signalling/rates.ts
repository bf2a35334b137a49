// How often a person may ask for what. What the worker has to make, and what everyone else is sent for it,
// has a small rate of its own next to the one for all requests.
import { TokenBucket, type Rate } from '#shared/token-bucket.ts';
import { FEATURES } from '../room/features/index.ts';
import { JOIN, MANAGE } from '../room/features/rates.ts';
import { Messages } from './messages.ts';

/** A burst as large as a layout of many tiles makes it, then a steady rate. */
const ANY: Rate = { size: 200, perSecond: 40 };
/** Sockets that one ticket opens: a page on a bad network tries again each second. */
const HANDSHAKES: Rate = { size: 20, perSecond: 1 };

/** Requests of one rate share its tokens. */
const COSTLY: ReadonlyMap<string, Rate> = new Map(
  [
    { 'room:join': JOIN, 'peer:permit': MANAGE, 'peer:remove': MANAGE },
    ...FEATURES.map(({ rates = {} }) => rates),
  ].flatMap((rates) =>
    Object.entries(rates).flatMap(([name, rate]) => (rate ? [[name, rate] as const] : [])),
  ),
);

/** What one person may still ask for, whatever number of sockets it comes by. */
export class Allowance {
  readonly messages: Messages;
  readonly #any: TokenBucket;
  readonly #handshakes: TokenBucket;
  readonly #costly = new Map<Rate, TokenBucket>();

  /** `crowd` is what those of the same invitation may send together. */
  constructor(nowMs: number, crowd: TokenBucket) {
    this.messages = new Messages(nowMs, crowd);
    this.#any = new TokenBucket(ANY, nowMs);
    this.#handshakes = new TokenBucket(HANDSHAKES, nowMs);
  }

  /** True if another socket may be opened now. */
  handshake(nowMs: number): boolean {
    return this.#handshakes.take(nowMs);
  }

  /** True if a request of this name, which may be none of ours, may be made now. */
  request(name: string, nowMs: number): boolean {
    if (!this.#any.take(nowMs)) return false;
    const rate = COSTLY.get(name);
    if (rate === undefined) return true;
    let bucket = this.#costly.get(rate);
    if (bucket === undefined) {
      bucket = new TokenBucket(rate, nowMs);
      this.#costly.set(rate, bucket);
    }
    return bucket.take(nowMs);
  }
}
