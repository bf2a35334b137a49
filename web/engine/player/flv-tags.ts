// Cuts an FLV stream into its tags, as far as splicing two streams needs to know them.
// Adobe, "Video File Format Specification Version 10.1", §E.3 and §E.4; "Enhanced RTMP v2" for new codecs.

/** `config` is a sequence header; `key` can be decoded from; `script` is metadata. */
export type FlvTagKind = 'config' | 'key' | 'frame' | 'script';

export interface StreamTag {
  readonly track: 'audio' | 'video' | 'script';
  readonly kind: FlvTagKind;
  /** Of decoding. */
  readonly timestampMs: number;
  /** The whole tag with the size that follows it; a copy of its own. */
  readonly bytes: Uint8Array<ArrayBuffer>;
}

const TAG_HEADER_BYTES = 11;
const PREVIOUS_SIZE_BYTES = 4;
const SIGNATURE = [0x46, 0x4c, 0x56];
const HEADER_BYTES_MAX = 64;
const TRACKS: ReadonlyMap<number, StreamTag['track']> = new Map([
  [8, 'audio'],
  [9, 'video'],
  [18, 'script'],
]);

export class FlvTagReader {
  #store = new Uint8Array(64 * 1024);
  #from = 0;
  #to = 0;
  #headerDone = false;

  /** The tags that `chunk` completes. Throws TypeError if the stream is no FLV. */
  readBytes(chunk: Uint8Array): StreamTag[] {
    this.#append(chunk);
    if (!this.#headerDone && !this.#skipHeader()) return [];
    const tags: StreamTag[] = [];
    for (;;) {
      const left = this.#to - this.#from;
      if (left < TAG_HEADER_BYTES) break;
      const size = TAG_HEADER_BYTES + this.#u24(1) + PREVIOUS_SIZE_BYTES;
      if (left < size) break;
      const track = TRACKS.get(this.#u8(0));
      if (track !== undefined) tags.push(this.#tag(track, size));
      this.#from += size;
    }
    return tags;
  }

  #tag(track: StreamTag['track'], size: number): StreamTag {
    return {
      track,
      kind: track === 'script' ? 'script' : this.#kind(track, size),
      timestampMs: this.#u24(4) + this.#u8(7) * 2 ** 24,
      bytes: this.#store.slice(this.#from, this.#from + size),
    };
  }

  #kind(track: 'audio' | 'video', size: number): FlvTagKind {
    const bodyBytes = size - TAG_HEADER_BYTES - PREVIOUS_SIZE_BYTES;
    if (bodyBytes < 2) return 'frame';
    const head = this.#u8(TAG_HEADER_BYTES);
    const second = this.#u8(TAG_HEADER_BYTES + 1);
    if (track === 'audio') {
      const format = head >> 4;
      // SoundFormat 10 is AAC; 9 announces a codec by four characters, its packet type being next to it.
      return (format === 10 && second === 0) || (format === 9 && (head & 15) === 0) ? 'config' : 'frame';
    }
    const enhanced = (head & 0x80) !== 0;
    if (enhanced ? (head & 15) === 0 : (head & 15) === 7 && second === 0) return 'config';
    return ((head >> 4) & 7) === 1 ? 'key' : 'frame';
  }

  #skipHeader(): boolean {
    if (this.#to - this.#from < 9) return false;
    const bytes = ((this.#u24(5) << 8) >>> 0) + this.#u8(8);
    if (SIGNATURE.some((byte, index) => this.#u8(index) !== byte) || bytes < 9 || bytes > HEADER_BYTES_MAX) {
      throw new TypeError('This is no FLV.');
    }
    if (this.#to - this.#from < bytes + PREVIOUS_SIZE_BYTES) return false;
    this.#from += bytes + PREVIOUS_SIZE_BYTES;
    this.#headerDone = true;
    return true;
  }

  #append(chunk: Uint8Array): void {
    const left = this.#to - this.#from;
    if (this.#to + chunk.length > this.#store.length) {
      const roomy =
        left + chunk.length > this.#store.length ? new Uint8Array(2 * (left + chunk.length)) : this.#store;
      roomy.set(this.#store.subarray(this.#from, this.#to));
      this.#store = roomy;
      this.#from = 0;
      this.#to = left;
    }
    this.#store.set(chunk, this.#to);
    this.#to += chunk.length;
  }

  #u8(at: number): number {
    return this.#store[this.#from + at] ?? 0;
  }

  #u24(at: number): number {
    return (this.#u8(at) << 16) | (this.#u8(at + 1) << 8) | this.#u8(at + 2);
  }
}

/** The start of a file with sound and picture (§E.2): what a stream that was cut out of others begins with. */
export const FLV_START = Uint8Array.of(...SIGNATURE, 1, 5, 0, 0, 0, 9, 0, 0, 0, 0);

/** Moves a tag to `timestampMs` (§E.4.1); changes its bytes. */
export function stamp({ bytes }: StreamTag, timestampMs: number): void {
  bytes[4] = (timestampMs >> 16) & 255;
  bytes[5] = (timestampMs >> 8) & 255;
  bytes[6] = timestampMs & 255;
  bytes[7] = (timestampMs >>> 24) & 255;
}
