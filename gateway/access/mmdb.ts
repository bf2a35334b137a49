// Reads the MaxMind DB format, version 2.0 (maxmind.github.io/MaxMind-DB): a binary tree over the bits of
// an address, whose leaves point to typed data. The file comes from outside, so every step is bounded.
import { isIP } from 'node:net';

const MARKER = Buffer.from('\xab\xcd\xefMaxMind.com', 'latin1');
/** The metadata is within the last 128 KiB. */
const METADATA_BYTES = 128 * 1024;
/** Zero bytes between the tree and the data. */
const SEPARATOR_BYTES = 16;
const MAX_DEPTH = 32;
/** Of one record. Pointers could make a small file unfold without end. */
const MAX_VALUES = 20_000;
const MAX_NODES = 0x0fff_ffff;

/** What a field holds. Maps have no prototype, so that no key of the file is anything but a key. */
export type Value = string | number | bigint | boolean | Buffer | readonly Value[] | ValueMap;
export interface ValueMap {
  readonly [key: string]: Value;
}

export class Mmdb {
  /** What the file says it is, such as `GeoLite2-Country`. */
  readonly type: string;
  readonly #tree: Buffer;
  readonly #data: Buffer;
  readonly #nodes: number;
  readonly #recordBits: number;
  readonly #isV6: boolean;

  /** Throws an Error if `bytes` is no such database. */
  constructor(bytes: Buffer) {
    const at = bytes.lastIndexOf(MARKER);
    if (at < 0 || bytes.length - at > METADATA_BYTES) throw new Error('it is no MaxMind DB file');
    const metadata = asMap(new Decoder(bytes.subarray(at + MARKER.length)).value(0));
    const nodes = asNumber(metadata.node_count);
    const bits = asNumber(metadata.record_size);
    const version = asNumber(metadata.ip_version);
    if (asNumber(metadata.binary_format_major_version) !== 2) throw new Error('its format is not version 2');
    if (![24, 28, 32].includes(bits) || nodes < 1 || nodes > MAX_NODES || ![4, 6].includes(version)) {
      throw new Error('its metadata is wrong');
    }
    const treeBytes = (nodes * bits) / 4;
    if (treeBytes + SEPARATOR_BYTES > at) throw new Error('its tree is cut off');
    this.type = typeof metadata.database_type === 'string' ? metadata.database_type : '';
    this.#tree = bytes.subarray(0, treeBytes);
    this.#data = bytes.subarray(treeBytes + SEPARATOR_BYTES, at);
    this.#nodes = nodes;
    this.#recordBits = bits;
    this.#isV6 = version === 6;
  }

