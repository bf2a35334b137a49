// What a viewer's session is measured by: first frame, stalls, latency.
import type { Protocol } from './ports.ts';

export interface PlaybackStats {
  /** From the wish to play to the first picture, in ms; null until it showed. */
  readonly firstFrameMs: number | null;
  readonly stalls: number;
  readonly stalledMs: number;
  /** Behind the camera, or, where the source does not tell, behind the newest media received. */
  readonly latencyMs: number | null;
  readonly protocol: Protocol | null;
  /** Where the media comes from, as `host:port`; null until it is known. */
  readonly server: string | null;
  /** Lines of the picture; 0 if unknown. */
  readonly height: number;
}

/** Before anything was played. */
export const NO_STATS: PlaybackStats = {
  firstFrameMs: null,
  stalls: 0,
  stalledMs: 0,
  latencyMs: null,
  protocol: null,
  server: null,
  height: 0,
};

export class Metrics {
  #startedAtMs: number;
  #firstFrameMs: number | null = null;
  #stalls = 0;
  #stalledMs = 0;
  #stallSinceMs: number | null = null;

  constructor(nowMs: number) {
    this.#startedAtMs = nowMs;
  }

  /** Time until now does not count towards the first frame: nothing was on air. */
  restart(nowMs: number): void {
    if (this.#firstFrameMs === null) this.#startedAtMs = nowMs;
  }

  noteFrame(nowMs: number): void {
    this.#firstFrameMs ??= Math.round(nowMs - this.#startedAtMs);
  }

  /** Playing stopped for want of media. Before the first frame that is loading, not a stall. */
  stallBegins(nowMs: number): void {
    if (this.#firstFrameMs === null || this.#stallSinceMs !== null) return;
    this.#stalls += 1;
    this.#stallSinceMs = nowMs;
  }

  stallEnds(nowMs: number): void {
    if (this.#stallSinceMs === null) return;
    this.#stalledMs += nowMs - this.#stallSinceMs;
    this.#stallSinceMs = null;
  }

  at(nowMs: number): Pick<PlaybackStats, 'firstFrameMs' | 'stalls' | 'stalledMs'> {
    const runningMs = this.#stallSinceMs === null ? 0 : nowMs - this.#stallSinceMs;
    return {
      firstFrameMs: this.#firstFrameMs,
      stalls: this.#stalls,
      stalledMs: Math.round(this.#stalledMs + runningMs),
    };
  }
}
