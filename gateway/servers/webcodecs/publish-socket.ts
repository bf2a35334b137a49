// WebCodecs publishers: a browser encodes by itself and sends timed frames over one WebSocket,
// `/publish/<channel>?key=&name=`. A browser cannot read why an upgrade was refused, so every connection
// is taken, and told over it.
import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import type { RawData, WebSocket } from 'ws';
import { LecternError } from '#shared/contract/errors.ts';
import { publishCloseCode, PublisherName, type PublishReply } from '#shared/contract/publish-replies.ts';
import { readAacConfig } from '#shared/media/aac.ts';
import { parseAvcRecord } from '#shared/media/avc.ts';
import { MalformedError } from '#shared/media/bytes.ts';
import type { AudioConfig, AvcConfig } from '#shared/media/frame.ts';
import { parseOpusHead } from '#shared/media/opus.ts';
import { decodePublishFrame, MAX_RECORD_BYTES } from '#shared/media/publish-frames.ts';
import type { Log } from '#server/log.ts';
import { GuardedSockets } from '#server/web-sockets.ts';
import type { Publication, PublicationAsk, PublicationEvents } from '../../ingest/publication/types.ts';
import type { PublishAdmission, Admit } from './admission.ts';

/** A publisher that sends nothing for this long has vanished. */
const SILENT_MS = 15_000;
const LOOK_EVERY_MS = 1_000;
/** A publisher that sends faster than life is read only so far ahead of it. */
const AHEAD_MS = 2_000;
/** After so many records that are none the connection is of no use. */
const MAX_MALFORMED = 20;
/** Replies are few and small; one who does not read them gets no more. */
const MAX_UNREAD_BYTES = 64 * 1024;
/** A client that does not answer the closing handshake is cut off. */
const CLOSING_MS = 2_000;

export interface WebCodecsOptions {
  readonly publications: {
    open(ask: PublicationAsk, events: PublicationEvents): Promise<Publication>;
  };
  readonly admit: Admit;
  readonly onMalformed: () => void;
  readonly log: Log;
}

