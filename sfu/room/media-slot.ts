// Where a room keeps its media: opened when first needed, lost when its worker dies, opened again.
import type { RoomMedia } from './ports.ts';

export class MediaSlot {
  readonly #openRoom: (onLost: () => void) => Promise<RoomMedia>;
  readonly #onLost: () => void;
  #opening: Promise<RoomMedia> | null = null;
  #current: RoomMedia | null = null;

  /** `onLost` is called when media that was in use is gone; the slot is empty then. */
  constructor(openRoom: (onLost: () => void) => Promise<RoomMedia>, onLost: () => void) {
    this.#openRoom = openRoom;
    this.#onLost = onLost;
  }

  /** The media that is open now. */
  get current(): RoomMedia | null {
    return this.#current;
  }

  /** Resolves with the room's media; the same promise until it is lost or closed. */
  open(): Promise<RoomMedia> {
    if (this.#opening !== null) return this.#opening;
    const opening: Promise<RoomMedia> = this.#openRoom(() => {
      if (this.#opening !== opening) return;
      this.close();
      this.#onLost();
    });
    this.#opening = opening;
    opening.then(
      (media) => {
        if (this.#opening === opening) this.#current = media;
        else media.close();
      },
      () => {
        if (this.#opening === opening) this.#opening = null;
      },
    );
    return opening;
  }

  /** True while what `opening` resolved with is the media in use. */
  isCurrent(opening: Promise<RoomMedia>): boolean {
    return this.#opening === opening;
  }

  close(): void {
    this.#current?.close();
    this.#current = null;
    this.#opening = null;
  }
}
