// What client and server say to each other over RTMP (Adobe, "Real-Time Messaging Protocol" 1.0), from the
// handshake to the end.
import { decodeAmf0Leading, encodeAmf0, isAmfObject, type AmfValue } from '#shared/media/amf0.ts';
import { MalformedError } from '#shared/media/bytes.ts';
import type { FlvTagType } from '#shared/media/flv.ts';
import type { Wire } from '../../flv/tag.ts';
import { ChunkReader, type RtmpMessage } from './chunks.ts';
import { mediaMessage, RtmpLink } from './nms-adapter.ts';

/** Commands are a few hundred bytes. */
const MAX_MESSAGE_BYTES = 16 * 1024;
/** A publisher's: a 4K key frame is below this. */
const MAX_MEDIA_BYTES = 8 * 1024 * 1024;
/** What all messages of a connection that are under way may take together: of a publisher, and of all others. */
const MAX_UNDER_WAY_BYTES = { publishing: 16 * 1024 * 1024, asking: 4 * MAX_MESSAGE_BYTES };
const NUMBER = { audio: 8, video: 9, script: 18 } as const satisfies Record<FlvTagType, number>;
const MEDIA: ReadonlyMap<number, FlvTagType> = new Map([
  [NUMBER.audio, 'audio'],
  [NUMBER.video, 'video'],
  [NUMBER.script, 'script'],
]);
/** Message types (RTMP 1.0 §5.4, §6.2 and §7.1). Those of AMF3 begin with a byte that says AMF0 follows. */
const TYPE = {
  chunkSize: 1,
  abort: 2,
  userControl: 4,
  windowSize: 5,
  data3: 15,
  command3: 17,
  command: 20,
  /** Several messages of media in one, each with the header and the trailing size of an FLV tag. */
  aggregate: 22,
} as const;
/** User control events (§7.1.7). */
const EVENT = { streamBegin: 0, streamEnd: 1, pingRequest: 6, pingResponse: 7 } as const;
const CONTROL_CHUNK_STREAM = 2;
const COMMAND_CHUNK_STREAM = 3;
const TAG_HEADER_BYTES = 11;
const TRAILER_BYTES = 4;
/** What we say of acknowledgements and bandwidth, in bytes. */
const WINDOW_BYTES = 5_000_000;
/** Where the client does not say after how many bytes it wants to be told that they came. */
const ACK_BYTES = 2_500_000;

const messageOf =
  (kinds: ReadonlySet<FlvTagType>): Wire['message'] =>
  (type, timestampMs, body) =>
    kinds.has(type) ? mediaMessage(NUMBER[type], timestampMs, body) : NO_BYTES;
const NO_BYTES = Buffer.alloc(0);

/** RTMP messages in chunks, the same bytes for every player. */
export const rtmpWire: Wire = {
  protocol: 'rtmp',
  audioCodec: 'aac',
  preamble: () => NO_BYTES,
  message: messageOf(new Set(['audio', 'video', 'script'])),
};
/** For players that want no sound, or no picture (§7.2.2.4, §7.2.2.5). */
export const rtmpVideoWire: Wire = { ...rtmpWire, message: messageOf(new Set(['video', 'script'])) };
export const rtmpAudioWire: Wire = { ...rtmpWire, message: messageOf(new Set(['audio', 'script'])) };
export const rtmpWires: readonly Wire[] = [rtmpWire, rtmpVideoWire, rtmpAudioWire];

/** What a client asks for. `app` and `name` are as sent, without what follows a `?`, which is in `query`. */
export interface RtmpAsk {
  readonly action: 'play' | 'publish';
  readonly app: string;
  readonly name: string;
  readonly query: string;
}

/** What a player wants of the stream that it plays. */
export type PlayerRequest =
  | { readonly type: 'pause'; readonly on: boolean }
  | { readonly type: 'receive'; readonly kind: 'audio' | 'video'; readonly on: boolean };

