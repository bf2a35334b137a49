// HTTP-FLV and WebSocket-FLV: `/live/<channel>.flv`. The verdict is given before anything comes here.
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import { LecternError } from '#shared/contract/errors.ts';
import { endIfTalkative, GuardedSockets } from '#server/web-sockets.ts';
import type { Egress } from '../../outputs/outputs.ts';
import type { EgressMetrics } from '../../outputs/metrics.ts';
import { flvOpusWire, flvWire, type Wire } from '../../flv/tag.ts';
import { httpReader, socketReader } from './readers.ts';

/** Viewers have nothing to say; a longer message ends the connection. */
const MAX_MESSAGE_BYTES = 1024;

export class FlvServer {
  readonly #egress: Egress;
  readonly #metrics: EgressMetrics;
  readonly #sockets = new GuardedSockets({
    noServer: true,
    perMessageDeflate: false,
    maxPayload: MAX_MESSAGE_BYTES,
  });

  constructor(egress: Egress, metrics: EgressMetrics) {
    this.#egress = egress;
    this.#metrics = metrics;
  }

  /**
   * Streams until the viewer leaves or the broadcast ends, the sound as `query` asks for it. Throws LecternError
   * `not-live`, and `bad-request` for a sound that there is not.
   */
  serve(request: IncomingMessage, response: ServerResponse, channel: string, query: URLSearchParams): void {
    const wire = wireFor(query);
    const programme = this.#egress.programme(channel);
    if (programme === undefined) throw new LecternError('not-live');
    // Without a length and not in chunks: the body ends with the connection (RFC 9112 §6.3).
    response.useChunkedEncodingByDefault = false;
    response.writeHead(200, {
      'content-type': 'video/x-flv',
      'cache-control': 'no-store',
      connection: 'close',
    });
    if (request.method === 'HEAD') {
      response.end();
      return;
    }
    request.socket.setNoDelay(true);
    response.flushHeaders();
    const reader = httpReader(response, request.socket, this.#clock(channel));
    response.on('close', () => programme.leave(reader));
    response.on('error', () => programme.leave(reader));
    programme.join(wire, reader);
  }

  /** The same over a WebSocket. */
  upgrade(
    request: IncomingMessage,
    socket: Duplex,
    head: Buffer,
    channel: string,
    query: URLSearchParams,
  ): void {
    const wire = wireFor(query);
    const programme = this.#egress.programme(channel);
    if (programme === undefined) throw new LecternError('not-live');
    const onFirst = this.#clock(channel);
    this.#sockets.handleUpgrade(request, socket, head, (client) => {
      endIfTalkative(client, ['message']);
      const reader = socketReader(client, onFirst);
      client.on('close', () => programme.leave(reader));
      client.on('error', () => programme.leave(reader));
      programme.join(wire, reader);
    });
  }

  /** Ends the WebSockets that are still there. */
  close(): void {
    for (const client of this.#sockets.clients) client.terminate();
    this.#sockets.close();
  }

  #clock(channel: string): () => void {
    const startMs = performance.now();
    return () => this.#metrics.firstFrame('flv', (performance.now() - startMs) / 1_000, channel);
  }
}

/** `?sound=opus` is for players that take enhanced FLV; without it the sound is AAC, which all take. */
const WIRES: Readonly<Record<string, Wire>> = { aac: flvWire, opus: flvOpusWire };

function wireFor(query: URLSearchParams): Wire {
  const [sound = 'aac', ...more] = query.getAll('sound');
  const wire = Object.hasOwn(WIRES, sound) && more.length === 0 ? WIRES[sound] : undefined;
  if (wire === undefined) throw new LecternError('bad-request', 'sound is aac or opus, once.');
  return wire;
}
