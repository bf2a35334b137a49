// A small RTMP publisher that can be as rude as a test needs. What it says goes out in chunks of one size;
// of what comes back it understands `onStatus` and the answers to its commands.
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { decodeAmf0, encodeAmf0, isAmfObject, type AmfObject, type AmfValue } from '#shared/media/amf0.ts';

const CHUNK_BYTES = 60_000;
const HANDSHAKE_BYTES = 1_536;
const TYPE = { audio: 8, video: 9, script: 18, command: 20 } as const;

export interface Status {
  readonly level: string;
  readonly code: string;
  readonly description: string;
}

export class RtmpPublisherClient {
  readonly socket: Socket;
  readonly statuses: Status[] = [];
  /** All commands that came. */
  readonly commands: AmfValue[][] = [];
  /** User control events that came. */
  readonly events: Buffer[] = [];
  /** How many messages of media came. */
  readonly media = { audio: 0, video: 0 };
  /** Acknowledgements that came, in bytes. */
  readonly acknowledged: number[] = [];
  #received: Buffer = Buffer.alloc(0);
  #isShaken = false;
  #inChunkBytes = 128;
  #under: { type: number; length: number; body: Buffer[]; bytes: number } | undefined;
  #results = 0;

  private constructor(socket: Socket) {
    this.socket = socket;
    socket.on('data', (bytes) => this.#read(Buffer.from(bytes)));
    socket.on('error', () => undefined);
  }

  /** Connects up to the answer to `createStream`. `properties` are what `connect` says instead of the usual. */
  static async open(port: number, app = 'live', properties?: AmfObject): Promise<RtmpPublisherClient> {
    const socket = connect(port, '127.0.0.1');
    await once(socket, 'connect');
    const client = new RtmpPublisherClient(socket);
    socket.write(Buffer.concat([Buffer.from([3]), Buffer.alloc(HANDSHAKE_BYTES)]));
    await client.until('the handshake', () => client.#received.length >= 1 + 2 * HANDSHAKE_BYTES);
    client.#received = client.#received.subarray(1 + 2 * HANDSHAKE_BYTES);
    client.#isShaken = true;
    socket.write(Buffer.alloc(HANDSHAKE_BYTES));
    const size = Buffer.alloc(4);
    size.writeUInt32BE(CHUNK_BYTES);
    client.raw(1, 0, size, 2);
    const usual = { app, type: 'nonprivate', tcUrl: `rtmp://127.0.0.1:${port}/${app}` };
    client.command('connect', 1, properties ?? usual);
    client.command('createStream', 2, null);
    await client.until('the answers', () => client.#results >= 2);
    return client;
  }

  /** Asks to publish and resolves with the answer; null if the connection was closed instead. */
  async publish(streamKey: string): Promise<Status | null> {
    this.command('publish', 3, null, streamKey, 'live');
    await this.until('the verdict', () => this.statuses.length > 0 || this.socket.destroyed);
    return this.statuses[0] ?? null;
  }

  command(name: string, id: number, ...values: AmfValue[]): void {
    this.raw(TYPE.command, 0, encodeAmf0(name, id, ...values), 3, name === 'publish' ? 1 : 0);
  }

  send(type: 'audio' | 'video' | 'script', timestampMs: number, body: Uint8Array): void {
    this.raw(TYPE[type], timestampMs, body, type === 'audio' ? 4 : 5, 1);
  }

  /** One message in chunks. */
  raw(type: number, timestampMs: number, body: Uint8Array, chunkStream: number, streamId = 0): void {
    const isLong = timestampMs >= 0xff_ffff;
    const head = Buffer.alloc(12);
    head[0] = chunkStream;
    head.writeUIntBE(isLong ? 0xff_ffff : timestampMs, 1, 3);
    head.writeUIntBE(body.length, 4, 3);
    head[7] = type;
    head.writeUInt32LE(streamId, 8);
    const extended = Buffer.alloc(isLong ? 4 : 0);
    if (isLong) extended.writeUInt32BE(timestampMs);
    const parts: Uint8Array[] = [head, extended];
    for (let at = 0; at < body.length; at += CHUNK_BYTES) {
      if (at > 0) parts.push(Buffer.from([0xc0 | chunkStream]), extended);
      parts.push(body.subarray(at, at + CHUNK_BYTES));
    }
    this.socket.write(Buffer.concat(parts));
  }

  /** Says goodbye as encoders do. */
  finish(): void {
    this.command('deleteStream', 4, null, 1);
    this.socket.end();
  }

  /** Resolves when the server has closed the connection. */
  async closed(limitMs = 30_000): Promise<void> {
    await this.until('the end of the connection', () => this.socket.destroyed, limitMs);
  }

  /** Resolves when `test` is true; rejects after `limitMs`. */
  async until(what: string, test: () => boolean, limitMs = 10_000): Promise<void> {
    const end = performance.now() + limitMs;
    while (!test()) {
      if (performance.now() > end) throw new Error(`${what}: not within ${limitMs} ms`);
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  }

  #read(bytes: Buffer): void {
    this.#received = Buffer.concat([this.#received, bytes]);
    if (!this.#isShaken) return;
    while (this.#chunk());
  }

  /** The server begins each message with a full header, and interleaves nothing. */
  #chunk(): boolean {
    const data = this.#received;
    if (data.length === 0) return false;
    let at = 1;
    if ((data.readUInt8(0) & 0xc0) === 0) {
      if (data.length < 12) return false;
      this.#under = { type: data.readUInt8(7), length: data.readUIntBE(4, 3), body: [], bytes: 0 };
      at = 12;
    }
    const under = this.#under;
    if (under === undefined) throw new Error('a chunk without its message');
    const size = Math.min(this.#inChunkBytes, under.length - under.bytes);
    if (data.length < at + size) return false;
    under.body.push(data.subarray(at, at + size));
    under.bytes += size;
    this.#received = data.subarray(at + size);
    if (under.bytes === under.length) this.#message(under.type, Buffer.concat(under.body));
    return true;
  }

  #message(type: number, body: Buffer): void {
    if (type === 1) this.#inChunkBytes = body.readUInt32BE(0);
    if (type === 4) this.events.push(body);
    if (type === TYPE.audio) this.media.audio += 1;
    if (type === TYPE.video) this.media.video += 1;
    if (type === 3) this.acknowledged.push(body.readUInt32BE(0));
    if (type !== TYPE.command) return;
    const command = decodeAmf0(body);
    const [name, , , info] = command;
    this.commands.push(command);
    if (name === '_result') this.#results += 1;
    if (name !== 'onStatus' || !isAmfObject(info)) return;
    const text = (value: AmfValue) => (typeof value === 'string' ? value : '');
    this.statuses.push({
      level: text(info.level),
      code: text(info.code),
      description: text(info.description),
    });
  }
}
