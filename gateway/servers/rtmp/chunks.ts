// RTMP messages out of chunks (Adobe, "Real-Time Messaging Protocol" 1.0, §5.3.1), whatever the sizes in
// which they arrive. Memory is bounded: by what one message, and all that are under way, may take.
import { MalformedError } from '#shared/media/bytes.ts';

/** A message's length has 24 bits, so that no chunk is larger than this, whatever was announced (§5.4.1). */
const LARGEST_CHUNK_BYTES = 0xff_ffff;
const FIRST_CHUNK_BYTES = 128;
/** A timestamp of this stands in the four bytes behind the header (§5.3.1.3). */
const EXTENDED = 0xff_ffff;
/** Of the message header, by the format of the chunk (§5.3.1.2). */
const HEADER_BYTES = [11, 7, 3, 0] as const;
/** Any of 65,597 numbers may be used, but not that many at once. */
const MAX_CHUNK_STREAMS = 256;

/** One message. */
export interface RtmpMessage {
  readonly type: number;
  readonly streamId: number;
  /** In ms; wraps at 32 bits. */
  readonly timestampMs: number;
  /** A view, valid until the handler returns. */
  readonly body: Buffer;
}

export interface ChunkReaderOptions {
  /** How large a message of this type may be, in bytes. */
  readonly limitOf: (type: number) => number;
  /** What messages that are under way may take together, in bytes. */
  readonly mostBytes: () => number;
  readonly onMessage: (message: RtmpMessage) => void;
}

/** What is known of one chunk stream: later headers leave out what stays the same. */
interface ChunkStream {
  length: number;
  type: number;
  streamId: number;
  /** As the latest header had it: a time, or the distance to the one before. */
  field: number;
  isExtended: boolean;
  /** Its further chunks lack the four bytes. */
  isOmitted: boolean;
  timestampMs: number;
  /** Where the message is put together; kept for the next one. */
  buffer: Buffer;
  /** Of the message under way, what has come; undefined between messages. */
  bytes: number | undefined;
}

export class ChunkReader {
  readonly #options: ChunkReaderOptions;
  readonly #streams = new Map<number, ChunkStream>();
  #chunkBytes = FIRST_CHUNK_BYTES;
  /** The beginning of a header of which the rest has not come yet. */
  #pending: Buffer = Buffer.alloc(0);
  /** The chunk that is being read, and what of it is to come. */
  #current: ChunkStream | undefined;
  #restBytes = 0;

  constructor(options: ChunkReaderOptions) {
    this.#options = options;
  }

  /** The other side's chunks have up to this many bytes from now on. Throws MalformedError for what is none. */
  setChunkBytes(bytes: number): void {
    if (bytes < 1 || bytes > 0x7fff_ffff) throw new MalformedError(`a chunk size of ${bytes}`);
    this.#chunkBytes = Math.min(bytes, LARGEST_CHUNK_BYTES);
  }

  /** The rest of the message on that chunk stream will not come (§5.4.2). */
  abort(chunkStream: number): void {
    const stream = this.#streams.get(chunkStream);
    if (stream !== undefined) stream.bytes = undefined;
  }

  /** Takes the next bytes. Throws MalformedError; the reader is of no use after that. */
  readBytes(bytes: Buffer): void {
    const data = this.#pending.length === 0 ? bytes : Buffer.concat([this.#pending, bytes]);
    let at = 0;
    while (at < data.length || (this.#current !== undefined && this.#restBytes === 0)) {
      if (this.#current === undefined) {
        const headerBytes = this.#header(data, at);
        if (headerBytes === undefined) break;
        at += headerBytes;
      } else {
        at += this.#payload(this.#current, data, at);
      }
    }
    // A copy: what it is a view of may be large.
    this.#pending = at < data.length ? Buffer.from(data.subarray(at)) : Buffer.alloc(0);
  }

  /** Reads the header at `at`; returns its size, or undefined if it is not all there. */
  #header(data: Buffer, at: number): number | undefined {
    const available = data.length - at;
    const first = data.readUInt8(at);
    const short = first & 0x3f;
    const basicBytes = short === 0 ? 2 : short === 1 ? 3 : 1;
    const format = first >> 6;
    const messageBytes = HEADER_BYTES[format] ?? 0;
    const headBytes = basicBytes + messageBytes;
    if (available < headBytes) return undefined;
    // §5.3.1.1: the third byte counts 256 each.
    let id = short;
    if (short === 0) id = 64 + data.readUInt8(at + 1);
    else if (short === 1) id = 64 + data.readUInt16LE(at + 1);
    const known = this.#streams.get(id);
    const message = at + basicBytes;
    const isExtended =
      format < 3
        ? data.readUIntBE(message, 3) === EXTENDED
        : known !== undefined && known.isExtended && !known.isOmitted;
    if (isExtended && available < headBytes + 4) return undefined;
    const stream = known ?? this.#open(id, format);
    const isNew = stream.bytes === undefined;
    if (!isNew && format < 2) throw new MalformedError('an RTMP message within another');
    const extended = isExtended ? data.readUInt32BE(at + headBytes) : undefined;
    if (format < 3) {
      stream.isExtended = isExtended;
      stream.isOmitted = false;
      stream.field = extended ?? data.readUIntBE(message, 3);
      if (format < 2) {
        stream.length = data.readUIntBE(message + 3, 3);
        stream.type = data.readUInt8(message + 6);
      }
      if (format === 0) stream.streamId = data.readUInt32LE(message + 7);
    }
    const hasExtended = extended !== undefined && (format < 3 || isRepeated(stream, extended));
    if (isNew) this.#begin(stream, format === 0);
    this.#current = stream;
    this.#restBytes = Math.min(this.#chunkBytes, stream.length - (stream.bytes ?? 0));
    return headBytes + (hasExtended ? 4 : 0);
  }

