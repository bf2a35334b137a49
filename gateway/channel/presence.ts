// Whether anybody who teaches is connected, and how long the broadcast waits once nobody is.
import type { Teaching } from '#shared/contract/internal.ts';

export class Presence {
  #teaching: Teaching = 'away';
  /** Since when nobody who teaches is connected. */
  #awaySinceMs: number;

  constructor(nowMs: number) {
    this.#awaySinceMs = nowMs;
  }

  get isAway(): boolean {
    return this.#teaching === 'away';
  }

  /** Takes what those who teach do now. Returns true if a break began or ended. */
  hear(teaching: Teaching, nowMs: number): boolean {
    const before = this.#teaching;
    if (teaching === 'away' && before !== 'away') this.#awaySinceMs = nowMs;
    this.#teaching = teaching;
    return (teaching === 'break') !== (before === 'break');
  }

  /**
   * When a wait of `waitMs` ends, on the monotonic clock, for a broadcast without media since
   * `silentSinceMs`; undefined while somebody is there.
   */
  waitEndMs(silentSinceMs: number, waitMs: number): number | undefined {
    return this.isAway ? Math.max(silentSinceMs, this.#awaySinceMs) + waitMs : undefined;
  }
}
