// How many messages a person may send, of whatever kind. Requests have smaller rates; who ignores their refusals is
// cut off. What reads them is one process for all classes, so those of one invitation together are bounded too.
import { TokenBucket, type Rate } from '#shared/token-bucket.ts';

/** One that is larger than so many bytes counts as several. */
const UNIT_BYTES = 1_024;
/** Several times what is answered at once, and some more than that in the long run. */
const PERSON: Rate = { size: 800, perSecond: 50 };
/** A full class that comes back at once. */
const CROWD: Rate = { size: 20_000, perSecond: 2_000 };
/** Who has sent no more than this of late is heard though those of the same invitation sent too much. */
const FAIR = 100;

/** What those of one invitation may send together. */
export const crowdMessages = (nowMs: number): TokenBucket => new TokenBucket(CROWD, nowMs);

export class Messages {
  readonly #own: TokenBucket;
  readonly #crowd: TokenBucket | undefined;

  /** Undefined for who showed no ticket yet. */
  constructor(nowMs: number, crowd?: TokenBucket) {
    this.#own = new TokenBucket(PERSON, nowMs);
    this.#crowd = crowd;
  }

  /** False if a message of so many bytes is more than may be sent at `nowMs`. */
  take(nowMs: number, bytes: number): boolean {
    const units = 1 + Math.floor(bytes / UNIT_BYTES);
    if (!this.#own.take(nowMs, units)) return false;
    const isWithin = this.#crowd?.take(nowMs, units) ?? true;
    return isWithin || this.#own.left >= PERSON.size - FAIR;
  }
}