export interface RtmpEvents {
  output(bytes: Buffer): void;
  ask(ask: RtmpAsk): void;
  /** What an accepted publisher sends. `body` is a view, valid until this returns; the time wraps at 32 bits. */
  media(type: FlvTagType, timestampMs: number, body: Uint8Array): void;
  request(request: PlayerRequest): void;
  /** The client has finished with its stream; it may ask for another. */
  left(): void;
}

/** The server's side of one connection. */
export class RtmpConnection {
  readonly #events: RtmpEvents;
  readonly #link: RtmpLink;
  readonly #chunks = new ChunkReader({
    limitOf: (type) => (this.#takes(type) ? MAX_MEDIA_BYTES : MAX_MESSAGE_BYTES),
    mostBytes: () => MAX_UNDER_WAY_BYTES[this.#state === 'publishing' ? 'publishing' : 'asking'],
    onMessage: (message) => this.#message(message),
  });
  #state: 'idle' | 'asked' | 'playing' | 'publishing' = 'idle';
  #received = 0;
  #acknowledged = 0;
  #windowBytes = ACK_BYTES;
  #app = '';
  /** What followed a `?` in the app, or in the address of the server. */
  #query = '';
  #name = '';
  /** The message stream that plays or publishes. */
  #streamId = 0;
  #streams = 0;

