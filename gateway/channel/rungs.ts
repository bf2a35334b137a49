// Which video tracks the ladder has: each from its first key frame until it stops.
import type { VideoTrack } from './ports.ts';
import type { TrackHealth } from './track-health.ts';

export interface RungsOptions {
  readonly health: TrackHealth;
  /** The rungs are now these, smallest layer first. */
  readonly onTracks: (tracks: readonly VideoTrack[]) => void;
}

export class Rungs {
  readonly #options: RungsOptions;
  #wanted: readonly VideoTrack[] = [];
  #rungs: readonly VideoTrack[] = [];

  constructor(options: RungsOptions) {
    this.#options = options;
  }

  /** Smallest layer first. */
  get tracks(): readonly VideoTrack[] {
    return this.#rungs;
  }

  /** States what the feed has. Rungs of an earlier source go on until this one has a key frame. */
  want(tracks: readonly VideoTrack[]): void {
    this.#wanted = tracks;
    const kept = this.#rungs.filter((rung) => tracks.some(({ id }) => id === rung.id));
    if (kept.length > 0 || tracks.length === 0) this.#set(kept);
  }

  /** After an interruption every rung begins again with a key frame. */
  interrupt(): void {
    this.#rungs = [];
  }

  /** Returns the rung that this frame belongs to; undefined if it has none. */
  admit(id: string, key: boolean, nowMs: number): VideoTrack | undefined {
    const rung = this.#rungs.find((one) => one.id === id);
    const track = rung ?? this.#wanted.find((wanted) => wanted.id === id);
    if (track === undefined || (rung === undefined && !key)) return undefined;
    const running = this.#rungs.filter((one) => this.#options.health.of(one.id, nowMs) !== 'gone');
    if (rung !== undefined) this.#set(running);
    else {
      const ofThisSource = running.filter((one) => this.#wanted.some((wanted) => wanted.id === one.id));
      this.#set([...ofThisSource, track]);
    }
    return track;
  }

  #set(unsorted: readonly VideoTrack[]): void {
    const rungs = [...unsorted].sort((a, b) => a.layer - b.layer);
    const isSame =
      rungs.length === this.#rungs.length && rungs.every((rung, at) => rung.id === this.#rungs[at]?.id);
    this.#rungs = rungs;
    if (!isSame) this.#options.onTracks(rungs);
  }
}
