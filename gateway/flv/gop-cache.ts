// What a new viewer gets at once: everything since the last key frame, so that a picture shows without
// waiting for the next one.
import type { Tag, Wire } from './tag.ts';

/** A group of pictures is 2 s; a viewer who was sent more than this at once would count as stalled. */
const MAX_BYTES = 4 * 1024 * 1024;
/** Sound alone is cached only as far as players need it to begin, in ms. */
const MAX_MS = 10_000;

/** The pieces of a welcome become one when there are more of them. */
const MAX_PIECES = 16;

/** The first `tags` tags of the cache, as they go over a wire. */
interface Merged {
  tags: number;
  pieces: Uint8Array[];
}

export class GopCache {
  #tags: Tag[] = [];
  #bytes = 0;
  readonly #merged = new Map<Wire, Merged>();

  /** The tags since the last entry, that one included. Empty while there is none. */
  get tags(): readonly Tag[] {
    return this.#tags;
  }

  /** All tags as `wire` carries them; who joins at the same time shares the same bytes. */
  on(wire: Wire): readonly Uint8Array[] {
    let merged = this.#merged.get(wire);
    if (merged === undefined) this.#merged.set(wire, (merged = { tags: 0, pieces: [] }));
    if (merged.tags < this.#tags.length) {
      const news = this.#tags.slice(merged.tags).filter((tag) => tag.isFor(wire));
      const fresh = Buffer.concat(news.map((tag) => tag.on(wire)));
      const pieces = merged.pieces.length < MAX_PIECES ? merged.pieces : [Buffer.concat(merged.pieces)];
      merged.pieces = [...pieces, fresh];
      merged.tags = this.#tags.length;
    }
    return merged.pieces;
  }

  addTag(tag: Tag): void {
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
    this.#merged.clear();
  }
}
