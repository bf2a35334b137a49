// Which picture is the programme: the largest layer that flows. A change happens at a key frame of what
// is changed to, and what is shown goes on until then.
import type { VideoTrack } from './ports.ts';

/** No frame for this long, while another layer had several, is a stall. */
const STALL_MS = 1_000;
const STALL_FRAMES = 3;
/** A larger layer has to flow for this long before it is gone back to. */
const STEADY_MS = 2_000;
/** A new source is given this long for its largest layer to show up. */
const BEST_WAIT_MS = 400;
const ASK_AGAIN_MS = 500;

interface Flow {
  lastMs: number;
  /** Since when it flows without a stall. */
  sinceMs: number;
  frames: number;
}

export class ProgrammeSelector {
  readonly #requestKeyframe: (track: string) => void;
  #wanted: readonly VideoTrack[] = [];
  readonly #flows = new Map<string, Flow>();
  #current: VideoTrack | undefined;
  /** How many frames the others had when the current one had its last. */
  #othersFrames = 0;
  #newSourceAtMs: number | undefined;
  #asked: { track: string; atMs: number } | undefined;
  /** After an interruption even the same track has to begin with a key frame. */
  #entry: 'key' | 'any' = 'key';

  constructor(requestKeyframe: (track: string) => void) {
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
    for (const id of this.#flows.keys()) {
      if (id !== this.#current?.id && !tracks.some((track) => track.id === id)) this.#flows.delete(id);
    }
  }

  /** Nothing is shown any longer: what comes next begins with a key frame. */
  interrupt(): void {
    this.#entry = 'key';
    this.#flows.clear();
    this.#newSourceAtMs = undefined;
  }

  /** Says of each frame of each track, in turn, whether it belongs to the programme. */
  admit(id: string, key: boolean, nowMs: number): boolean {
    this.#note(id, nowMs);
    const target = this.#target(nowMs);
    if (target !== undefined && target.id !== this.#current?.id) {
      if (target.id === id && key) {
        this.#current = target;
        this.#entry = 'any';
        this.#asked = undefined;
        this.#othersFrames = 0;
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

  #note(id: string, nowMs: number): void {
    const flow = this.#flows.get(id);
    if (flow === undefined || nowMs - flow.lastMs > STALL_MS) {
      this.#flows.set(id, { lastMs: nowMs, sinceMs: nowMs, frames: 1 });
    } else {
      flow.lastMs = nowMs;
      flow.frames += 1;
    }
    if (id === this.#current?.id) this.#othersFrames = 0;
    else this.#othersFrames += 1;
    if (this.#wanted.some((track) => track.id === id)) this.#newSourceAtMs ??= nowMs;
  }

  #target(nowMs: number): VideoTrack | undefined {
    const flowing = this.#wanted.filter(
      (track) => nowMs - (this.#flows.get(track.id)?.lastMs ?? -Infinity) <= STALL_MS,
    );
    const best = flowing.at(-1);
    const current = this.#wanted.find((track) => track.id === this.#current?.id);
    if (current === undefined) {
      const waited = nowMs - (this.#newSourceAtMs ?? nowMs) >= BEST_WAIT_MS;
      return waited || best?.id === this.#wanted.at(-1)?.id ? best : undefined;
    }
    const flow = this.#flows.get(current.id);
    const stalled = flow === undefined || nowMs - flow.lastMs > STALL_MS;
    if (stalled) return this.#othersFrames >= STALL_FRAMES ? (best ?? current) : current;
    const steady = flowing.findLast((track) => {
      const since = this.#flows.get(track.id)?.sinceMs ?? nowMs;
      return track.layer > current.layer && nowMs - since >= STEADY_MS;
    });
    return steady ?? current;
  }

  #ask(track: string, nowMs: number): void {
    if (this.#asked?.track === track && nowMs - this.#asked.atMs < ASK_AGAIN_MS) return;
    this.#asked = { track, atMs: nowMs };
    this.#requestKeyframe(track);
  }
}
