// All frames since the last one that needs no other, so that a conversion can begin in the middle of a group
// of pictures and lose nothing of it.
import type { VideoInput } from './publication-video.ts';

/** Six seconds of 10 Mbit/s. */
const MAX_BYTES = 8 * 1024 * 1024;

export class Gop {
  #frames: VideoInput[] = [];
  #bytes = 0;
  #begin: 'none' | 'recovery' | 'idr' = 'none';

  /** In decoding order; the first is one from which decoding can begin. Empty if what there was is not whole. */
  get frames(): readonly VideoInput[] {
    return this.#frames;
  }

  /**
   * Adds the next picture in decoding order, which is kept. From an IDR picture on everything can be decoded;
   * after one that only begins a recovery it takes a while, so that one begins a group where there is no other.
   */
  addFrame(frame: VideoInput, isIdr: boolean): void {
    if (isIdr || (frame.key && this.#begin === 'none')) {
      this.clear();
      this.#begin = isIdr ? 'idr' : 'recovery';
    }
    if (this.#begin === 'none') return;
    this.#bytes += frame.data.length;
    if (this.#bytes > MAX_BYTES) this.clear();
    else this.#frames.push(frame);
  }

  clear(): void {
    this.#frames = [];
    this.#bytes = 0;
    this.#begin = 'none';
  }
}