  #open(id: number, format: number): ChunkStream {
    if (format === 3 || this.#streams.size >= MAX_CHUNK_STREAMS) {
      throw new MalformedError(format === 3 ? 'an RTMP chunk of nothing' : 'too many RTMP chunk streams');
    }
    const stream: ChunkStream = {
      length: 0,
      type: 0,
      streamId: 0,
      field: 0,
      isExtended: false,
      isOmitted: false,
      timestampMs: 0,
      buffer: Buffer.alloc(0),
      bytes: undefined,
    };
    this.#streams.set(id, stream);
    return stream;
  }

  #begin(stream: ChunkStream, isAbsolute: boolean): void {
    stream.timestampMs = (isAbsolute ? stream.field : stream.timestampMs + stream.field) % 2 ** 32;
    stream.bytes = 0;
    if (stream.length > this.#options.limitOf(stream.type))
      throw new MalformedError('RTMP message too large');
  }

  /** Takes what there is of the chunk; returns how many bytes that was. */
  #payload(stream: ChunkStream, data: Buffer, at: number): number {
    const taken = Math.min(this.#restBytes, data.length - at);
    const had = stream.bytes ?? 0;
    const { length, type, streamId, timestampMs } = stream;
    // What came in one piece needs no copy.
    const isWhole = taken === length;
    if (!isWhole) {
      if (stream.buffer.length < length) this.#allocate(stream);
      data.copy(stream.buffer, had, at, at + taken);
    }
    stream.bytes = had + taken;
    this.#restBytes -= taken;
    if (this.#restBytes > 0) return taken;
    this.#current = undefined;
    if (stream.bytes < length) return taken;
    stream.bytes = undefined;
    const body = isWhole ? data.subarray(at, at + taken) : stream.buffer.subarray(0, length);
    this.#options.onMessage({ type, streamId, timestampMs, body });
    return taken;
  }

  #allocate(stream: ChunkStream): void {
    const others = [...this.#streams.values()].filter((other) => other !== stream);
    let underWay = stream.length;
    for (const { buffer } of others) underWay += buffer.length;
    const mostBytes = this.#options.mostBytes();
    if (underWay > mostBytes) {
      for (const other of others) {
        if (other.bytes !== undefined) continue;
        underWay -= other.buffer.length;
        other.buffer = Buffer.alloc(0);
      }
    }
    if (underWay > mostBytes) throw new MalformedError('too much under way on an RTMP connection');
    // All of it is written before any is read; to clear it first is what an announced 8 MB would cost.
    const grown = Buffer.allocUnsafeSlow(stream.length);
    stream.buffer.copy(grown, 0, 0, stream.bytes ?? 0);
    stream.buffer = grown;
  }
}

/**
 * True if a chunk without a header of its own repeats the time, `extended`, as it should (§5.3.1.3). Some leave
 * it out: then what stands there is the message.
 */
function isRepeated(stream: ChunkStream, extended: number): boolean {
  if (extended === stream.field || extended === stream.timestampMs) return true;
  if (stream.bytes !== undefined) {
    stream.isOmitted = true;
    return false;
  }
  stream.field = extended;
  return true;
}
