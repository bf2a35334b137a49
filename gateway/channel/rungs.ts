// Which video tracks the ladder has: each from its first key frame until it stops.
import type { VideoTrack } from './ports.ts';

/** A rung without a frame for this long, while another had many, has stopped. */
const STOPPED_MS = 2_000;
const STOPPED_FRAMES = 10;

interface Rung {
  readonly track: VideoTrack;
  lastMs: number;
  /** Frames of the other rungs since its last. */
  othersFrames: number;
}

export interface RungsOptions {
  /** The rungs are now these, smallest layer first. */
  readonly onTracks: (tracks: readonly VideoTrack[]) => void;
}

export class Rungs {
  readonly #onTracks: (tracks: readonly VideoTrack[]) => void;
  #wanted: readonly VideoTrack[] = [];
  #rungs: Rung[] = [];

  constructor({ onTracks }: RungsOptions) {
    this.#onTracks = onTracks;
  }

  /** States what the feed has. Rungs of an earlier source go on until this one has a key frame. */
  want(tracks: readonly VideoTrack[]): void {
    this.#wanted = tracks;
    const kept = this.#rungs.filter(({ track }) => tracks.some(({ id }) => id === track.id));
    if (kept.length > 0 || tracks.length === 0) this.#set(kept);
  }

  /** After an interruption every rung begins anew with a key frame. */
  interrupt(): void {
    this.#rungs = [];
  }

  /** Returns the rung that this frame belongs to; undefined if it has none. */
  admit(id: string, key: boolean, nowMs: number): VideoTrack | undefined {
    const rung = this.#rungs.find(({ track }) => track.id === id);
    const track = rung?.track ?? this.#wanted.find((wanted) => wanted.id === id);
    if (track === undefined || (rung === undefined && !key)) return undefined;
    for (const other of this.#rungs) if (other !== rung) other.othersFrames += 1;
    if (rung !== undefined) {
      rung.lastMs = nowMs;
      rung.othersFrames = 0;
    }
    const running = this.#rungs.filter(
      (other) => nowMs - other.lastMs < STOPPED_MS || other.othersFrames < STOPPED_FRAMES,
    );
    if (rung === undefined) {
      const ofThisSource = running.filter((other) =>
        this.#wanted.some((wanted) => wanted.id === other.track.id),
      );
      this.#set([...ofThisSource, { track, lastMs: nowMs, othersFrames: 0 }]);
    } else {
      this.#set(running);
    }
    return track;
  }

  #set(rungs: Rung[]): void {
    rungs.sort((a, b) => a.track.layer - b.track.layer);
    const same =
      rungs.length === this.#rungs.length &&
      rungs.every((rung, at) => rung.track.id === this.#rungs[at]?.track.id);
    this.#rungs = rungs;
    if (!same) this.#onTracks(rungs.map(({ track }) => track));
  }
}
