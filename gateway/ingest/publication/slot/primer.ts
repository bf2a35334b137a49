// Holds the first of what a publisher sends until there is somebody to take it: the SFU has opened its tracks, the
// broadcast takes the sound, and somebody is there to see the picture. Encoders make no key frame when asked, so the
// one that they begin with must not be lost; nor must the first word.
import type { Uplink } from '../../../sfu/uplink.ts';

export type Kind = 'audio' | 'video';

/** Of one publisher before its tracks are open. */
const MAX_HELD = 2_000;
/** The first picture is sent this long after the first who asks for one, others being on their way. */
const READY_MS = 250;
/** Nothing is held for longer once its track is open. */
const MAX_WAIT_MS = 1_000;

interface Held {
  readonly kind: Kind;
  readonly ptsUs: number;
  readonly send: (uplink: Uplink) => void;
}

export class Primer {
  readonly #uplink: () => Uplink | undefined;
  /** What goes straight out. */
  readonly #flowing = new Set<Kind>();
  /** Kinds whose tracks are open and that wait, with the end of their patience. */
  readonly #waiting = new Map<Kind, NodeJS.Timeout>();
  #held: Held[] = [];
  #isAsked = false;

  /** `uplink` gives the way out, if there is one, when it is time. */
  constructor(uplink: () => Uplink | undefined) {
    this.#uplink = uplink;
  }

  /** True while sound waits to be carried. */
  get isWaiting(): boolean {
    return this.#waiting.has('audio');
  }

  /** True if what comes now goes straight out. */
  isOpen(kind: Kind): boolean {
    return this.#flowing.has(kind);
  }

  /** Keeps it until it may go out. Returns false if it was dropped, because nothing goes on. */
  hold(held: Held): boolean {
    if (this.#held.length >= MAX_HELD) return false;
    this.#held.push(held);
    return true;
  }

  /** The SFU has tracks for `kinds`, and the broadcast takes those of `carried`. A picture begins at `nowUs` or before. */
  opened(kinds: readonly Kind[], carried: readonly Kind[], uplink: Uplink, nowUs: number): void {
    for (const kind of kinds) {
      if (this.#flowing.has(kind)) continue;
      if (!this.#waiting.has(kind)) {
        this.#waitFor(kind, MAX_WAIT_MS);
        if (kind === 'video') {
          uplink.prime((this.#held.find((one) => one.kind === 'video')?.ptsUs ?? nowUs) - 1_000);
        }
      }
      if (kind === 'audio' && carried.includes(kind)) this.#flush(kind);
    }
  }

  /** Somebody asks for a key frame. Returns false if the publisher has to be asked. */
  keyframeWanted(): boolean {
    if (!this.#waiting.has('video')) return false;
    if (!this.#isAsked) this.#waitFor('video', READY_MS);
    this.#isAsked = true;
    return true;
  }

  /** The publisher is gone: what it sent is of no use any more. */
  drop(): void {
    this.#held = [];
  }

  /** The tracks are gone: what comes waits for new ones. */
  reset(): void {
    for (const timer of this.#waiting.values()) clearTimeout(timer);
    this.#waiting.clear();
    this.#flowing.clear();
    this.#isAsked = false;
  }

  #waitFor(kind: Kind, forMs: number): void {
    clearTimeout(this.#waiting.get(kind));
    this.#waiting.set(
      kind,
      setTimeout(() => this.#flush(kind), forMs),
    );
  }

  #flush(kind: Kind): void {
    clearTimeout(this.#waiting.get(kind));
    this.#waiting.delete(kind);
    const uplink = this.#uplink();
    if (uplink === undefined) return;
    this.#flowing.add(kind);
    const ready = this.#held.filter((one) => one.kind === kind);
    this.#held = this.#held.filter((one) => one.kind !== kind);
    for (const { send } of ready) send(uplink);
  }
}
