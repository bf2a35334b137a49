// The only file that knows node-media-server. Of it we take the RTMP protocol alone: handshake, chunks
// and commands, of players and of publishers. Its server, its global context and its sockets stay out: they start media before a
// verdict, write without limit and end the process when a port is taken.
import logger from 'node-media-server/src/core/logger.js';
import Rtmp from 'node-media-server/src/protocol/rtmp.js';
import type { FlvTagType } from '#shared/media/flv.ts';
import type { Wire } from '../programme/tag.ts';

// It would print what strangers send it, between the lines of our own log.
logger.log = () => undefined;

/** Commands are a few hundred bytes. */
const MAX_MESSAGE_BYTES = 16 * 1024;
/** A publisher's: a 4K key frame is below this. */
const MAX_MEDIA_BYTES = 8 * 1024 * 1024;
/** What all messages of a connection that are under way may take together. */
const MAX_UNDER_WAY_BYTES = 16 * 1024 * 1024;
const MAX_CHUNK_STREAMS = 16;
const MAX_CHUNK_BYTES = 0xff_ffff;
const NUMBER = { audio: 8, video: 9, script: 18 } as const satisfies Record<FlvTagType, number>;
const TYPE: ReadonlyMap<number, FlvTagType> = new Map([
  [NUMBER.audio, 'audio'],
  [NUMBER.video, 'video'],
  [NUMBER.script, 'script'],
]);
/** Control messages are read without a look at their length. */
const SPARE_BYTES = 1_024;
const ABORT = 2;
/** Several messages of media in one (RTMP 1.0 §7.1.6), each with the header and the trailing size of an FLV tag. */
const AGGREGATE = 22;
const TAG_HEADER_BYTES = 11;
const TRAILER_BYTES = 4;
const STREAM_EOF = 1;
/** Where the client does not say after how many bytes it wants to be told that they came. */
const ACK_BYTES = 2_500_000;

/** RTMP messages in chunks, the same bytes for every player. */
export const rtmpWire: Wire = {
  protocol: 'rtmp',
  sound: 'aac',
  preamble: () => new Uint8Array(),
  message: (type, timestampMs, body) =>
    Rtmp.createMessage({
      codec_type: NUMBER[type],
      size: body.length,
      dts: timestampMs,
      data: Buffer.from(body.buffer, body.byteOffset, body.length),
    }),
};

/** What a client asks for. `name` and `app` are as sent, with what follows a `?`. */
export interface RtmpAsk {
  readonly action: 'play' | 'publish';
  readonly app: string;
  readonly name: string;
}

export interface RtmpEvents {
  output(bytes: Buffer): void;
  ask(ask: RtmpAsk): void;
  /** What an accepted publisher sends. `body` is a view, valid until this returns; the time wraps at 32 bits. */
  media(type: FlvTagType, timestampMs: number, body: Uint8Array): void;
  /** The client has finished with its stream. */
  left(): void;
}

/** The server's side of one connection. */
export class RtmpConnection {
  readonly #protocol: Protocol;

  constructor(events: RtmpEvents) {
    this.#protocol = new Protocol(events);
  }

  /** Takes what the client sent. Throws if it is malformed or too large; then close the socket. */
  push(bytes: Buffer): void {
    this.#protocol.parserData(bytes);
  }

  /** Tells the client that it may play, or publish: from now on its media is taken. */
  accept(action: RtmpAsk['action']): void {
    if (action === 'play') this.#protocol.acceptPlay();
    else this.#protocol.acceptPublish();
  }

  /** Tells a publisher something that is no error; most show it in their log. */
  notice(text: string): void {
    const { streamId } = this.#protocol;
    this.#protocol.sendStatusMessage(streamId, 'warning', 'NetStream.Publish.Notice', ascii(text));
  }

  /** Tells the client why not. `code` and `message` are of shared/contract/errors.ts. */
  refuse(action: RtmpAsk['action'], code: string, message: string): void {
    const status = action === 'play' ? 'NetStream.Play.Failed' : 'NetStream.Publish.BadName';
    const { streamId } = this.#protocol;
    this.#protocol.sendStatusMessage(streamId, 'error', status, ascii(`${code}: ${message}`));
  }

  /** Tells the player that the broadcast is over. */
  end(): void {
    const { streamId } = this.#protocol;
    this.#protocol.sendStreamStatus(STREAM_EOF, streamId);
    this.#protocol.sendStatusMessage(streamId, 'status', 'NetStream.Play.Stop', 'The broadcast has ended.');
  }
}

/** The package counts characters where it has to count bytes. */
const ascii = (text: string): string => text.replace(/[’‘]/g, "'").replace(/[^\x20-\x7e]/g, '?');

class Protocol extends Rtmp {
  readonly #events: RtmpEvents;
  #isPublishing = false;
  #received = 0;
  #acknowledged = 0;

  constructor(events: RtmpEvents) {
    super();
    this.#events = events;
    this.onOutputCallback = (bytes) => events.output(bytes);
  }

