// AMF0, the encoding of RTMP commands and of FLV's metadata. Adobe, "Action Message Format -- AMF 0".
import { ByteReader, ByteWriter, MalformedError } from './bytes.ts';

export interface AmfObject {
  [key: string]: AmfValue;
}

/** What AMF0 can carry. A Map is written as an ECMA array, as metadata wants it; all maps read as objects. */
export type AmfValue =
  | number
  | boolean
  | string
  | null
  | undefined
  | Date
  | AmfObject
  | AmfValue[]
  | ReadonlyMap<string, AmfValue>;

export interface AmfLimits {
  /** Objects and arrays within each other. */
  readonly depth: number;
  /** Values of any kind in one message. */
  readonly values: number;
}

/** Far above what RTMP and FLV use, far below what hurts. */
const DEFAULT_LIMITS: AmfLimits = { depth: 16, values: 4096 };

/** §2.1: type markers. */
const MARKER = {
  number: 0,
  boolean: 1,
  string: 2,
  object: 3,
  null: 5,
  undefined: 6,
  ecmaArray: 8,
  objectEnd: 9,
  strictArray: 10,
  date: 11,
  longString: 12,
  xml: 15,
  typedObject: 16,
} as const;

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** Writes values one after another. Keys and strings are UTF-8. Throws RangeError if nested too deep. */
export function encodeAmf0(...values: AmfValue[]): Uint8Array<ArrayBuffer> {
  const writer = new ByteWriter();
  for (const value of values) writeValue(writer, value, 0);
  return writer.finish();
}

/**
 * Reads all values of a message. Objects come without a prototype, so no key of theirs can reach one.
 * Throws MalformedError, also for what exceeds the limits and for types that only Flash had.
 */
export function decodeAmf0(bytes: Uint8Array, limits: AmfLimits = DEFAULT_LIMITS): AmfValue[] {
  const reader = new Amf0Reader(bytes, limits);
  const values: AmfValue[] = [];
  while (reader.remaining > 0) values.push(reader.value(0));
  return values;
}

/**
 * Reads the values with which a message begins, up to the first that makes no sense: what follows those that a
 * command needs is often of a type that only its sender knows. Never throws.
 */
export function decodeAmf0Leading(bytes: Uint8Array, limits: AmfLimits = DEFAULT_LIMITS): AmfValue[] {
  const reader = new Amf0Reader(bytes, limits);
  const values: AmfValue[] = [];
  try {
    while (reader.remaining > 0) values.push(reader.value(0));
  } catch (error) {
    if (!(error instanceof MalformedError)) throw error;
  }
  return values;
}

/** True for what decodes from an AMF object or ECMA array. */
export function isAmfObject(value: AmfValue): value is AmfObject {
  return (
    typeof value === 'object' &&
    value !== null &&
    !Array.isArray(value) &&
    !(value instanceof Date) &&
    !(value instanceof Map)
  );
}

/** `instanceof` alone would make it a Map of anything. */
function isMap(value: object): value is ReadonlyMap<string, AmfValue> {
  return value instanceof Map;
}

function writeValue(writer: ByteWriter, value: AmfValue, depth: number): void {
  if (depth > DEFAULT_LIMITS.depth) throw new RangeError('AMF0 value nested too deep');
  if (typeof value === 'number') writer.u8(MARKER.number).f64(value);
  else if (typeof value === 'boolean') writer.u8(MARKER.boolean).u8(value ? 1 : 0);
  else if (typeof value === 'string') writeString(writer, value);
  else if (value === null) writer.u8(MARKER.null);
  else if (value === undefined) writer.u8(MARKER.undefined);
  else if (value instanceof Date) writer.u8(MARKER.date).f64(value.getTime()).u16(0);
  else if (Array.isArray(value)) {
    writer.u8(MARKER.strictArray).u32(value.length);
    for (const item of value) writeValue(writer, item, depth + 1);
  } else if (isMap(value)) {
    writer.u8(MARKER.ecmaArray).u32(value.size);
    writeProperties(writer, [...value], depth);
  } else {
    writer.u8(MARKER.object);
    writeProperties(writer, Object.entries(value), depth);
  }
}

function writeProperties(writer: ByteWriter, entries: [string, AmfValue][], depth: number): void {
  for (const [key, value] of entries) {
    const name = encoder.encode(key);
    if (name.length > 0xffff) throw new RangeError('AMF0 key too long');
    writer.u16(name.length).bytes(name);
    writeValue(writer, value, depth + 1);
  }
  writer.u16(0).u8(MARKER.objectEnd);
}

function writeString(writer: ByteWriter, text: string): void {
  const bytes = encoder.encode(text);
  if (bytes.length > 0xffff) writer.u8(MARKER.longString).u32(bytes.length);
  else writer.u8(MARKER.string).u16(bytes.length);
  writer.bytes(bytes);
}

class Amf0Reader {
  readonly #reader: ByteReader;
  readonly #limits: AmfLimits;
  #values = 0;

  constructor(bytes: Uint8Array, limits: AmfLimits) {
    this.#reader = new ByteReader(bytes);
    this.#limits = limits;
  }

  get remaining(): number {
    return this.#reader.remaining;
  }

  value(depth: number): AmfValue {
    this.#values += 1;
    if (depth > this.#limits.depth) throw new MalformedError('AMF0 value nested too deep');
    if (this.#values > this.#limits.values) throw new MalformedError('too many AMF0 values');
    const reader = this.#reader;
    const marker = reader.u8();
    switch (marker) {
      case MARKER.number:
        return reader.f64();
      case MARKER.boolean:
        return reader.u8() !== 0;
      case MARKER.string:
        return this.#text(reader.u16());
      case MARKER.longString:
      case MARKER.xml:
        return this.#text(reader.u32());
      case MARKER.object:
        return this.#properties(depth);
      case MARKER.typedObject:
        this.#text(reader.u16());
        return this.#properties(depth);
      case MARKER.ecmaArray:
        reader.skip(4); // The count is only a hint (§2.10).
        return this.#properties(depth);
      case MARKER.strictArray:
        return this.#items(reader.u32(), depth);
      case MARKER.null:
        return null;
      case MARKER.undefined:
        return undefined;
      case MARKER.date: {
        const date = new Date(reader.f64());
        reader.skip(2); // The time zone is reserved and to be ignored (§2.13).
        return date;
      }
      default:
        throw new MalformedError(`AMF0 type ${marker} is not supported`);
    }
  }

  #text(length: number): string {
    return decoder.decode(this.#reader.bytes(length));
  }

  #items(count: number, depth: number): AmfValue[] {
    // Every item takes a byte at least, so a count beyond what is left is a lie.
    if (count > this.remaining) throw new MalformedError('AMF0 array longer than its message');
    const items: AmfValue[] = [];
    for (let i = 0; i < count; i += 1) items.push(this.value(depth + 1));
    return items;
  }

  #properties(depth: number): AmfObject {
    const object = Object.create(null) as AmfObject;
    for (;;) {
      // Some encoders of ECMA arrays leave the end marker out at the end of a message.
      if (this.remaining === 0) return object;
      const key = this.#text(this.#reader.u16());
      if (key === '') {
        if (this.#reader.u8() !== MARKER.objectEnd) throw new MalformedError('AMF0 object without its end');
        return object;
      }
      object[key] = this.value(depth + 1);
    }
  }
}