/** Owns the connections of all publishers from browsers. */
export class WebCodecsServer {
  readonly #options: WebCodecsOptions;
  readonly #publishers = new Set<SocketPublisher>();
  readonly #sockets = new GuardedSockets({
    noServer: true,
    perMessageDeflate: false,
    maxPayload: MAX_RECORD_BYTES,
  });

  constructor(options: WebCodecsOptions) {
    this.#options = options;
  }

  upgrade(
    request: IncomingMessage,
    socket: Duplex,
    head: Buffer,
    channel: string,
    query: URLSearchParams,
  ): void {
    this.#sockets.handleUpgrade(request, socket, head, (client) => {
      const publisher = new SocketPublisher(client, this.#options, () => this.#publishers.delete(publisher));
      this.#publishers.add(publisher);
      void publisher.enter(request, channel, query);
    });
  }

  /** Ends the connections; anyone who published finds the channel again after a restart. Idempotent. */
  close(): void {
    for (const publisher of this.#publishers) publisher.refuse(new LecternError('service-unavailable'));
    for (const client of this.#sockets.clients) client.terminate();
    this.#sockets.close();
  }
}

class SocketPublisher {
  readonly #client: WebSocket;
  readonly #options: WebCodecsOptions;
  readonly #onOver: () => void;
  readonly #timer: NodeJS.Timeout;
  #state: 'entering' | 'open' | 'over' = 'entering';
  #admission: PublishAdmission | undefined;
  #publication: Publication | undefined;
  #videoConfig: AvcConfig | undefined;
  #audioConfig: AudioConfig | undefined;
  #malformed = 0;
  #mediaAtMs = performance.now();
  #pause: NodeJS.Timeout | undefined;

  constructor(client: WebSocket, options: WebCodecsOptions, onOver: () => void) {
    this.#client = client;
    this.#options = options;
    this.#onOver = onOver;
    this.#timer = setInterval(() => this.#look(), LOOK_EVERY_MS);
    client.on('message', (data, isBinary) => this.#message(data, isBinary));
    client.on('close', () => this.#end('lost'));
    // `ws` closes the connection itself, with the code that belongs to the error.
    client.on('error', () => this.#end('lost'));
  }

  /** Asks whether it may publish, and takes the channel. */
  async enter(request: IncomingMessage, channel: string, query: URLSearchParams): Promise<void> {
    try {
      const admission = await this.#options.admit(channel, query, request, (code) => {
        this.refuse(new LecternError(code));
      });
      if (this.#isOver()) {
        admission.leave();
        return;
      }
      this.#admission = admission;
      const { lesson, title } = admission;
      const given = PublisherName.safeParse(query.get('name') ?? '');
      const name = given.success ? given.data : 'Encoder';
      const publication = await this.#options.publications.open(
        { channel, lesson, kind: 'webcodecs', name, title },
        {
          keyframeWanted: () => this.#say({ type: 'keyframe-wanted' }),
          refused: (error) => this.refuse(error),
          notice: (notice) => this.#say({ type: 'notice', notice }),
        },
      );
      // It left, or was sent away, while the room was asked.
      if (this.#isOver()) {
        publication.end('lost');
        return;
      }
      this.#publication = publication;
      this.#state = 'open';
      this.#mediaAtMs = performance.now();
      this.#say({ type: 'accepted' });
    } catch (error) {
      if (!(error instanceof LecternError)) this.#options.log.error({ err: error }, 'publishing failed');
      this.refuse(LecternError.from(error));
    }
  }

  /** Says why it is over, and closes. */
  refuse(error: LecternError): void {
    if (this.#isOver()) return;
    this.#say({ type: 'refused', code: error.code, message: error.message.slice(0, 1_000) });
    this.#end('finished');
    this.#close(publishCloseCode(error), error.code);
  }

  #isOver(): boolean {
    return this.#state === 'over';
  }

  #message(data: RawData, isBinary: boolean): void {
    if (this.#isOver()) return;
    if (this.#state === 'entering' || !isBinary || !Buffer.isBuffer(data)) {
      this.refuse(new LecternError('bad-request', 'Send binary records, and only after the answer.'));
      return;
    }
    try {
      this.#record(data);
    } catch (error) {
      if (!(error instanceof MalformedError)) {
        this.#options.log.error({ err: error }, 'a published record failed');
        this.refuse(new LecternError('internal-error'));
        return;
      }
      this.#options.onMalformed();
      this.#malformed += 1;
      if (this.#malformed >= MAX_MALFORMED) this.refuse(new LecternError('bad-request', error.message));
    }
  }

  #record(data: Buffer): void {
    const publication = this.#publication;
    const record = decodePublishFrame(data);
    if (publication === undefined) return;
    switch (record.kind) {
      case 'video-config': {
        const { config, lengthBytes } = parseAvcRecord(record.data);
        if (lengthBytes !== 4) throw new MalformedError('NAL units stand behind 4-byte lengths');
        this.#videoConfig = config;
        return;
      }
      case 'audio-config':
        this.#audioConfig = record.codec === 'opus' ? parseOpusHead(record.data) : readAacConfig(record.data);
        return;
      case 'video': {
        if (this.#videoConfig === undefined) throw new MalformedError('a picture before its configuration');
        this.#mediaAtMs = performance.now();
        const { ptsUs, key } = record;
        publication.publishVideo({ ptsUs, dtsUs: ptsUs, key, data: record.data, config: this.#videoConfig });
        this.#hold(publication.aheadMs - AHEAD_MS);
        return;
      }
      case 'audio':
        if (this.#audioConfig === undefined) throw new MalformedError('a sound before its configuration');
        this.#mediaAtMs = performance.now();
        publication.publishAudio({ ptsUs: record.ptsUs, data: record.data, config: this.#audioConfig });
        this.#hold(publication.aheadMs - AHEAD_MS);
        return;
      case 'goodbye':
        this.#end('finished');
        this.#close(1_000, '');
    }
  }

  /** Reads nothing for a while, so that TCP slows the publisher down. */
  #hold(tooFarMs: number): void {
    if (tooFarMs <= 0 || this.#pause !== undefined || this.#isOver()) return;
    this.#client.pause();
    this.#pause = setTimeout(
      () => {
        this.#pause = undefined;
        this.#client.resume();
      },
      Math.min(LOOK_EVERY_MS, tooFarMs),
    );
  }

  #say(reply: PublishReply): void {
    if (this.#client.readyState !== this.#client.OPEN) return;
    if (this.#client.bufferedAmount > MAX_UNREAD_BYTES) {
      this.#client.terminate();
      return;
    }
    this.#client.send(JSON.stringify(reply));
  }

  #look(): void {
    if (this.#isOver() || performance.now() - this.#mediaAtMs < SILENT_MS) return;
    this.#end('lost');
    this.#close(1_001, 'silent');
  }

  #close(code: number, reason: string): void {
    this.#client.resume();
    this.#client.close(code, reason);
    setTimeout(() => this.#client.terminate(), CLOSING_MS).unref();
  }

  #end(how: 'finished' | 'lost'): void {
    if (this.#isOver()) return;
    this.#state = 'over';
    clearInterval(this.#timer);
    clearTimeout(this.#pause);
    this.#admission?.leave();
    this.#publication?.end(how);
    this.#onOver();
  }
}