  /** What is known of an address; undefined if nothing is. Throws an Error where the file is damaged. */
  get(ip: string): Value | undefined {
    const address = bytesOf(ip);
    if (address === undefined || (!this.#isV6 && address.length === 16)) return undefined;
    let node = 0;
    // v4 addresses are under ::/96 of a v6 tree.
    if (this.#isV6 && address.length === 4) {
      for (let bit = 0; bit < 96 && node < this.#nodes; bit += 1) node = this.#child(node, 0);
    }
    for (let bit = 0; bit < address.length * 8 && node < this.#nodes; bit += 1) {
      node = this.#child(node, ((address[bit >> 3] ?? 0) >> (7 - (bit & 7))) & 1);
    }
    if (node === this.#nodes) return undefined;
    if (node < this.#nodes) throw new Error('its tree does not end');
    return new Decoder(this.#data).value(node - this.#nodes - SEPARATOR_BYTES);
  }

  #child(node: number, side: number): number {
    const tree = this.#tree;
    const at = (node * this.#recordBits) / 4;
    if (this.#recordBits === 24) return tree.readUIntBE(at + side * 3, 3);
    if (this.#recordBits === 32) return tree.readUInt32BE(at + side * 4);
    // 28 bits: the middle byte holds the high four of both.
    const middle = tree.readUInt8(at + 3);
    return side === 0
      ? ((middle & 0xf0) << 20) | tree.readUIntBE(at, 3)
      : ((middle & 0x0f) << 24) | tree.readUIntBE(at + 4, 3);
  }
}

/** 4 or 16 bytes; undefined for what is no address. */
export function bytesOf(ip: string): Buffer | undefined {
  const family = isIP(ip);
  if (family === 4) return Buffer.from(ip.split('.').map(Number));
  if (family !== 6) return undefined;
  const bare = ip.split('%')[0] ?? '';
  const dotted = /^(.*:)(\d+\.\d+\.\d+\.\d+)$/.exec(bare);
  const tail = dotted === null ? '' : Buffer.from((dotted[2] ?? '').split('.').map(Number)).toString('hex');
  const written = dotted === null ? bare : `${dotted[1]}${tail.slice(0, 4)}:${tail.slice(4)}`;
  const [head = '', rest] = written.split('::');
  const groups = (text: string) => (text === '' ? [] : text.split(':'));
  const [before, after] = [groups(head), groups(rest ?? '')];
  const zeros = Array.from({ length: 8 - before.length - after.length }, () => '0');
  return Buffer.from([...before, ...zeros, ...after].map((group) => group.padStart(4, '0')).join(''), 'hex');
}

/** Types of the data section, in the format's own numbers. */
const POINTER = 1;

class Decoder {
  readonly #bytes: Buffer;
  #at = 0;
  #values = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  /** The value at `offset`. */
  value(offset: number): Value {
    this.#at = offset;
    return this.#next(0);
  }

  #next(depth: number): Value {
    this.#values += 1;
    if (depth > MAX_DEPTH || this.#values > MAX_VALUES) throw new Error('its data is nested too deep');
    const control = this.#byte();
    let type = control >> 5;
    if (type === POINTER) return this.#pointed(control, depth);
    if (type === 0) type = this.#byte() + 7;
    const size = this.#size(control & 31);
    switch (type) {
      case 2:
        return this.#take(size).toString('utf8');
      case 3:
        return this.#exactly(size, 8).readDoubleBE();
      case 4:
        return this.#take(size);
      case 5:
      case 6:
        return this.#unsigned(size, 4);
      case 7:
        return this.#map(size, depth);
      case 8:
        return this.#unsigned(size, 4) | 0;
      case 9:
      case 10:
        return this.#big(size);
      case 11:
        return this.#array(size, depth);
      case 14:
        return size !== 0;
      case 15:
        return this.#exactly(size, 4).readFloatBE();
      default:
        throw new Error(`its data has type ${type}`);
    }
  }

  #pointed(control: number, depth: number): Value {
    const length = (control >> 3) & 3;
    const high = length === 3 ? 0 : control & 7;
    const base = [0, 2_048, 526_336, 0][length] ?? 0;
    const target = high * 256 ** (length + 1) + this.#take(length + 1).readUIntBE(0, length + 1) + base;
    const back = this.#at;
    this.#at = target;
    const value = this.#next(depth + 1);
    this.#at = back;
    return value;
  }

  #map(size: number, depth: number): ValueMap {
    const map = Object.create(null) as Record<string, Value>;
    for (let index = 0; index < size; index += 1) {
      const key = this.#next(depth + 1);
      if (typeof key !== 'string') throw new Error('a key is no text');
      map[key] = this.#next(depth + 1);
    }
    return map;
  }

  #array(size: number, depth: number): Value[] {
    const list: Value[] = [];
    for (let index = 0; index < size; index += 1) list.push(this.#next(depth + 1));
    return list;
  }

  #size(low: number): number {
    if (low < 29) return low;
    const more = low - 28;
    return this.#take(more).readUIntBE(0, more) + ([29, 285, 65_821][more - 1] ?? 0);
  }

  #unsigned(size: number, most: number): number {
    if (size > most) throw new Error('a number is too long');
    return size === 0 ? 0 : this.#take(size).readUIntBE(0, size);
  }

  #big(size: number): bigint {
    if (size > 16) throw new Error('a number is too long');
    return BigInt(`0x0${this.#take(size).toString('hex')}`);
  }

  #exactly(size: number, expected: number): Buffer {
    if (size !== expected) throw new Error('a number has the wrong length');
    return this.#take(size);
  }

  #byte(): number {
    return this.#take(1).readUInt8();
  }

  #take(size: number): Buffer {
    const end = this.#at + size;
    if (this.#at < 0 || end > this.#bytes.length) throw new Error('its data is cut off');
    const taken = this.#bytes.subarray(this.#at, end);
    this.#at = end;
    return taken;
  }
}

function asNumber(value: Value | undefined): number {
  return typeof value === 'number' ? value : Number.NaN;
}

/** An empty map if `value` is none. */
export function asMap(value: Value | undefined): ValueMap {
  const isMap = typeof value === 'object' && !Array.isArray(value) && !Buffer.isBuffer(value);
  return isMap ? (value as ValueMap) : {};
}
