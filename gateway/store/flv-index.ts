// Where the tags of an FLV are that is put together while it is read: made once, in little memory.
import { ByteWriter } from '#shared/media/bytes.ts';

/** One frame, and where it comes from. */
export interface FlvTagInfo {
  /** Place of its segment file in the list of all. */
  readonly segment: number;
  /** Of its data in that file. */
  readonly offset: number;
  readonly sizeBytes: number;
  readonly timestampMs: number;
  /** By how much later it is shown than decoded, in ms. */
  readonly compositionMs: number;
  readonly key: boolean;
  /** A sequence header of its configuration stands in front of it. */
  readonly isNewConfig: boolean;
}

const RECORD_BYTES = 20;
const KEY = 1;
const NEW_CONFIG = 2;
/** Every so many tags it is kept where they begin: what lies between is counted again. */
const STEP = 512;

export class FlvIndex {
  readonly #records = new ByteWriter(65_536);
  readonly #positions: number[] = [];
  #count = 0;
  #bytes = 0;
  #view: DataView | undefined;

  get count(): number {
    return this.#count;
  }

  /** How long all tags are together. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Adds the next tag; `bytes` is how long it is, with the sequence header in front of it. */
  add(tag: FlvTagInfo, bytes: number): void {
    if (this.#count % STEP === 0) this.#positions.push(this.#bytes);
    this.#records
      .u32(tag.segment)
      .u32(tag.offset)
      .u32(tag.sizeBytes)
      .u32(tag.timestampMs)
      .u8((tag.key ? KEY : 0) | (tag.isNewConfig ? NEW_CONFIG : 0))
      .u24(tag.compositionMs & 0xffffff);
    this.#count += 1;
    this.#bytes += bytes;
  }

  /** Nothing more is added. Returns what tells this index from others. */
  finish(): Uint8Array {
    const records = this.#records.finish();
    this.#view = new DataView(records.buffer, records.byteOffset, records.byteLength);
    return records;
  }

  at(index: number): FlvTagInfo {
    const view = this.#view;
    if (view === undefined) throw new Error('the index is not finished');
    const at = index * RECORD_BYTES;
    const flags = view.getUint8(at + 16);
    return {
      segment: view.getUint32(at),
      offset: view.getUint32(at + 4),
      sizeBytes: view.getUint32(at + 8),
      timestampMs: view.getUint32(at + 12),
      // Of 24 bits, signed.
      compositionMs: (view.getInt32(at + 16) << 8) >> 8,
      key: (flags & KEY) !== 0,
      isNewConfig: (flags & NEW_CONFIG) !== 0,
    };
  }

  /** A tag at or before the byte `at` of all of them, and where it begins. */
  before(at: number): { index: number; position: number } {
    const step = Math.max(
      0,
      this.#positions.findLastIndex((position) => position <= at),
    );
    return { index: step * STEP, position: this.#positions[step] ?? 0 };
  }
}
