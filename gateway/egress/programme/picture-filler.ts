// Keeps a picture in a programme that has sound: players stand still without one.
import type { Frame } from '#shared/media/frame.ts';
import { StillPicture } from '../still-picture.ts';

/** How long after asking for a key frame it is asked for again. */
const ASK_EVERY_US = 1_000_000;

export class PictureFiller {
  readonly #still = new StillPicture();
  #headUs = 0;
  #askedUs = -Infinity;

  /** What to show now that `frame` came: the frame, stills that are due, both, or nothing. */
  pass(frame: Frame): Frame[] {
    if (frame.kind === 'audio') {
      this.#headUs = Math.max(this.#headUs, frame.ptsUs);
      return [...this.#still.due(frame.ptsUs), frame];
    }
    this.#headUs = Math.max(this.#headUs, frame.ptsUs);
    // After a still the decoder has forgotten what this one builds upon.
    if (this.#still.isShowing && !frame.key) return [];
    this.#still.seen(frame);
    return [frame];
  }

  /** The source is gone; it comes back with a key frame. */
  interrupted(): void {
    this.#still.reset();
  }

  /** True now and then while stills are shown: the picture can only go on with a key frame. */
  needsKeyframe(): boolean {
    if (!this.#still.isShowing || this.#headUs - this.#askedUs < ASK_EVERY_US) return false;
    this.#askedUs = this.#headUs;
    return true;
  }
}