  constructor(events: RtmpEvents) {
    this.#events = events;
    this.#link = new RtmpLink({
      output: (bytes) => events.output(bytes),
      chunks: (bytes) => this.#chunks.readBytes(bytes),
    });
  }

  /** Takes what the client sent. Throws MalformedError if it makes no sense; then refuse it, and close. */
  readBytes(bytes: Buffer): void {
    this.#received += bytes.length;
    this.#link.readBytes(bytes);
    // Some publishers wait to be told now and then that it came.
    if (this.#state !== 'publishing' || this.#received - this.#acknowledged < this.#windowBytes / 2) return;
    this.#acknowledged = this.#received;
    this.#link.acknowledge(this.#received);
  }

  /** Tells the client that it may play, or publish: from now on its media is taken. */
  accept(action: RtmpAsk['action']): void {
    if (action === 'publish') {
      this.#state = 'publishing';
      this.#status('status', 'NetStream.Publish.Start', `/${this.#app}/${this.#name} is published now.`);
      return;
    }
    this.#state = 'playing';
    this.#link.streamEvent(EVENT.streamBegin, this.#streamId);
    this.#status('status', 'NetStream.Play.Reset', 'Playing and resetting the stream.');
    this.#status('status', 'NetStream.Play.Start', 'The stream begins.');
    this.#send(NUMBER.script, this.#streamId, encodeAmf0('|RtmpSampleAccess', false, false));
  }

  /** Tells a publisher something that is no error; most show it in their log. */
  notice(text: string): void {
    this.#status('warning', 'NetStream.Publish.Notice', text);
  }

  /** Tells the client why not. `code` and `message` are of shared/contract/errors.ts. */
  refuse(action: RtmpAsk['action'], code: string, message: string): void {
    const status = action === 'play' ? 'NetStream.Play.Failed' : 'NetStream.Publish.BadName';
    this.#status('error', status, `${code}: ${message}`);
  }

  /** Tells the client why the connection ends, whatever it was doing. */
  dismiss(code: string, message: string): void {
    this.#status('error', 'NetConnection.Connect.Closed', `${code}: ${message}`, 0);
  }

  /** Tells the player that the broadcast is over. */
  end(): void {
    this.#state = 'idle';
    this.#link.streamEvent(EVENT.streamEnd, this.#streamId);
    this.#status('status', 'NetStream.Play.Stop', 'The broadcast has ended.');
  }

  #status(
    level: 'status' | 'warning' | 'error',
    code: string,
    description: string,
    at = this.#streamId,
  ): void {
    this.#command(at, 'onStatus', 0, null, { level, code, description });
  }

  /** True for what may be as large as a picture. */
  #takes(type: number): boolean {
    return this.#state === 'publishing' && (MEDIA.has(type) || type === TYPE.aggregate);
  }

  #message(message: RtmpMessage): void {
    const { type, body, timestampMs } = message;
    const media = type === TYPE.data3 ? 'script' : MEDIA.get(type);
    // No media is looked at before the verdict; players send none.
    if (media !== undefined) {
      const data = type === TYPE.data3 ? body.subarray(1) : body;
      if (this.#state === 'publishing') this.#events.media(media, timestampMs, data);
    } else if (type === TYPE.aggregate) {
      if (this.#state === 'publishing') this.#takeApart(message);
    } else if (type === TYPE.command || type === TYPE.command3) {
      this.#invoke(message.streamId, type === TYPE.command3 ? body.subarray(1) : body);
    } else {
      this.#control(type, body);
    }
  }

  #control(type: number, body: Buffer): void {
    const number = () => {
      if (body.length < 4) throw new MalformedError('an RTMP control message that is cut short');
      return body.readUInt32BE(0);
    };
    if (type === TYPE.chunkSize) this.#chunks.setChunkBytes(number());
    else if (type === TYPE.abort) this.#chunks.abort(number());
    else if (type === TYPE.windowSize) this.#windowBytes = Math.max(1_024, number());
    else if (type === TYPE.userControl && body.length >= 6 && body.readUInt16BE(0) === EVENT.pingRequest) {
      const answer = Buffer.from(body.subarray(0, 6));
      answer.writeUInt16BE(EVENT.pingResponse, 0);
      this.#send(TYPE.userControl, 0, answer, CONTROL_CHUNK_STREAM);
    }
  }

  #invoke(streamId: number, body: Uint8Array): void {
    const [command, id, first, value] = decodeAmf0Leading(body);
    const transaction = typeof id === 'number' ? id : 0;
    switch (command) {
      case 'connect':
        return this.#connect(transaction, first);
      case 'createStream':
        this.#streams += 1;
        return this.#command(0, '_result', transaction, null, this.#streams);
      case 'publish':
      case 'play':
        return this.#ask(command, streamId, value);
      case 'deleteStream':
        return this.#leave(typeof value === 'number' ? value : this.#streamId);
      case 'closeStream':
        return this.#leave(streamId);
      case 'releaseStream':
      case 'getStreamLength':
        return this.#command(0, '_result', transaction, null, command === 'releaseStream' ? undefined : 0);
      case 'FCPublish':
      case 'FCUnpublish':
        return this.#announce(command, transaction, value);
      case 'pause':
      case 'pauseRaw':
        return this.#request({ type: 'pause', on: value === true });
      case 'receiveAudio':
      case 'receiveVideo':
        return this.#request({
          type: 'receive',
          kind: command === 'receiveAudio' ? 'audio' : 'video',
          on: value === true,
        });
      case 'seek':
        return this.#status(
          'error',
          'NetStream.Seek.Failed',
          'This is live: there is nowhere to go.',
          streamId,
        );
      case '_result':
      case '_error':
      case 'onStatus':
        return;
      default:
        if (transaction > 0) this.#command(streamId, '_error', transaction, null, UNKNOWN_COMMAND);
    }
  }

  #connect(transaction: number, properties: AmfValue): void {
    const said = isAmfObject(properties) ? properties : {};
    const [app, query] = split(text(said.app));
    const address = /^\w+:\/\/[^/]*\/?([^?]*)\??(.*)$/s.exec(text(said.tcUrl));
    this.#app = app || (address?.[1]?.split('/', 1)[0] ?? '');
    this.#query = query || (address?.[2] ?? '');
    this.#link.announce(WINDOW_BYTES);
    const server = { fmsVer: 'FMS/3,0,1,123', capabilities: 31 };
    const info = { level: 'status', code: 'NetConnection.Connect.Success', description: 'Connected.' };
    // Whatever the client would like: it is AMF0 that is spoken here.
    this.#command(0, '_result', transaction, server, { ...info, objectEncoding: 0 });
  }

  #ask(action: RtmpAsk['action'], streamId: number, given: AmfValue): void {
    if (this.#state === 'publishing' || this.#state === 'asked') {
      const code = action === 'play' ? 'NetStream.Play.Failed' : 'NetStream.Publish.BadName';
      const why = 'conflict: One stream at a time on a connection; close the other one first.';
      this.#status('error', code, why, streamId);
      return;
    }
    if (this.#state === 'playing') this.#leave(this.#streamId);
    this.#state = 'asked';
    this.#streamId = streamId;
    const [name, query] = split(text(given));
    this.#name = name;
    this.#events.ask({ action, app: this.#app, name, query: query || this.#query });
  }

  #leave(streamId: number): void {
    if (this.#state === 'idle' || streamId !== this.#streamId) return;
    if (this.#state === 'publishing') {
      this.#status('status', 'NetStream.Unpublish.Success', `${this.#name} is published no longer.`);
    }
    this.#state = 'idle';
    this.#events.left();
  }

  /** What encoders of Adobe's kind wait for before they publish, and after. */
  #announce(command: 'FCPublish' | 'FCUnpublish', transaction: number, name: AmfValue): void {
    if (transaction > 0) this.#command(0, '_result', transaction, null, undefined);
    const code = command === 'FCPublish' ? 'NetStream.Publish.Start' : 'NetStream.Unpublish.Success';
    this.#command(0, `on${command}`, 0, null, {
      level: 'status',
      code,
      description: split(text(name))[0],
    });
  }

  #request(request: PlayerRequest): void {
    if (this.#state !== 'playing') return;
    this.#events.request(request);
    if (request.type === 'pause') {
      const code = request.on ? 'NetStream.Pause.Notify' : 'NetStream.Unpause.Notify';
      this.#status(
        'status',
        code,
        request.on ? 'The stream waits.' : 'The stream goes on where the class is now.',
      );
    } else if (request.on) {
      this.#status('status', 'NetStream.Seek.Notify', 'The stream goes on where the class is now.');
      this.#status('status', 'NetStream.Play.Start', 'The stream begins.');
    }
  }

  /** Hands on what an aggregate holds. Its first message has its time; the others keep their distance to that. */
  #takeApart({ timestampMs, body }: RtmpMessage): void {
    let firstMs: number | undefined;
    for (let at = 0; at < body.length;) {
      const bodyAt = at + TAG_HEADER_BYTES;
      const end = bodyAt + (bodyAt <= body.length ? body.readUIntBE(at + 1, 3) : 0);
      if (bodyAt > body.length || end > body.length)
        throw new MalformedError('an RTMP aggregate that is cut short');
      const timeMs = body.readUIntBE(at + 4, 3) + body.readUInt8(at + 7) * 2 ** 24;
      firstMs ??= timeMs;
      const type = MEDIA.get(body.readUInt8(at));
      const ms = (timestampMs + timeMs - firstMs + 2 ** 32) % 2 ** 32;
      if (type !== undefined) this.#events.media(type, ms, body.subarray(bodyAt, end));
      at = end + TRAILER_BYTES;
    }
  }

  #command(streamId: number, name: string, transaction: number, ...values: AmfValue[]): void {
    this.#send(TYPE.command, streamId, encodeAmf0(name, transaction, ...values));
  }

  #send(type: number, streamId: number, body: Uint8Array, chunkStream = COMMAND_CHUNK_STREAM): void {
    this.#link.send({ type, chunkStream, streamId, body });
  }
}

const UNKNOWN_COMMAND = {
  level: 'error',
  code: 'NetConnection.Call.Failed',
  description: 'This command is not known here.',
};

const text = (value: AmfValue): string => (typeof value === 'string' ? value : '');

/** What stands before a `?`, and what behind it. */
function split(given: string): [string, string] {
  const at = given.indexOf('?');
  return at < 0 ? [given, ''] : [given.slice(0, at), given.slice(at + 1)];
}
