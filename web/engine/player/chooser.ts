// Which protocol to play over, and when to try again. It never gives up.
import { backoffMs } from '#shared/backoff.ts';
import type { Failure, Protocol } from './ports.ts';

/** What the person wants; `auto` is the lowest latency that works. */
export const PROTOCOL_PREFERENCES = ['auto', 'flv', 'll-hls', 'hls'] as const;
export type ProtocolPreference = (typeof PROTOCOL_PREFERENCES)[number];

/** Whether `protocol` is what the person wants. Low-latency HLS may fall back to plain HLS. */
export function suits(protocol: Protocol, delivery: ProtocolPreference): boolean {
  if (delivery === 'auto') return true;
  if (delivery === 'flv') return protocol === 'flv';
  return protocol !== 'flv' && (delivery === 'll-hls' || protocol !== 'll-hls');
}

/** Another protocol is tried at once. */
const FAILOVER_MS = 0;
/** What worked before is likely to come back (a service restarts): it is tried so often before another. */
const PATIENCE = 6;
/** The pauses between these tries. */
const RESUME = { minMs: 300, maxMs: 1_000 };
/** A source that ended in order is over, or is restarted: there is time to ask which, in ms. */
const ENDED_MS = 4_000;
/** The pauses after rounds in which all failed. */
const ROUND = { minMs: 600, maxMs: 10_000 };
/** Playing for this long counts as having worked, in ms. */
export const STEADY_MS = 10_000;
/** So many stalls within the window mean that the network needs the protocol with the larger store. */
const STALLS_MAX = 4;
const STALL_WINDOW_MS = 30_000;

export interface Attempt {
  readonly protocol: Protocol;
  /** How long to wait before it, in ms. */
  readonly delayMs: number;
}

export class Chooser {
  #order: readonly Protocol[];
  #random: () => number;
  #at = 0;
  /** How many failed since something worked. */
  #failures = 0;
  #patience = 0;
  #stallsAtMs: number[] = [];

  /** `supported` in order of preference; `random` gives 0 to 1. Throws RangeError if there is none. */
  constructor(supported: readonly Protocol[], delivery: ProtocolPreference, random: () => number) {
    const wanted = supported.filter((protocol) => suits(protocol, delivery));
    // A wish that this browser cannot fulfil is better half met than not at all.
    this.#order = wanted.length > 0 ? wanted : supported;
    if (this.#order.length === 0) throw new RangeError('no protocol is supported');
    this.#random = random;
  }

  get protocol(): Protocol {
    return this.#order[this.#at % this.#order.length] ?? 'native';
  }

  /** It has played for {@link STEADY_MS}. */
  steady(): void {
    this.#failures = 0;
    this.#patience = PATIENCE;
  }

  /** It failed: what next? */
  failed(failure: Failure): Attempt {
    if (failure.kind === 'ended') return { protocol: this.protocol, delayMs: this.#jitter(ENDED_MS) };
    if (this.#patience > 0 && failure.kind !== 'media') {
      const delayMs = backoffMs(PATIENCE - this.#patience, RESUME);
      this.#patience -= 1;
      return { protocol: this.protocol, delayMs: this.#jitter(delayMs) };
    }
    this.#patience = 0;
    this.#failures += 1;
    // A refusal is about the address: the other protocol would be refused as well, but costs little.
    this.#at += 1;
    const round = Math.floor(this.#failures / this.#order.length);
    const inRound = this.#failures % this.#order.length !== 0;
    const delayMs = inRound ? FAILOVER_MS : backoffMs(round - 1, ROUND);
    return { protocol: this.protocol, delayMs: this.#jitter(delayMs) };
  }

  /** It stalled. Returns another protocol if this one does not suit the network. */
  stalled(nowMs: number): Protocol | undefined {
    this.#stallsAtMs = [...this.#stallsAtMs.filter((atMs) => nowMs - atMs < STALL_WINDOW_MS), nowMs];
    const small = this.protocol === 'flv' || this.protocol === 'll-hls';
    if (this.#stallsAtMs.length < STALLS_MAX || !small || this.#order.length < 2) return undefined;
    this.#stallsAtMs = [];
    this.#at += 1;
    return this.protocol;
  }

  /** Half to all of `delayMs`, so that viewers who lost the same server do not return together. */
  #jitter(delayMs: number): number {
    return delayMs * (0.5 + this.#random() / 2);
  }
}
