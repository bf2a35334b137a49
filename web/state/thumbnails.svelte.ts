// The small picture of the moment that somebody points at on the seek bar. One is loaded at a time, and the next is
// always that of the moment which is pointed at by then.
import { thumbnailAtS } from '#shared/domain/thumbnails.ts';
import type { PicturePort, PlayerClock } from '../engine/player/ports.ts';

/** One that is not there may be later, as at the end of a class that is on air: asked for again after this, in ms. */
const NONE_MS = 5_000;
/** Where none can be had at present, the next is asked for after this, in ms. */
const PAUSE_MS = 2_000;

export interface ThumbnailsOptions {
  readonly pictures: PicturePort;
  readonly clock: PlayerClock;
  /** Where the one of second `atS` is; undefined while that is not known. */
  readonly addressOf: (atS: number) => string | undefined;
}

type Known = { readonly picture: string } | { readonly noneUntilMs: number };

export class Thumbnails {
  readonly #options: ThumbnailsOptions;
  /** By its second. They are as few as there are moments that have one. */
  #known = new Map<number, Known>();
  #picture = $state.raw<string | null>(null);
  #wantedS: number | undefined;
  #isLoading = false;
  #cancelPause: (() => void) | undefined;

  constructor(options: ThumbnailsOptions) {
    this.#options = options;
  }

  /** That of the moment that is looked at, as an image takes it; null while it is not there. */
  get picture(): string | null {
    return this.#picture;
  }

  /** Somebody points at second `atS` of `lengthS`, or, if undefined, at none. */
  lookAt(atS: number | undefined, lengthS: number): void {
    this.#wantedS = atS === undefined ? undefined : thumbnailAtS(atS, lengthS);
    this.#show();
    this.#next();
  }

  /** What was loaded is of something else than is shown now. */
  clear(): void {
    const known = this.#known;
    this.#known = new Map();
    this.#show();
    for (const one of known.values()) if ('picture' in one) this.#options.pictures.release(one.picture);
  }

  close(): void {
    this.#wantedS = undefined;
    this.#cancelPause?.();
    this.clear();
  }

  #show(): void {
    const known = this.#wantedS === undefined ? undefined : this.#known.get(this.#wantedS);
    this.#picture = known !== undefined && 'picture' in known ? known.picture : null;
  }

  #next(): void {
    const atS = this.#wantedS;
    if (atS === undefined || this.#isLoading || this.#cancelPause !== undefined) return;
    const known = this.#known.get(atS);
    if (known !== undefined && ('picture' in known || known.noneUntilMs > this.#options.clock.nowMs()))
      return;
    const address = this.#options.addressOf(atS);
    if (address !== undefined) void this.#load(atS, address);
  }

  async #load(atS: number, address: string): Promise<void> {
    const { pictures, clock } = this.#options;
    const into = this.#known;
    this.#isLoading = true;
    try {
      const picture = await pictures.load(address);
      // It was cleared while this was on its way.
      if (into !== this.#known) {
        if (picture !== null) pictures.release(picture);
      } else into.set(atS, picture === null ? { noneUntilMs: clock.nowMs() + NONE_MS } : { picture });
    } catch {
      this.#cancelPause = clock.after(PAUSE_MS, () => {
        this.#cancelPause = undefined;
        this.#next();
      });
    }
    this.#isLoading = false;
    this.#show();
    this.#next();
  }
}
