// Whether each picture track of a broadcast is live, late or gone: one answer for all who ask. A track that sends
// nothing is missed only where another sends meanwhile; a still screen and a network that stands still are no fault
// of a track.

/** Without a frame for so long, while others had so many, a track is late: another takes its place. */
const LATE = { afterMs: 1_000, others: 3 } as const;
/** And gone: what it gave is complete. */
const GONE = { afterMs: 2_000, others: 10 } as const;

export type TrackState = 'live' | 'late' | 'gone';

interface Pace {
  lastMs: number;
  /** Since when it flows without a stall. */
  sinceMs: number;
  /** Frames of the others since its last. */
  others: number;
}

export class TrackHealth {
  readonly #paces = new Map<string, Pace>();

  /** A frame of this track came. */
  note(id: string, nowMs: number): void {
    const pace = this.#paces.get(id);
    if (pace === undefined || nowMs - pace.lastMs > LATE.afterMs) {
      this.#paces.set(id, { lastMs: nowMs, sinceMs: nowMs, others: 0 });
    } else {
      pace.lastMs = nowMs;
      pace.others = 0;
    }
    for (const [other, its] of this.#paces) if (other !== id) its.others += 1;
  }

  /** A track that never sent is gone. */
  of(id: string, nowMs: number): TrackState {
    const pace = this.#paces.get(id);
    if (pace === undefined) return 'gone';
    const quietMs = nowMs - pace.lastMs;
    if (quietMs >= GONE.afterMs && pace.others >= GONE.others) return 'gone';
    return quietMs > LATE.afterMs && pace.others >= LATE.others ? 'late' : 'live';
  }

  /** For how long it has sent without a stall, in ms; undefined unless it did within the last second. */
  flowingMs(id: string, nowMs: number): number | undefined {
    const pace = this.#paces.get(id);
    return pace === undefined || nowMs - pace.lastMs > LATE.afterMs ? undefined : nowMs - pace.sinceMs;
  }

  /** Only these tracks are asked about from now on. */
  keep(ids: ReadonlySet<string>): void {
    for (const id of this.#paces.keys()) if (!ids.has(id)) this.#paces.delete(id);
  }

  /** None of them stood still until now: all were held up. */
  resumed(nowMs: number): void {
    for (const pace of this.#paces.values()) {
      pace.lastMs = nowMs;
      pace.others = 0;
    }
  }

  /** The source is gone. */
  clear(): void {
    this.#paces.clear();
  }
}
