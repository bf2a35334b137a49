// How a live picture is kept close to the camera: a little faster when behind, a jump when far behind,
// a little slower when there is almost nothing left to play.
import type { PlayerClock, Range } from './ports.ts';

/** How much faster or slower than life is not noticed. */
const FAST_MAX = 1.1;
const SLOW = 0.95;
/** Faster per second behind, and at least: half a second is made up for within five. */
const FAST_PER_S = 0.3;
const FAST_MIN = 0.03;
/** Within this distance of the target it is good enough, in s. */
const TOLERANCE_S = 0.12;
/** Further behind than this, and than the target by so much, catching up by speed takes too long, in s. */
const JUMP_BEYOND_S = 3;
const JUMP_BEYOND_TARGET_S = 2.5;
/** What is played first is chosen: what speed makes up for within five seconds needs no choice, in s. */
const FIRST_BEYOND_S = 0.5;
/** Safely inside a range that begins there, in s. */
const INSIDE_S = 0.05;

export interface View {
  readonly positionS: number;
  readonly ranges: readonly Range[];
  /** The present speed. */
  readonly rate: number;
  /** True if playing stopped because nothing is left at the position. */
  readonly waiting: boolean;
  /** True until the first correction after a source opened. */
  readonly first: boolean;
}

export type Move =
  { readonly kind: 'rate'; readonly rate: number } | { readonly kind: 'jump'; readonly toS: number };

/** Decides what to do to be `targetS` seconds behind the newest media. */
export function steer(view: View, targetS: number): Move {
  const newest = view.ranges.at(-1);
  if (newest === undefined) return { kind: 'rate', rate: 1 };
  const behindS = newest.endS - view.positionS;
  const edge = { kind: 'jump', toS: Math.max(newest.startS + INSIDE_S, newest.endS - targetS) } as const;
  // A gap in the source: what plays has run out, what is new lies behind the gap.
  const stranded = newest.startS > view.positionS + INSIDE_S;
  const gap = stranded && (view.waiting || !view.ranges.some((range) => holds(range, view.positionS)));
  const tooFarS = view.first
    ? targetS + FIRST_BEYOND_S
    : Math.max(JUMP_BEYOND_S, targetS + JUMP_BEYOND_TARGET_S);
  if (gap || behindS > tooFarS) return edge;
  if (behindS > targetS + TOLERANCE_S || (view.rate > 1 && behindS > targetS)) {
    return { kind: 'rate', rate: Math.min(FAST_MAX, 1 + FAST_MIN + (behindS - targetS) * FAST_PER_S) };
  }
  return { kind: 'rate', rate: behindS < targetS / 3 && !view.waiting ? SLOW : 1 };
}

const holds = (range: Range, positionS: number) => range.startS <= positionS && positionS <= range.endS;

/** The distance to keep at first, the least and the most, in s. */
const TARGET_FIRST_S = 0.4;
const TARGET_MIN_S = 0.2;
const TARGET_MAX_S = 2.5;
/** What each stall adds, in s: a network that starves us needs a larger store. */
const STALL_ADDS_S = 0.25;
/** What each quiet while takes away again, in s; the whiles are longer once there was a stall. */
const QUIET_TAKES_S = 0.1;
const QUIET_MS = 5_000;
const QUIET_AFTER_STALL_MS = 20_000;
/** What has to be left of the store at its emptiest moment after that, in s. */
const SPARE_S = 0.1;

/** The distance to keep, learned from this viewer's network. */
export class LatencyTarget {
  #targetS = TARGET_FIRST_S;
  #quietMs = QUIET_MS;
  /** Since when nothing changed, and the least that was left to play since then, in s. */
  #sinceMs: number;
  #leastS = Infinity;

  constructor(nowMs: number) {
    this.#sinceMs = nowMs;
  }

  stalled(nowMs: number): void {
    this.#targetS = Math.min(TARGET_MAX_S, this.#targetS + STALL_ADDS_S);
    this.#quietMs = QUIET_AFTER_STALL_MS;
    this.#begin(nowMs);
  }

  /** In s, of a player that has `leftS` seconds to play. */
  at(nowMs: number, leftS: number): number {
    this.#leastS = Math.min(this.#leastS, leftS);
    if (nowMs - this.#sinceMs > this.#quietMs) {
      const nearerS = Math.max(TARGET_MIN_S, this.#targetS - QUIET_TAKES_S);
      if (this.#leastS - (this.#targetS - nearerS) >= SPARE_S) this.#targetS = nearerS;
      this.#begin(nowMs);
    }
    return this.#targetS;
  }

  #begin(nowMs: number): void {
    this.#sinceMs = nowMs;
    this.#leastS = Infinity;
  }
}

/** Without a stall for this long a player that stepped back comes forward again, in ms. */
const CALM_MS = 30_000;

/** Calls `restore` once {@link CALM_MS} have passed since the last stall. */
export class Calm {
  readonly #clock: PlayerClock;
  readonly #restore: () => void;
  #cancel: () => void = () => undefined;

  constructor(clock: PlayerClock, restore: () => void) {
    this.#clock = clock;
    this.#restore = restore;
  }

  stalled(): void {
    this.#cancel();
    this.#cancel = this.#clock.after(CALM_MS, this.#restore);
  }

  close(): void {
    this.#cancel();
  }
}
