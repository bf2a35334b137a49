// TLS in front of a plain HTTP server, on one port: browsers get HTTP/2 (Safari wants it for LL-HLS), or
// HTTP/1.1 where they ask for it, as they do for WebSockets; the other services go on in plain HTTP. The
// first byte of a connection tells them apart: a TLS handshake begins with 22 (RFC 8446 §5.1), HTTP with
// a letter.
import { readFileSync } from 'node:fs';
import type { IncomingMessage, Server as HttpServer } from 'node:http';
import { createSecureServer, type Http2SecureServer } from 'node:http2';
import { createServer, type Server, type Socket } from 'node:net';
import { listen, LOOK_MS } from './service.ts';
import type { Settings } from './settings.ts';

const HANDSHAKE = 0x16;
/** How long a connection may say nothing before its first byte. */
const SILENCE_LIMIT_MS = 10_000;
/** And how long its handshake may take; Node's own limit is two minutes. */
const HANDSHAKE_LIMIT_MS = 10_000;
/** A connection that says nothing for so long, with nothing going out either, is closed. */
const IDLE_LIMIT_MS = 120_000;
/** Requests that one connection may have open: a page's players, and a few files besides them. */
const MAX_STREAMS = 128;
/** Memory of one connection, in MB: segments that wait for a slow one. */
const MAX_SESSION_MB = 32;

/** A certificate and its key, in PEM. */
export interface Identity {
  readonly cert: Buffer;
  readonly key: Buffer;
}

/** Reads what the settings name; undefined without TLS. Throws Error of one line if a file cannot be read. */
export function readIdentity({ certFile, keyFile }: Settings['tls']): Identity | undefined {
  if (certFile === undefined || keyFile === undefined) return undefined;
  return { cert: readPem('LECTERN_TLS_CERT', certFile), key: readPem('LECTERN_TLS_KEY', keyFile) };
}

function readPem(setting: string, path: string): Buffer {
  try {
    return readFileSync(path);
  } catch (error) {
    throw new Error(`${setting}: ${path} cannot be read.`, { cause: error });
  }
}

/** True if the request came over TLS. */
export const isEncrypted = ({ socket }: Pick<IncomingMessage, 'socket'>): boolean =>
  (socket as { encrypted?: boolean }).encrypted === true;

/** A port that speaks TLS and plain HTTP. What it reads is answered by the server it was made for. */
export class TlsFront {
  readonly #plain: HttpServer;
  readonly #secure: Http2SecureServer;
  readonly #front: Server;
  readonly #sockets = new Set<Socket>();
  #closing: Promise<void> | undefined;

  /** `plain` gets all requests and upgrades; it does not listen by itself. Throws Error for a wrong certificate. */
  constructor(plain: HttpServer, { cert, key }: Identity) {
    this.#plain = plain;
    this.#secure = createSecureServer({
      cert,
      key,
      allowHTTP1: true,
      handshakeTimeout: HANDSHAKE_LIMIT_MS,
      minVersion: 'TLSv1.2',
      settings: { maxConcurrentStreams: MAX_STREAMS },
      maxSessionMemory: MAX_SESSION_MB,
    });
    for (const event of ['request', 'upgrade']) {
      this.#secure.on(event, (...about: unknown[]) => void plain.emit(event, ...about));
    }
    const { headersTimeout, requestTimeout, keepAliveTimeout } = plain;
    const limits = { headersTimeout, requestTimeout, keepAliveTimeout };
    Object.assign(this.#secure, limits, { connectionsCheckingInterval: LOOK_MS });
    // They only ever get connections from here; those limits are watched from this event on.
    for (const server of [plain, this.#secure]) server.emit('listening');
    this.#secure.on('session', (session) => {
      // One that never asks for anything goes as soon as one without a handshake.
      const drop = () => session.destroy();
      session.setTimeout(HANDSHAKE_LIMIT_MS, drop);
      session.once('stream', () => {
        session.off('timeout', drop);
        session.setTimeout(IDLE_LIMIT_MS, () => session.close());
      });
    });
    // A session that fails concerns nobody else; its streams end with it.
    this.#secure.on('sessionError', () => undefined);
    this.#secure.on('tlsClientError', (_error, socket) => socket.destroy());
    this.#front = createServer({ noDelay: true }, (socket) => this.#sort(socket));
  }

  /** Resolves with the port in use; rejects with the system's error, e.g. EADDRINUSE. */
  listen(port: number, host: string): Promise<number> {
    return listen(this.#front, port, host);
  }

  /** Shows `identity` to those who connect from now on. Throws Error for a wrong certificate. */
  renew({ cert, key }: Identity): void {
    this.#secure.setSecureContext({ cert, key, minVersion: 'TLSv1.2' });
  }

  /** Closes every connection, and the server behind it. Idempotent. */
  close(): Promise<void> {
    this.#closing ??= (async () => {
      const closed = new Promise<void>((resolve) => void this.#front.close(() => resolve()));
      for (const socket of this.#sockets) socket.destroy();
      this.#secure.close();
      this.#plain.close();
      this.#plain.closeAllConnections();
      await closed;
    })();
    return this.#closing;
  }

  #sort(socket: Socket): void {
    this.#sockets.add(socket);
    socket.once('close', () => this.#sockets.delete(socket));
    const drop = () => socket.destroy();
    const look = () => {
      const first: unknown = socket.read(1);
      if (!Buffer.isBuffer(first)) return;
      for (const event of ['error', 'end', 'timeout']) socket.off(event, drop);
      socket.off('readable', look);
      socket.setTimeout(0);
      socket.unshift(first);
      (first[0] === HANDSHAKE ? this.#secure : this.#plain).emit('connection', socket);
    };
    for (const event of ['error', 'end', 'timeout']) socket.on(event, drop);
    socket.setTimeout(SILENCE_LIMIT_MS);
    socket.on('readable', look);
  }
}
