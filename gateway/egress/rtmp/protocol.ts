// The only file that knows node-media-server. Of it we take the RTMP protocol alone: handshake, chunks
// and commands. Its server, its global context and its sockets stay out: they start media before a
// verdict, write without limit and end the process when a port is taken.
import logger from 'node-media-server/src/core/logger.js';
import Rtmp from 'node-media-server/src/protocol/rtmp.js';
import type { FlvTagType } from '#shared/media/flv.ts';
import type { Wire } from '../programme/tag.ts';

// It would print what strangers send it, between the lines of our own log.
logger.log = () => undefined;

/** The commands of a player are a few hundred bytes. */
const MAX_MESSAGE_BYTES = 16 * 1024;
const MAX_CHUNK_STREAMS = 16;
const MAX_CHUNK_BYTES = 0xff_ffff;
const NUMBER = { audio: 8, video: 9, script: 18 } as const satisfies Record<FlvTagType, number>;
const STREAM_EOF = 1;

/** RTMP messages in chunks, the same bytes for every player. */
export const rtmpWire: Wire = {
  protocol: 'rtmp',
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

  /** Tells the player that it may play. */
  accept(): void {
    this.#protocol.acceptPlay();
  }

  /** Tells the client why not. `code` and `message` are of shared/contract/errors.ts. */
  refuse(action: RtmpAsk['action'], code: string, message: string): void {
    const status = action === 'play' ? 'NetStream.Play.Failed' : 'NetStream.Publish.BadName';
    const { streamId } = this.#protocol;
    this.#protocol.sendStatusMessage(streamId, 'error', status, `${code}: ${message}`);
  }

  /** Tells the player that the broadcast is over. */
  end(): void {
    const { streamId } = this.#protocol;
    this.#protocol.sendStreamStatus(STREAM_EOF, streamId);
    this.#protocol.sendStatusMessage(streamId, 'status', 'NetStream.Play.Stop', 'The broadcast has ended.');
  }
}

class Protocol extends Rtmp {
  readonly #events: RtmpEvents;

  constructor(events: RtmpEvents) {
    super();
    this.#events = events;
    this.onOutputCallback = (bytes) => events.output(bytes);
  }

  /** The package allocates what a header announces, up to 16 MB for each of 65,000 chunk streams. */
  override packetAlloc(): void {
    if (this.parserPacket.header.length > MAX_MESSAGE_BYTES) throw new Error('RTMP message too large');
    if (this.inPackets.size > MAX_CHUNK_STREAMS) throw new Error('too many RTMP chunk streams');
    super.packetAlloc();
  }

  override packetHandler(): void {
    super.packetHandler();
    if (this.inChunkSize < 1 || this.inChunkSize > MAX_CHUNK_BYTES) throw new Error('bad RTMP chunk size');
  }

  /** Players send no media. */
  override dataHandler(): void {
    return;
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

  #ask(action: RtmpAsk['action'], name: unknown): void {
    this.streamId = this.parserPacket.header.stream_id;
    const app = typeof this.streamApp === 'string' ? this.streamApp : '';
    this.streamName = typeof name === 'string' ? name.split('?', 1).join() : '';
    this.#events.ask({ action, app, name: typeof name === 'string' ? name : '' });
  }
}