  /** The package allocates what a header announces, up to 16 MB for each of 65,000 chunk streams. */
  override packetAlloc(): void {
    const { header } = this.parserPacket;
    const isMedia = this.#isPublishing && (TYPE.has(header.type) || header.type === AGGREGATE);
    if (header.length > (isMedia ? MAX_MEDIA_BYTES : MAX_MESSAGE_BYTES))
      throw new Error('RTMP message too large');
    if (this.inPackets.size > MAX_CHUNK_STREAMS) throw new Error('too many RTMP chunk streams');
    // The package stops taking messages when its clock passes 32 bits, after 50 days.
    this.parserPacket.clock %= 2 ** 32;
    if (this.parserPacket.capacity < header.length) {
      // All of it is written before any is read; to clear it first is what an announced 8 MB would cost.
      this.parserPacket.payload = Buffer.allocUnsafeSlow(header.length + SPARE_BYTES);
      this.parserPacket.capacity = header.length + SPARE_BYTES;
    }
    let underWay = 0;
    for (const { capacity } of this.inPackets.values()) underWay += capacity;
    if (underWay > MAX_UNDER_WAY_BYTES) throw new Error('too much under way on an RTMP connection');
  }

  /** The package would go on with the message before, in a buffer made for another length. */
  override packetParse(): void {
    super.packetParse();
    const { header, bytes } = this.parserPacket;
    if (bytes > 0 && header.fmt < 2) throw new Error('an RTMP message within another');
  }

  /** Takes bytes, and tells the client now and then that they came, as some wait for. */
  override parserData(bytes: Buffer): string | null {
    this.#received += bytes.length;
    const result = super.parserData(bytes);
    const windowBytes = Math.max(1_024, this.ackSize ?? ACK_BYTES);
    if (this.#isPublishing && this.#received - this.#acknowledged >= windowBytes / 2) {
      this.#acknowledged = this.#received;
      this.sendACK(this.#received % 2 ** 32);
    }
    return result;
  }

  override packetHandler(): void {
    if (this.parserPacket.header.type === ABORT) this.#abort();
    if (this.parserPacket.header.type === AGGREGATE && this.#isPublishing) this.#takeApart();
    super.packetHandler();
    if (this.inChunkSize < 1 || this.inChunkSize > MAX_CHUNK_BYTES) throw new Error('bad RTMP chunk size');
  }

  /** No media is looked at before the verdict; players send none. */
  override dataHandler(): void {
    const { header, clock, payload } = this.parserPacket;
    const type = TYPE.get(header.type);
    if (!this.#isPublishing || type === undefined) return;
    this.#events.media(type, clock, payload.subarray(0, header.length));
  }

  /** The package would say "playing" here and ask afterwards. */
  override onPlay(invocation: { streamName?: unknown }): void {
    this.#ask('play', invocation.streamName);
  }

  override onPublish(invocation: { streamName?: unknown }): void {
    this.#ask('publish', invocation.streamName);
  }

  override onDeleteStream(): void {
    this.#events.left();
  }

  acceptPlay(): void {
    super.respondPlay();
  }

  acceptPublish(): void {
    this.#isPublishing = true;
    super.respondPublish();
  }

  /** Hands on what an aggregate holds. Its first message has its time; the others keep their distance to that. */
  #takeApart(): void {
    const { header, clock, payload } = this.parserPacket;
    let firstMs: number | undefined;
    for (let at = 0; at < header.length;) {
      const bodyAt = at + TAG_HEADER_BYTES;
      const end = bodyAt + (bodyAt <= header.length ? payload.readUIntBE(at + 1, 3) : 0);
      if (bodyAt > header.length || end > header.length)
        throw new Error('an RTMP aggregate that is cut short');
      const timeMs = payload.readUIntBE(at + 4, 3) + payload.readUInt8(at + 7) * 2 ** 24;
      firstMs ??= timeMs;
      const type = TYPE.get(payload.readUInt8(at));
      const ms = (clock + timeMs - firstMs + 2 ** 32) % 2 ** 32;
      if (type !== undefined) this.#events.media(type, ms, payload.subarray(bodyAt, end));
      at = end + TRAILER_BYTES;
    }
  }

  /** The rest of a message will not come (§5.4.2). The package knows nothing of it. */
  #abort(): void {
    if (this.parserPacket.header.length < 4) return;
    const packet = this.inPackets.get(this.parserPacket.payload.readUInt32BE(0));
    if (packet !== undefined && packet !== this.parserPacket) packet.bytes = 0;
  }

  #ask(action: RtmpAsk['action'], name: unknown): void {
    this.streamId = this.parserPacket.header.stream_id;
    const app = typeof this.streamApp === 'string' ? this.streamApp : '';
    this.streamName = typeof name === 'string' ? name.split('?', 1).join() : '';
    this.#events.ask({ action, app, name: typeof name === 'string' ? name : '' });
  }
}
