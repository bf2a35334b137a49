// RTMP for players, `rtmp://host/live/<channel>?expires=&sign=`, and for publishers,
// `rtmp://host/live/<channel>?key=`.
import { createServer, type Server, type Socket } from 'node:net';
import { ERRORS, LecternError, type ErrorCode } from '#shared/contract/errors.ts';
import { ChannelId } from '#shared/contract/ids.ts';
import { MalformedError } from '#shared/media/bytes.ts';
import type { Log } from '#server/log.ts';
import { plainIp } from '#server/forwarded.ts';
import { isErrno } from '#server/secrets.ts';
import type { Held, OpenConnections } from '../../access/revalidation.ts';
import type { Egress } from '../../outputs/outputs.ts';
import { writeAll } from '../flv/readers.ts';
import type { EgressMetrics } from '../../outputs/metrics.ts';
import type { Reader } from '../../flv/fanout.ts';
import type { FlvProgramme } from '../../flv/programme.ts';
import type { Wire } from '../../flv/tag.ts';
import type { RtmpPublisher, RtmpPublishing } from './publisher.ts';
import {
  rtmpVideoWire,
  rtmpAudioWire,
  rtmpWire,
  RtmpConnection,
  type PlayerRequest,
  type RtmpAsk,
} from './protocol.ts';

/** From the connection to the command that plays or publishes. */
const ASK_WITHIN_MS = 10_000;
/** What a client may send until its verdict; the handshake is 3 kB of it. */
const MAX_BYTES_BEFORE = 64 * 1024;
/** What a player may send in a minute: acknowledgements, pings. */
const MAX_BYTES_PER_MINUTE = 64 * 1024;
/** What a publisher may send in a second; beyond that it is not read. 200 Mbit/s. */
const MAX_PUBLISHED_PER_SECOND = 25 * 1024 * 1024;
/** How long a client that is let go in order may take for what is still to be sent. */
const LAST_WORDS_MS = 3_000;
/** The same of one that may not go on: what it publishes has ended by then. */
const REVOKED_MS = 500;
/** A client that asks for more and more, and reads none of the answers, is cut off. */
const MAX_UNREAD_BYTES = 8 * 1024 * 1024;
/** Before the handshake is over a client cannot be told anything. */
const HANDSHAKE_BYTES = 3_073;
/** Some programs name an instance of the app. */
const APP = /^\/?live(?:\/_definst_)?\/?$/;

export interface RtmpOptions {
  readonly egress: Egress;
  readonly metrics: EgressMetrics;
  /** Decides on players and publishers, and asks again while they are there. */
  readonly open: OpenConnections;
  /** Lets publishers in; without it there are none. */
  readonly publish?: RtmpPublishing;
  readonly log: Log;
}

export class RtmpServer {
  readonly #options: RtmpOptions;
  readonly #server: Server;
  readonly #sessions = new Set<RtmpSession>();

  constructor(options: RtmpOptions) {
    this.#options = options;
    this.#server = createServer(
      { noDelay: true, keepAlive: true, keepAliveInitialDelay: 30_000 },
      (socket) => {
        const session = new RtmpSession(socket, options, () => this.#sessions.delete(session));
        this.#sessions.add(session);
      },
    );
  }

  /** Listens and resolves with the port in use. Rejects with an Error that a person can act upon. */
  listen(port: number, host: string): Promise<number> {
    return new Promise((resolve, reject) => {
      this.#server.once('error', (error) => {
        const taken = isErrno(error, 'EADDRINUSE');
        const advice = `Port ${port} for RTMP is taken: set LECTERN_RTMP_PORT to a free one.`;
        reject(taken ? new Error(advice, { cause: error }) : error);
      });
      this.#server.listen(port, host, () => {
        this.#server.removeAllListeners('error');
        this.#server.on('error', (error) => this.#options.log.error({ err: error }, 'RTMP server failed'));
        const address = this.#server.address();
        resolve(typeof address === 'object' && address !== null ? address.port : port);
      });
    });
  }

  close(): Promise<void> {
    return new Promise((resolve) => {
      this.#server.close(() => resolve());
      for (const session of this.#sessions) session.destroy();
    });
  }
}

/** `asking` while the client wants nothing yet, `deciding` until the verdict, then one of two. */
type SessionState = 'asking' | 'deciding' | 'playing' | 'publishing' | 'closing';

/** What a player gets. */
interface Playing {
  readonly programme: FlvProgramme;
  readonly reader: Reader;
  readonly wants: { audio: boolean; video: boolean };
  isPaused: boolean;
}

