// Wrong API keys and owner links. Only failures are counted: a school is one address, so an old script there
// must not lock out the people who have the right key.
import { LecternError } from '#shared/contract/errors.ts';
import type { Log } from '#server/log.ts';
import { refuseFor, type ApiContext } from '../http/api.ts';
import { TokenBuckets } from '#server/token-buckets.ts';

/** By address: a person mistypes a few times. */
const RATE = { capacity: 20, perSecond: 0.5 };

/** Which key was wrong: LECTERN_API_KEY, or that of the owner link. */
export const KEY_KINDS = ['api', 'owner'] as const;
export type KeyKind = (typeof KEY_KINDS)[number];

export interface WrongKeysOptions {
  ipOf: (context: ApiContext) => string;
  /** The time in ms. */
  now: () => number;
  /** Called for each wrong key. */
  count: (kind: KeyKind) => void;
  log: Log;
}

export class WrongKeys {
  readonly #options: WrongKeysOptions;
  readonly #addresses: TokenBuckets;

  constructor(options: WrongKeysOptions) {
    this.#options = options;
    this.#addresses = new TokenBuckets({ ...RATE, now: options.now });
  }

  /** Counts a wrong key. Throws LecternError `unauthorized`, with `message`, or `rate-limited`. */
  refuse(context: ApiContext, kind: KeyKind, message?: string): never {
    const { ipOf, count, log } = this.#options;
    const address = ipOf(context);
    count(kind);
    refuseFor(context, this.#addresses.take(address));
    // One line for each that was answered: who goes on gets no more of the log than of the school.
    log.warn({ kind, address }, 'a wrong key was refused');
    throw new LecternError('unauthorized', message);
  }
}
