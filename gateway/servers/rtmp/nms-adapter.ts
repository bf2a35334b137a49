// The only file that knows node-media-server (4.4.3, Apache-2.0). Of its class `Rtmp` we take what it does
// well: the handshake, with and without digests; the writing of messages in chunks; the control messages.
// The rest is replaced, because of what strangers can do with it and of what encoders and players miss.
// Where the version changes, look whether that is still so (`#` is an issue of illuspas/Node-Media-Server):
//
// chunkRead, packetParse, chunkMessageHeaderRead, packetAlloc → chunks.ts
//   - Once a header is there, so is memory for its message, up to 16 MB, for any number of chunk streams.
//   - The three-byte form of a chunk stream's number is misread: 320 as 16,640 (RTMP 1.0 §5.3.1.1).
//   - A chunk size of 0 is taken; no message is read after that.
//   - Media is dropped for good once its time wraps, after 49.7 days.
// packetHandler, controlHandler, eventHandler → protocol.ts
//   - Abort, ping and aggregate messages are passed over.
//   - Nothing is ever acknowledged, whatever window the client sets; some encoders wait for it.
// invokeHandler, onConnect, onPublish, onPlay, onDeleteStream, dataHandler → protocol.ts
//   - Publishers and players are told that it began before anybody decided, and never why not (#667).
//   - A stream without a name, or with `false` for one, throws (#67), as does `connect` without an address.
//   - The client's `objectEncoding: 3` (AMF3) is confirmed, and AMF0 is spoken all the same.
//   - closeStream, FCPublish, pause, receiveAudio and others are not answered.
// sendInvokeMessage, sendStatusMessage, sendDataMessage, respond…, all of amf.js → shared/media/amf0.ts
//   - What is cut off or unknown throws (#65, #88). Nothing catches it: it ends the process.
//   - The length of a text is counted in characters instead of bytes: Chinese is cut off.
//   - A command that its table lacks (`onFCUnpublish`) goes out without arguments.
// NodeRtmpServer, RtmpSession, BroadcastServer, Context → rtmp-server.ts, gateway/flv
//   - A port that is taken ends the process.
//   - What a viewer does not read is kept for it without limit.
//   - All servers of a process share one global context.
import Rtmp from 'node-media-server/src/protocol/rtmp.js';

/** Of the bandwidth that is allowed (§5.4.5): as the one before, if that was a hard limit. */
const DYNAMIC_LIMIT = 2;

export interface LinkEvents {
  /** To be sent to the client. */
  output(bytes: Buffer): void;
  /** What came behind the handshake: a view. */
  chunks(bytes: Buffer): void;
}

export interface OwnMessage {
  readonly type: number;
  readonly chunkStream: number;
  readonly streamId: number;
  readonly body: Uint8Array;
}

/** The server's end of one connection, below its messages. */
export class RtmpLink {
  readonly #rtmp = new Rtmp();

  constructor({ output, chunks }: LinkEvents) {
    this.#rtmp.onOutputCallback = output;
    this.#rtmp.chunkRead = (bytes, from, count) => {
      chunks(bytes.subarray(from, from + count));
      return null;
    };
  }

  /** Takes what the client sent. Throws what `chunks` throws. */
  readBytes(bytes: Buffer): void {
    this.#rtmp.parserData(bytes);
  }

  /** Tells the client how many bytes have come; the count wraps. */
  acknowledge(bytes: number): void {
    this.#rtmp.sendACK(bytes % 2 ** 32);
  }

  /** Says how much may be on its way in either direction, in bytes, and how large our chunks are. */
  announce(windowBytes: number): void {
    this.#rtmp.sendWindowACK(windowBytes);
    this.#rtmp.setPeerBandwidth(windowBytes, DYNAMIC_LIMIT);
    this.#rtmp.setChunkSize(this.#rtmp.outChunkSize);
  }

  /** A user control message about a message stream (§7.1.7). */
  streamEvent(event: number, streamId: number): void {
    this.#rtmp.sendStreamStatus(event, streamId);
  }

  send({ type, chunkStream, streamId, body }: OwnMessage): void {
    const header = { fmt: 0, cid: chunkStream, timestamp: 0, length: body.length, type, stream_id: streamId };
    this.#rtmp.onOutputCallback(Rtmp.chunksCreate({ header, payload: bufferOf(body) }));
  }
}

/** Media in chunks, the same bytes for every player. `type` is that of an FLV tag, which is RTMP's as well. */
export function mediaMessage(type: number, timestampMs: number, body: Uint8Array): Buffer {
  return Rtmp.createMessage({
    codec_type: type,
    size: body.length,
    dts: timestampMs,
    data: bufferOf(body),
  });
}

const bufferOf = ({ buffer, byteOffset, length }: Uint8Array) => Buffer.from(buffer, byteOffset, length);
