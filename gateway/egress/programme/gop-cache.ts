// What a new viewer gets at once: everything since the last key frame, so that a picture shows without
// waiting for the next one.
import type { Tag } from './tag.ts';

/** A group of pictures is 2 s; a viewer who was sent more than this at once would count as stalled. */
const MAX_BYTES = 4 * 1024 * 1024;
/** Sound alone is cached only as far as players need it to begin, in ms. */
const MAX_MS = 10_000;

export class GopCache {
  #tags: Tag[] = [];
  #bytes = 0;

  /** The tags since the last entry, that one included. Empty while there is none. */
  get tags(): readonly Tag[] {
    return this.#tags;
  }

  add(tag: Tag): void {
    if (tag.entry) this.clear();
    else if (this.#tags.length === 0) return;
    this.#tags.push(tag);
    this.#bytes += tag.size;
    const first = this.#tags[0];
    if (this.#bytes > MAX_BYTES || (first && tag.timestampMs - first.timestampMs > MAX_MS)) this.clear();
  }

  clear(): void {
    this.#tags = [];
    this.#bytes = 0;
  }
}
