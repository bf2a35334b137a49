// How often a person may ask for what. What the worker has to make, and what everyone else is sent for it,
// has a small rate of its own next to the one for all requests.
import type { RequestName } from '#shared/contract/signalling.ts';
import { TokenBucket, type Rate } from '../room/bucket.ts';

/** A burst as large as a layout of many tiles makes it, then a steady rate. */
const ANY: Rate = { size: 200, perSecond: 40 };
/** Sockets that one ticket opens: a page on a bad network tries again each second. */
const HANDSHAKES: Rate = { size: 20, perSecond: 1 };

/** A join makes a transport and a consumer for each stream, and its answer is the whole room. */
const JOIN: Rate = { size: 6, perSecond: 0.5 };
const TRANSPORT: Rate = { size: 20, perSecond: 1 };
/** Everyone in the room is sent each of these, and the programme is chosen again. */
const PUBLISH: Rate = { size: 20, perSecond: 2 };
/** Push-to-talk is two of these for each press. */
const PAUSE: Rate = { size: 20, perSecond: 3 };
/** Each may ask the sender for a key frame. */
const LAYER: Rate = { size: 120, perSecond: 5 };
/** Faster than anyone types. */
const CHAT: Rate = { size: 20, perSecond: 1 };
/** A teacher clears up after a flood, or mutes a whole class. */
const MANAGE: Rate = { size: 200, perSecond: 10 };
const BROADCAST: Rate = { size: 10, perSecond: 0.5 };

/** Requests of one rate share its tokens. */
const COSTLY: { readonly [N in RequestName]?: Rate } = {
  'room:join': JOIN,
  'transport:create': TRANSPORT,
  'transport:connect': TRANSPORT,
  'transport:restart': TRANSPORT,
  'producer:create': PUBLISH,
  'producer:close': PUBLISH,
  'producer:pause': PAUSE,
  'producer:resume': PAUSE,
  'consumer:prefer': LAYER,
  'consumer:resume': LAYER,
  'chat:send': CHAT,
  'chat:delete': MANAGE,
  'peer:permit': MANAGE,
  'peer:mute': MANAGE,
  'peer:remove': MANAGE,
  'broadcast:start': BROADCAST,
  'broadcast:stop': BROADCAST,
};

/** What one person may still ask for, whatever number of sockets it comes by. */
export class Allowance {
  readonly #any: TokenBucket;
  readonly #handshakes: TokenBucket;
  readonly #costly = new Map<Rate, TokenBucket>();

  constructor(nowMs: number) {
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
    const rate = Object.hasOwn(COSTLY, name) ? COSTLY[name as RequestName] : undefined;
    if (rate === undefined) return true;
    let bucket = this.#costly.get(rate);
    if (bucket === undefined) {
      bucket = new TokenBucket(rate, nowMs);
      this.#costly.set(rate, bucket);
    }
    return bucket.take(nowMs);
  }
}
