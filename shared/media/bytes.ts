// Reading and writing bytes for the media formats. Plain Uint8Array and DataView, so that it runs in
// Node and in the browser alike.

/** The bytes are not what the format says, or are cut short. The only error that the parsers throw. */
export class MalformedError extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'MalformedError';
  }
}

/** Appends big-endian values to a buffer that grows. */
export class ByteWriter {
  #bytes: Uint8Array<ArrayBuffer>;
  #view: DataView;
  #length = 0;

  /** `capacity` is how many bytes are expected; more may be written. */
  constructor(capacity = 256) {
    this.#bytes = new Uint8Array(Math.max(16, capacity));
    this.#view = new DataView(this.#bytes.buffer);
  }

  /** How many bytes were written so far. */
  get length(): number {
    return this.#length;
  }

  u8(value: number): this {
    const at = this.#grow(1);
    this.#bytes[at] = value;
    return this;
  }

  u16(value: number): this {
    const at = this.#grow(2);
    this.#view.setUint16(at, value);
    return this;
  }

  u24(value: number): this {
    const at = this.#grow(3);
    this.#view.setUint8(at, value >>> 16);
    this.#view.setUint16(at + 1, value & 0xffff);
    return this;
  }

  /** Negative numbers are written as two's complement. */
  u32(value: number): this {
    const at = this.#grow(4);
    this.#view.setUint32(at, value);
    return this;
  }

  /** A safe integer ≥ 0 as 64 bits. */
  u64(value: number): this {
    const at = this.#grow(8);
    this.#view.setUint32(at, Math.floor(value / 2 ** 32));
    this.#view.setUint32(at + 4, value % 2 ** 32);
    return this;
  }

  f64(value: number): this {
    const at = this.#grow(8);
    this.#view.setFloat64(at, value);
    return this;
  }

  bytes(bytes: Uint8Array): this {
    const at = this.#grow(bytes.length);
    this.#bytes.set(bytes, at);
    return this;
  }

  zeros(count: number): this {
    // The buffer is only ever appended to, so what follows is still zero.
    this.#grow(count);
    return this;
  }

  /** Text of which every character is one byte, such as a box type. */
  latin1(text: string): this {
    const at = this.#grow(text.length);
    for (let i = 0; i < text.length; i += 1) this.#bytes[at + i] = text.charCodeAt(i);
    return this;
  }

  /** Overwrites four bytes written before, for sizes that are known only at the end. */
  patchU32(offset: number, value: number): this {
    if (offset < 0 || offset + 4 > this.#length) throw new RangeError('patch outside of what was written');
    this.#view.setUint32(offset, value);
    return this;
  }

  /** What was written: a view, valid until the next write. */
  finish(): Uint8Array<ArrayBuffer> {
    return this.#bytes.subarray(0, this.#length);
  }

  #grow(count: number): number {
    const at = this.#length;
    const needed = at + count;
    if (needed > this.#bytes.length) {
      const bytes = new Uint8Array(Math.max(needed, this.#bytes.length * 2));
      bytes.set(this.#bytes.subarray(0, at));
      this.#bytes = bytes;
      this.#view = new DataView(bytes.buffer);
    }
    this.#length = needed;
    return at;
  }
}

/**
 * 16 and 32 bits, big-endian, where the caller has looked that they are there; bytes beyond the end count
 * as 0. For what is read so often that a reader for each would be too many.
 */
export const readU16 = (bytes: Uint8Array, at: number): number =>
  ((bytes[at] ?? 0) << 8) | (bytes[at + 1] ?? 0);
export const readU32 = (bytes: Uint8Array, at: number): number =>
  ((readU16(bytes, at) << 16) | readU16(bytes, at + 2)) >>> 0;

/** Reads big-endian values; throws MalformedError instead of reading past the end. */
export class ByteReader {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  #offset = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  get offset(): number {
    return this.#offset;
  }

  get remaining(): number {
    return this.#bytes.length - this.#offset;
  }

  u8(): number {
    return this.#view.getUint8(this.#take(1));
  }

  u16(): number {
    return this.#view.getUint16(this.#take(2));
  }

  u24(): number {
    const at = this.#take(3);
    return this.#view.getUint16(at) * 256 + this.#view.getUint8(at + 2);
  }

  u32(): number {
    return this.#view.getUint32(this.#take(4));
  }

  i16(): number {
    return this.#view.getInt16(this.#take(2));
  }

  i32(): number {
    return this.#view.getInt32(this.#take(4));
  }

  /** 64 bits that fit a safe integer. */
  u64(): number {
    const at = this.#take(8);
    const value = this.#view.getUint32(at) * 2 ** 32 + this.#view.getUint32(at + 4);
    if (!Number.isSafeInteger(value)) throw new MalformedError('a 64-bit number is out of range');
    return value;
  }

  f64(): number {
    return this.#view.getFloat64(this.#take(8));
  }

  /** The next `count` bytes as a view. */
  bytes(count: number): Uint8Array {
    const at = this.#take(count);
    return this.#bytes.subarray(at, at + count);
  }

  latin1(count: number): string {
    return String.fromCharCode(...this.bytes(count));
  }

  skip(count: number): void {
    this.#take(count);
  }

  /** Everything that was not read yet, as a view. */
  rest(): Uint8Array {
    return this.bytes(this.remaining);
  }

  #take(count: number): number {
    if (count < 0 || count > this.remaining) {
      throw new MalformedError(`${count} bytes expected at ${this.#offset}, ${this.remaining} left`);
    }
    const at = this.#offset;
    this.#offset += count;
    return at;
  }
}

/** Reads single bits, most significant first, and Exp-Golomb codes (ITU-T H.264 §9.1). */
export class BitReader {
  readonly #bytes: Uint8Array;
  #bit = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  get bitsLeft(): number {
    return this.#bytes.length * 8 - this.#bit;
  }

  bit(): number {
    const byte = this.#bytes[this.#bit >>> 3];
    if (byte === undefined) throw new MalformedError('the bit stream ends early');
    const value = (byte >>> (7 - (this.#bit & 7))) & 1;
    this.#bit += 1;
    return value;
  }

  /** Up to 32 bits as an unsigned number. */
  bits(count: number): number {
    let value = 0;
    for (let i = 0; i < count; i += 1) value = value * 2 + this.bit();
    return value;
  }

  skip(count: number): void {
    if (count > this.bitsLeft) throw new MalformedError('the bit stream ends early');
    this.#bit += count;
  }

  /** An unsigned Exp-Golomb code. */
  ue(): number {
    let zeros = 0;
    while (this.bit() === 0) {
      zeros += 1;
      if (zeros > 31) throw new MalformedError('an Exp-Golomb code is too long');
    }
    return 2 ** zeros - 1 + this.bits(zeros);
  }

  /** A signed Exp-Golomb code. */
  se(): number {
    const code = this.ue();
    return code % 2 === 1 ? (code + 1) / 2 : -code / 2;
  }
}

/** Joins byte arrays into a new one. */
export function concatBytes(parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  let length = 0;
  for (const part of parts) length += part.length;
  const joined = new Uint8Array(length);
  let at = 0;
  for (const part of parts) {
    joined.set(part, at);
    at += part.length;
  }
  return joined;
}

/** True if both hold the same bytes. */
export function equalBytes(a: Uint8Array, b: Uint8Array): boolean {
  if (a === b) return true;
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i += 1) if (a[i] !== b[i]) return false;
  return true;
}
