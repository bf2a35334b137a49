// Makes one FLV stream of several that carry the same class: where one breaks off the next goes on with the
// very next frame, so that anyone who plays it notices nothing.
//
// Servers that hand on one stream keep its timestamps, and a frame that was given is not given again. A CDN
// may count from zero on every connection: then the stream goes on at a key frame, moved to where we are.
import { FLV_START, stamp, type StreamTag } from './flv-tags.ts';

/** Two streams with one clock are not further apart than this, in ms. */
const SAME_CLOCK_MS = 30_000;
/** Anyone who starts behind (a group of pictures is sent at once) has caught up by then, in ms. */
const CATCH_UP_MS = 1_500;
/** From the last frame of one clock to the first of another, in ms. */
const FRAME_MS = 33;

/** Where the joint stream is. */
export class StreamSplice {
  #begun = false;
  readonly #lastMs = { audio: -1, video: -1 };

  get begun(): boolean {
    return this.#begun;
  }

  /** The newest timestamp so far, in ms. */
  get lastMs(): number {
    return Math.max(this.#lastMs.audio, this.#lastMs.video);
  }

  /** Whether the frame, on our clock, is one that was not given yet. */
  isNew(track: 'audio' | 'video', timestampMs: number): boolean {
    return timestampMs > this.#lastMs[track];
  }

  begin(): Uint8Array[] {
    if (this.#begun) return [];
    this.#begun = true;
    return [FLV_START];
  }

  noteAppended(track: 'audio' | 'video', timestampMs: number): void {
    this.#lastMs[track] = timestampMs;
  }
}

/** One connection's part in it. */
export class SplicedSource {
  readonly #splice: StreamSplice;
  /** Metadata and sequence headers that wait for the first frame. */
  #heads: StreamTag[] = [];
  #shiftMs = 0;
  /** The clock is another, and no key frame came since. */
  #seeksKey = false;
  #firstAtMs: number | null = null;
  #joined = false;
  /** The picture goes on without a gap, or went on at a key frame. */
  #videoContinues = false;

  constructor(splice: StreamSplice) {
    this.#splice = splice;
  }

  /** What `tags`, come at `nowMs`, add to the stream, as bytes; none while they are known already. */
  append(tags: readonly StreamTag[], nowMs: number): Uint8Array<ArrayBuffer>[] {
    const out: Uint8Array[] = [];
    for (const tag of tags) this.#takeOne(tag, nowMs, out);
    return out as Uint8Array<ArrayBuffer>[];
  }

  #takeOne(tag: StreamTag, nowMs: number, out: Uint8Array[]): void {
    if (tag.kind === 'script' || tag.kind === 'config') {
      if (this.#joined) out.push(this.#moved(tag, tag.timestampMs));
      else this.#heads.push(tag);
      return;
    }
    if (tag.track === 'script') return;
    this.#compareClocks(tag, nowMs);
    if (this.#seeksKey) {
      if (tag.kind !== 'key') return;
      this.#seeksKey = false;
      this.#videoContinues = true;
      this.#shiftMs = this.#splice.lastMs + FRAME_MS - tag.timestampMs;
    }
    const timestampMs = tag.timestampMs + this.#shiftMs;
    if (tag.track === 'video' && !this.#videoContinues) {
      // Frames that follow what was not given cannot be decoded: they wait for a key frame.
      if (!this.#splice.isNew('video', timestampMs)) {
        this.#videoContinues = true;
        return;
      }
      if (tag.kind !== 'key') return;
      this.#videoContinues = true;
    }
    if (!this.#splice.isNew(tag.track, timestampMs)) return;
    if (!this.#joined) {
      this.#joined = true;
      out.push(...this.#splice.begin());
      for (const head of this.#heads) out.push(this.#moved(head, timestampMs));
      this.#heads = [];
    }
    this.#splice.noteAppended(tag.track, timestampMs);
    out.push(this.#moved(tag, timestampMs));
  }

  #compareClocks({ timestampMs }: StreamTag, nowMs: number): void {
    if (!this.#splice.begun || this.#joined || this.#seeksKey) return;
    const first = this.#firstAtMs === null;
    this.#firstAtMs ??= nowMs;
    const apart = Math.abs(timestampMs + this.#shiftMs - this.#splice.lastMs);
    const late = nowMs - this.#firstAtMs > CATCH_UP_MS && !this.#splice.isNew('video', timestampMs);
    if ((first && apart > SAME_CLOCK_MS) || late) this.#seeksKey = true;
  }

  #moved(tag: StreamTag, timestampMs: number): Uint8Array {
    if (timestampMs !== tag.timestampMs) stamp(tag, Math.max(0, timestampMs));
    return tag.bytes;
  }
}