class RtmpSession {
  readonly #socket: Socket;
  readonly #options: RtmpOptions;
  readonly #connection: RtmpConnection;
  readonly #startMs = performance.now();
  #state: SessionState = 'asking';
  /** Counts what was asked for: a verdict on what the client has left meanwhile is of no use. */
  #turn = 0;
  #timer: NodeJS.Timeout | undefined;
  /** What the client sent lately. */
  #window = { sinceMs: 0, bytes: 0 };
  #received = 0;
  #leave: () => void = () => undefined;
  #publisher: RtmpPublisher | undefined;
  #playing: Playing | undefined;
  #pause: NodeJS.Timeout | undefined;

  constructor(socket: Socket, options: RtmpOptions, onClose: () => void) {
    this.#socket = socket;
    this.#options = options;
    this.#connection = new RtmpConnection({
      output: (bytes) => {
        socket.write(bytes);
        if (socket.writableLength > MAX_UNREAD_BYTES) socket.destroy();
      },
      ask: (ask) => void this.#ask(ask),
      media: (type, timestampMs, body) => this.#publisher?.media(type, timestampMs, body),
      request: (request) => this.#request(request),
      left: () => {
        this.#rest('finished');
        this.#await();
      },
    });
    this.#await();
    socket.on('data', (bytes) => this.#take(Buffer.from(bytes)));
    socket.on('error', () => socket.destroy());
    socket.on('close', () => {
      this.#state = 'closing';
      clearTimeout(this.#timer);
      clearTimeout(this.#pause);
      this.#rest('lost');
      onClose();
    });
  }

  destroy(): void {
    this.#socket.destroy();
  }

  /** Waits for the client to say what it wants. */
  #await(): void {
    if (this.#isClosing()) return;
    this.#state = 'asking';
    this.#window = { sinceMs: performance.now(), bytes: 0 };
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#dismiss('bad-request', 'Nothing was asked for.'), ASK_WITHIN_MS);
  }

  /** Ends what the client plays or publishes. */
  #rest(how: 'finished' | 'lost'): void {
    this.#turn += 1;
    this.#playing = undefined;
    this.#leave();
    this.#leave = () => undefined;
    const publisher = this.#publisher;
    this.#publisher = undefined;
    publisher?.end(how);
  }

  #take(bytes: Buffer): void {
    if (this.#state === 'closing') return;
    this.#received += bytes.length;
    if (this.#isTooMuch(bytes.length)) {
      this.#dismiss('rate-limited', 'Too much was sent.');
      return;
    }
    try {
      this.#connection.readBytes(bytes);
    } catch (error) {
      // Malformed data on the port is worth a debug line only; it costs this socket alone.
      this.#options.log.debug({ err: error }, 'RTMP client dropped');
      const isMalformed = error instanceof MalformedError;
      this.#dismiss('bad-request', isMalformed ? error.message : ERRORS['bad-request'].message);
    }
  }

  /** Counts what came. A publisher that sends too much is read more slowly, all others are cut off. */
  #isTooMuch(bytes: number): boolean {
    const nowMs = performance.now();
    const span = this.#state === 'playing' ? 60_000 : this.#state === 'publishing' ? 1_000 : Infinity;
    if (nowMs - this.#window.sinceMs > span) this.#window = { sinceMs: nowMs, bytes: 0 };
    this.#window.bytes += bytes;
    if (this.#state === 'publishing') {
      const restMs = this.#window.sinceMs + span - nowMs;
      if (this.#window.bytes > MAX_PUBLISHED_PER_SECOND) this.#pauseFor(restMs);
      return false;
    }
    return this.#window.bytes > (this.#state === 'playing' ? MAX_BYTES_PER_MINUTE : MAX_BYTES_BEFORE);
  }

  #pauseFor(durationMs: number): void {
    if (this.#pause !== undefined || this.#isClosing()) return;
    this.#socket.pause();
    this.#pause = setTimeout(() => {
      this.#pause = undefined;
      this.#socket.resume();
    }, durationMs);
  }

  async #ask({ action, app, name, query }: RtmpAsk): Promise<void> {
    if (this.#isClosing()) return;
    this.#state = 'deciding';
    clearTimeout(this.#timer);
    const turn = (this.#turn += 1);
    try {
      if (!APP.test(app)) throw new LecternError('not-found');
      // Some programs put a slash before it, or say what kind of file it would be.
      const channel = name.replace(/^(?:\/|mp4:|flv:)+/, '');
      if (action === 'publish') await this.#publish(turn, channel, query);
      else await this.#play(turn, channel, query);
    } catch (error) {
      if (!this.#isCurrent(turn)) return;
      if (!(error instanceof LecternError)) this.#options.log.error({ err: error }, 'RTMP request failed');
      const { code, message } = LecternError.from(error);
      this.#options.metrics.refused(code);
      this.#refuse(action, code, message);
    }
  }

  #refuse(action: RtmpAsk['action'], code: ErrorCode, message: string, withinMs?: number): void {
    if (this.#isClosing()) return;
    this.#connection.refuse(action, code, message);
    this.#rest('lost');
    this.#end(withinMs);
  }

  /** Ends the connection and says why, whatever it was for. */
  #dismiss(code: ErrorCode, message: string): void {
    if (this.#isClosing()) return;
    if (this.#received < HANDSHAKE_BYTES) {
      this.#socket.destroy();
      return;
    }
    this.#connection.dismiss(code, message);
    this.#rest('lost');
    this.#end();
  }

  async #publish(turn: number, channel: string, query: string): Promise<void> {
    const { publish } = this.#options;
    if (publish === undefined) throw new LecternError('forbidden', 'Publishing is not open here.');
    if (!ChannelId.safeParse(channel).success) throw new LecternError('unknown-channel');
    const held = this.#hold('publish', channel, query);
    const verdict = await held.verdict;
    if (!this.#isCurrent(turn)) {
      held.leave();
      return;
    }
    if (!verdict.allow) throw new LecternError(verdict.code);
    const publisher = await publish(channel, new URLSearchParams(query).get('key') ?? '', {
      notice: (text) => {
        if (!this.#isClosing()) this.#connection.notice(text);
      },
      refuse: (error) => this.#refuse('publish', error.code, error.message),
      pauseFor: (durationMs) => this.#pauseFor(durationMs),
    });
    if (!this.#isCurrent(turn)) {
      held.leave();
      publisher.end('lost');
      return;
    }
    this.#publisher = publisher;
    this.#state = 'publishing';
    this.#connection.accept('publish');
  }

  /** Asks for the verdict, and again for as long as the client is here, which is told why it may not go on. */
  #hold(action: RtmpAsk['action'], channel: string, query: string): Held {
    const held = this.#options.open.hold(
      {
        action,
        resource: `/live/${channel}`,
        query: new URLSearchParams(query),
        ip: plainIp(this.#socket.remoteAddress ?? ''),
        referer: undefined,
        nowMs: Date.now(),
      },
      (code) => this.#refuse(action, code, ERRORS[code].message, REVOKED_MS),
    );
    this.#leave = () => held.leave();
    return held;
  }

  async #play(turn: number, channel: string, query: string): Promise<void> {
    if (!ChannelId.safeParse(channel).success) throw new LecternError('not-found');
    const held = this.#hold('play', channel, query);
    const verdict = await held.verdict;
    if (!this.#isCurrent(turn)) {
      held.leave();
      return;
    }
    if (!verdict.allow) throw new LecternError(verdict.code);
    const programme = this.#options.egress.programme(channel);
    if (programme === undefined) throw new LecternError('not-live');
    this.#state = 'playing';
    this.#window = { sinceMs: performance.now(), bytes: 0 };
    this.#connection.accept('play');
    const reader = this.#reader(channel);
    this.#playing = { programme, reader, wants: { audio: true, video: true }, isPaused: false };
    this.#leave = () => {
      held.leave();
      programme.leave(reader);
    };
    programme.join(rtmpWire, reader);
  }

  /** Lets the player wait, or have one kind of media alone. It goes on where the class is then. */
  #request(request: PlayerRequest): void {
    const playing = this.#playing;
    if (playing === undefined) return;
    const { programme, reader, wants } = playing;
    const before = wireOf(playing);
    if (request.type === 'pause') playing.isPaused = request.on;
    else wants[request.kind] = request.on;
    const wire = wireOf(playing);
    if (wire === before) return;
    programme.leave(reader);
    if (wire !== undefined) programme.join(wire, reader);
  }

  #reader(channel: string): Reader {
    let isFirst = true;
    return {
      write: (...pieces) => {
        writeAll(this.#socket, pieces);
        if (isFirst)
          this.#options.metrics.firstFrame('rtmp', (performance.now() - this.#startMs) / 1_000, channel);
        isFirst = false;
      },
      backlog: () => this.#socket.writableLength,
      close: (how) => {
        if (how === 'at-once') {
          this.#socket.destroy();
        } else if (!this.#isClosing()) {
          this.#connection.end();
          this.#end();
        }
      },
    };
  }

  /** Closes in order: what is written is still sent. */
  #end(withinMs = LAST_WORDS_MS): void {
    if (this.#state === 'closing') return;
    this.#state = 'closing';
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#socket.destroy(), withinMs);
    this.#leave();
    this.#leave = () => undefined;
    this.#socket.end();
  }

  /** Asked after an await: the client may have left, or want something else, meanwhile. */
  #isCurrent(turn: number): boolean {
    return turn === this.#turn && !this.#isClosing();
  }

  #isClosing(): boolean {
    return this.#state === 'closing' || this.#socket.destroyed;
  }
}

/** What the player is to get; undefined while it wants nothing. */
function wireOf({ wants, isPaused }: Playing): Wire | undefined {
  if (isPaused || (!wants.audio && !wants.video)) return undefined;
  if (wants.audio && wants.video) return rtmpWire;
  return wants.audio ? rtmpAudioWire : rtmpVideoWire;
}
