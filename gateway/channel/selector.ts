// Which picture is the programme: the largest layer that flows. A change happens at a key frame of what
// is changed to, and what is shown goes on until then.
import type { VideoTrack } from './ports.ts';
import type { TrackHealth } from './track-health.ts';

/** A larger layer has to flow for this long before it is gone back to. */
const STEADY_MS = 2_000;
/** A new source is given this long for its largest layer to show up. */
const BEST_WAIT_MS = 400;
const ASK_AGAIN_MS = 500;

export class ProgrammeSelector {
  readonly #health: TrackHealth;
  readonly #requestKeyframe: (track: string) => void;
  #wanted: readonly VideoTrack[] = [];
  #current: VideoTrack | undefined;
  #newSourceAtMs: number | undefined;
  #asked: { track: string; atMs: number } | undefined;
  /** After an interruption even the same track has to begin with a key frame. */
  #entry: 'key' | 'any' = 'key';

  constructor(health: TrackHealth, requestKeyframe: (track: string) => void) {
    this.#health = health;
    this.#requestKeyframe = requestKeyframe;
  }

  get current(): VideoTrack | undefined {
    return this.#current;
  }

  /** States what may be shown, smallest layer first. What is shown now goes on until a change. */
  want(tracks: readonly VideoTrack[]): void {
    if (!tracks.some((track) => this.#wanted.some(({ id }) => id === track.id)))
      this.#newSourceAtMs = undefined;
    this.#wanted = tracks;
  }

  /** Nothing is shown any longer: what comes next begins with a key frame. */
  interrupt(): void {
    this.#entry = 'key';
    this.#newSourceAtMs = undefined;
  }

  /** Says of each frame of each track, in turn, whether it belongs to the programme. */
  admit(id: string, key: boolean, nowMs: number): boolean {
    if (this.#wanted.some((track) => track.id === id)) this.#newSourceAtMs ??= nowMs;
    const target = this.#target(nowMs);
    if (target !== undefined && target.id !== this.#current?.id) {
      if (target.id === id && key) {
        this.#current = target;
        this.#entry = 'any';
        this.#asked = undefined;
        return true;
      }
      this.#ask(target.id, nowMs);
    }
    if (id !== this.#current?.id) return false;
    if (this.#entry === 'key') {
      if (!key) {
        this.#ask(id, nowMs);
        return false;
      }
      this.#entry = 'any';
    }
    return true;
  }

  #target(nowMs: number): VideoTrack | undefined {
    const health = this.#health;
    const flowing = this.#wanted.filter(({ id }) => health.flowingMs(id, nowMs) !== undefined);
    const best = flowing.at(-1);
    const current = this.#wanted.find((track) => track.id === this.#current?.id);
    if (current === undefined) {
      const waited = nowMs - (this.#newSourceAtMs ?? nowMs) >= BEST_WAIT_MS;
      return waited || best?.id === this.#wanted.at(-1)?.id ? best : undefined;
    }
    if (health.of(current.id, nowMs) !== 'live') return best ?? current;
    // What stands still with all the others is not changed for another.
    if (health.flowingMs(current.id, nowMs) === undefined) return current;
    const steady = flowing.findLast(
      ({ id, layer }) => layer > current.layer && (health.flowingMs(id, nowMs) ?? 0) >= STEADY_MS,
    );
    return steady ?? current;
  }

  #ask(track: string, nowMs: number): void {
    if (this.#asked?.track === track && nowMs - this.#asked.atMs < ASK_AGAIN_MS) return;
    this.#asked = { track, atMs: nowMs };
    this.#requestKeyframe(track);
  }
}
