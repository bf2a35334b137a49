// All pictures since the last one that needs no other, so that a conversion can begin in the middle of a group
// of pictures and lose nothing of it.
import type { PictureIn } from './picture.ts';

/** Six seconds of 10 Mbit/s. */
const MAX_BYTES = 8 * 1024 * 1024;

export class Gop {
  #pictures: PictureIn[] = [];
  #bytes = 0;
  #begin: 'none' | 'recovery' | 'idr' = 'none';

  /** In decoding order; the first is one from which decoding can begin. Empty if what there was is not whole. */
  get pictures(): readonly PictureIn[] {
    return this.#pictures;
  }

  /**
   * Adds the next picture in decoding order, which is kept. From an IDR picture on everything can be decoded;
   * after one that only begins a recovery it takes a while, so that one begins a group where there is no other.
   */
  add(picture: PictureIn, isIdr: boolean): void {
    if (isIdr || (picture.key && this.#begin === 'none')) {
      this.clear();
      this.#begin = isIdr ? 'idr' : 'recovery';
    }
    if (this.#begin === 'none') return;
    this.#bytes += picture.data.length;
    if (this.#bytes > MAX_BYTES) this.clear();
    else this.#pictures.push(picture);
  }

  clear(): void {
    this.#pictures = [];
    this.#bytes = 0;
    this.#begin = 'none';
  }
}
