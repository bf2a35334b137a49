// How much is encoded while the connection takes it off our hands more slowly than that. Pure.

/** What waits to be sent, as the time that it takes at the bit rate of now, in ms. */
const DEGRADE_MS = 300;
const SKIP_MS = 1_000;
/** Once frames are skipped they stay so until no more than this waits. */
const RESUME_MS = 150;
/** Sound is small and matters most: it goes until this much waits. */
const MUTE_MS = 4_000;
const DOWN = 0.7;
const UP = 1.15;
const DOWN_EVERY_MS = 700;
/** How long nothing may have waited before more is tried. */
const CALM_MS = 4_000;
const MIN_BPS = 150_000;

export type PaceState = 'flowing' | 'degraded' | 'skipping';

/** One connection's pace. Times are in ms on any clock that only goes forward. */
export class Pace {
  #maxBps: number;
  #bps: number;
  #skipping = false;
  #changedAtMs = -Infinity;
  #calmSinceMs: number | undefined;
  #waitingMs = 0;

  constructor(maxBps: number) {
    this.#maxBps = maxBps;
    this.#bps = maxBps;
  }

  /** Another source: at most this much, from its own share of what the connection carried so far. */
  set maxBps(bps: number) {
    if (bps === this.#maxBps) return;
    this.#bps = Math.max(MIN_BPS, Math.round((this.#bps * bps) / this.#maxBps));
    this.#maxBps = bps;
  }

  /** What the video may take, in bit/s. */
  get bps(): number {
    return this.#bps;
  }

  get state(): PaceState {
    if (this.#skipping) return 'skipping';
    return this.#bps < this.#maxBps * 0.9 ? 'degraded' : 'flowing';
  }

  /** How long what waits takes to leave, in ms. */
  get waitingMs(): number {
    return this.#waitingMs;
  }

  /** Sound may be sent. */
  get takesAudio(): boolean {
    return this.#waitingMs < MUTE_MS;
  }

  /**
   * To be called before each picture with what waits. Returns false if it is to be left out; the first one
   * that is not must be a key frame.
   */
  admitFrame(waitingBytes: number, nowMs: number): boolean {
    this.#waitingMs = (waitingBytes * 8_000) / this.#bps;
    if (this.#skipping && this.#waitingMs <= RESUME_MS) this.#skipping = false;
    else if (this.#waitingMs >= SKIP_MS) this.#skipping = true;
    if (this.#waitingMs >= DEGRADE_MS) {
      this.#calmSinceMs = undefined;
      if (nowMs - this.#changedAtMs >= DOWN_EVERY_MS) this.#to(this.#bps * DOWN, nowMs);
    } else {
      this.#calmSinceMs ??= nowMs;
      if (nowMs - this.#calmSinceMs >= CALM_MS && nowMs - this.#changedAtMs >= CALM_MS) {
        this.#to(this.#bps * UP, nowMs);
      }
    }
    return !this.#skipping;
  }

  /** A new connection: nothing waits. */
  reset(): void {
    this.#skipping = false;
    this.#calmSinceMs = undefined;
    this.#waitingMs = 0;
  }

  #to(bps: number, nowMs: number): void {
    this.#bps = Math.round(Math.min(this.#maxBps, Math.max(MIN_BPS, bps)));
    this.#changedAtMs = nowMs;
  }
}
