// The front door: one origin for the page, the API, signalling and playback. It passes bytes on as they
// come and decides nothing but where to; services check permissions themselves.
import { Agent, createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { createProxyServer, type ProxyServer } from 'httpxy';
import { codeOf, type ErrorCode, LecternError } from '#shared/contract/errors.ts';
import { clientOf } from '#server/forwarded.ts';
import { refuseUpgrade, sendError, sendJson } from '#server/http.ts';
import type { Log } from '#server/log.ts';
import { isInTurn } from '#server/pipelining.ts';
import { closeServer, createMetrics, HEAD_LIMIT_MS, listen, LOOK_MS } from '#server/service.ts';
import { VERSION } from '#server/version.ts';
import { isEncrypted, TlsFront, type Identity } from '#server/tls.ts';
import { Comeback } from './door/comeback.ts';
import { isLoopback, setForwarded } from './door/forwarded.ts';
import { allMetrics, readiness } from './door/health.ts';
import { createPages, type Pages } from './door/pages.ts';

/** A client has this long for the whole request, body included. */
const REQUEST_LIMIT_MS = 300_000;
/** How long a browser remembers that this host speaks TLS (RFC 6797 §6.1.1), in s. */
const HSTS_S = 180 * 86_400;
const KEEP_ALIVE_MS = 20_000;
/** An API answer that takes longer is taken for lost. Playback and signalling may be silent for longer. */
const API_LIMIT_MS = 60_000;
const UPGRADE_LIMIT_MS = 10_000;
/** When to ask again while a service restarts, in s. */
const RETRY_AFTER_S = 1;
/** For so long a player's request waits for a gateway that restarts: players wait for ten seconds. */
const PATIENCE_MS = 8_000;

type Service = 'school' | 'gateway' | 'sfu';
/** Monitors of this machine need no certificate. */
const MONITORED: ReadonlySet<Place> = new Set(['health', 'ready', 'metrics']);

type Place = Service | 'page' | 'health' | 'ready' | 'metrics' | 'nothing';

export interface DoorOptions {
  /** Where the services are, as origins. */
  origins: Readonly<Record<Service, string>>;
  /** The folder of the built page. */
  pagesDir: string;
  /** Other servers that viewers play from. */
  playOrigins?: readonly string[];
  /** Addresses of proxies whose X-Forwarded-* headers are believed. */
  trustedProxies: ReadonlySet<string>;
  /** The address that people use, if it is set: with a certificate pages are only shown there. */
  publicUrl?: string | undefined;
  /** With it the door speaks HTTPS and HTTP/2, and sends plain HTTP there. */
  identity?: Identity | undefined;
  /** For how long a player's request waits for a gateway that restarts, in ms. */
  patienceMs?: number;
  log: Log;
}

export interface Door {
  /** Resolves with the port in use; rejects with the system's error, e.g. EADDRINUSE. */
  listen(port: number, host: string): Promise<number>;
  /** Shows another certificate to those who connect from now on. Throws Error if it is wrong. */
  renew(identity: Identity): void;
  /** Closes every connection. Idempotent. */
  close(): Promise<void>;
}

/** Where the door sends `path`. Services' internal addresses lead nowhere from here. */
export function placeOf(path: string): Place {
  if (path === '/api' || path.startsWith('/api/')) return 'school';
  if (/^\/(socket\.io|whip|whep)\//.test(path)) return 'sfu';
  if (/^\/(live|publish)\//.test(path)) return 'gateway';
  // `/replay/<recording>` alone is a page; what lies below it, and its files, are media.
  if (/^\/replay\/[^/]+[/.]/.test(path)) return 'gateway';
  if (path === '/healthz') return 'health';
  if (path === '/readyz') return 'ready';
  if (path === '/metrics') return 'metrics';
  if (path === '/internal' || path.startsWith('/internal/')) return 'nothing';
  return 'page';
}

/**
 * The path of a request's target. Throws LecternError `bad-request` for one that means something else
 * once it is resolved (`..`, a backslash, an absolute address): a service might resolve it, and then
 * would answer for a path that the door did not choose.
 */
function pathOf(request: IncomingMessage): string {
  const raw = (request.url ?? '').split('?', 1)[0] ?? '';
  const resolved = raw.startsWith('/') ? URL.parse(`http://door${raw}`)?.pathname : undefined;
  if (resolved !== raw || /%2f|%5c/i.test(raw)) throw new LecternError('bad-request');
  return raw;
}

/** Makes the door; it opens with `listen`. */
export function createDoor(options: DoorOptions): Door {
  return new FrontDoor(options);
}

class FrontDoor implements Door {
  readonly #options: DoorOptions;
  readonly #metrics = createMetrics('door');
  readonly #pages: Pages;
  /** Viewers hold connections for hours, so their number has no limit here; idle ones are kept few. */
  readonly #agent = new Agent({ keepAlive: true, maxSockets: Infinity, maxFreeSockets: 64 });
  readonly #proxy: ProxyServer;
  readonly #server: Server;
  readonly #front: TlsFront | undefined;
  /** Also those that were upgraded: the server forgets them, and closing must not. */
  readonly #sockets = new Set<Socket>();
  /** How many bytes a socket had sent when it asked for its upgrade. */
  readonly #sentBefore = new WeakMap<Socket, number>();
  readonly #gateway: Comeback;

  constructor(options: DoorOptions) {
    this.#options = options;
    this.#gateway = new Comeback(options.origins.gateway, options.patienceMs ?? PATIENCE_MS);
    this.#pages = createPages(options.pagesDir, options.playOrigins ?? [], (request, response) => {
      sendError(response, new LecternError('not-found'), options.log, request.url);
    });
    this.#proxy = createProxyServer({ xfwd: false, upgradeTimeout: UPGRADE_LIMIT_MS });
    this.#proxy.on('proxyRes', ({ headers }) => {
      // They are about the service's connection to the door (RFC 9110, 7.6.1), not the client's.
      delete headers.connection;
      delete headers['keep-alive'];
    });
    this.#proxy.on('error', (_error, request, to) => {
      if (to !== undefined && !this.#waits(request, to)) this.#refuse(to, 'service-unavailable');
    });
    this.#server = createServer(
      {
        headersTimeout: HEAD_LIMIT_MS,
        connectionsCheckingInterval: LOOK_MS,
        requestTimeout: REQUEST_LIMIT_MS,
        keepAliveTimeout: KEEP_ALIVE_MS,
        // Others (h2c) are offers that may be passed over.
        shouldUpgradeCallback: (request) => request.headers.upgrade?.toLowerCase() === 'websocket',
      },
      (request, response) => {
        if (isInTurn(request, response)) this.#handleRequest(request, response);
      },
    );
    this.#server.on('upgrade', (request, socket, head) => this.#handleUpgrade(request, socket, head));
    this.#server.on('connection', (socket) => {
      this.#sockets.add(socket);
      socket.once('close', () => this.#sockets.delete(socket));
    });
    this.#front = options.identity && new TlsFront(this.#server, options.identity);
  }

  listen(port: number, host: string): Promise<number> {
    return this.#front?.listen(port, host) ?? listen(this.#server, port, host);
  }

  renew(identity: Identity): void {
    this.#front?.renew(identity);
  }

  async close(): Promise<void> {
    const closed = this.#front?.close() ?? closeServer(this.#server);
    for (const socket of this.#sockets) socket.destroy();
    this.#agent.destroy();
    await closed;
  }

  #handleRequest(request: IncomingMessage, response: ServerResponse): void {
    try {
      const path = pathOf(request);
      const place = placeOf(path);
      if (this.#front !== undefined && isEncrypted(request)) {
        response.setHeader('strict-transport-security', `max-age=${HSTS_S}`);
      }
      if (!MONITORED.has(place) && this.#isElsewhere(request, place)) {
        this.#sendToPublic(request, response);
      } else if (place === 'school' || place === 'gateway' || place === 'sfu') {
        this.#pass(request, response, place);
      } else if (place === 'page') {
        this.#pages(request, response, path);
      } else if (place === 'health') {
        sendJson(response, 200, { ok: true, version: VERSION });
      } else if (place === 'ready') {
        void readiness(this.#options.origins).then((all) => sendJson(response, all.ok ? 200 : 503, all));
      } else if (place === 'metrics' && isLoopback(clientOf(request, this.#options.trustedProxies).ip)) {
        this.#sendMetrics(response);
      } else {
        throw new LecternError('not-found');
      }
    } catch (error) {
      sendError(response, error, this.#options.log, request.url);
    }
  }

  #mustEncrypt(request: IncomingMessage): boolean {
    return this.#front !== undefined && clientOf(request, this.#options.trustedProxies).proto === 'http';
  }

  /** True for what came without TLS though there is a certificate, and for a page under another name than ours. */
  #isElsewhere(request: IncomingMessage, place: Place): boolean {
    if (this.#mustEncrypt(request)) return true;
    const { trustedProxies } = this.#options;
    const publicUrl = this.#publicUrl();
    if (this.#front === undefined || publicUrl === undefined || place !== 'page') return false;
    return URL.parse(`https://${clientOf(request, trustedProxies).host}`)?.host !== new URL(publicUrl).host;
  }

  /** Where people are sent to; an address without TLS would send them back and forth. */
  #publicUrl(): string | undefined {
    const { publicUrl } = this.#options;
    return publicUrl?.startsWith('https:') === true ? publicUrl : undefined;
  }

  #sendToPublic(request: IncomingMessage, response: ServerResponse): void {
    const { host } = clientOf(request, this.#options.trustedProxies);
    if (!/^[\w.:[\]-]+$/.test(host)) throw new LecternError('bad-request');
    const origin = this.#publicUrl() ?? `https://${host}`;
    response.writeHead(308, { location: `${origin}${request.url ?? '/'}`, 'content-length': 0 }).end();
  }

  #pass(request: IncomingMessage, response: ServerResponse, service: Service): void {
    setForwarded(request, clientOf(request, this.#options.trustedProxies));
    const target = this.#options.origins[service];
    const limit = service === 'school' ? { proxyTimeout: API_LIMIT_MS } : {};
    this.#proxy.web(request, response, { target, agent: this.#agent, ...limit }).catch(() => {
      // The client's side failed; there is nobody left to tell.
      response.destroy();
    });
  }

  /** A player's request waits while the gateway restarts; false if it has waited, or is not one of those. */
  #waits(request: IncomingMessage | undefined, response: ServerResponse | Socket): boolean {
    if (response instanceof Socket || response.headersSent || response.destroyed) return false;
    if (request?.method !== 'GET' || placeOf(pathOf(request)) !== 'gateway') return false;
    const back = this.#gateway.of(request);
    void back?.then(() => {
      if (!response.destroyed) this.#pass(request, response, 'gateway');
    });
    return back !== undefined;
  }

  #sendMetrics(response: ServerResponse): void {
    void allMetrics(this.#options.origins, this.#metrics).then((text) => {
      response.writeHead(200, { 'content-type': this.#metrics.contentType });
      response.end(text);
    });
  }

  #handleUpgrade(request: IncomingMessage, duplex: Duplex, head: Buffer): void {
    if (!(duplex instanceof Socket)) {
      duplex.destroy();
      return;
    }
    // Node took its own listener away: without one, a client that hangs up would end the whole process.
    duplex.on('error', () => duplex.destroy());
    this.#sentBefore.set(duplex, duplex.bytesWritten);
    try {
      const place = placeOf(pathOf(request));
      if (this.#mustEncrypt(request)) throw new LecternError('bad-request');
      if (place !== 'gateway' && place !== 'sfu') throw new LecternError('not-found');
      setForwarded(request, clientOf(request, this.#options.trustedProxies));
      const target = this.#options.origins[place];
      this.#proxy.ws(request, duplex, { target }, head).catch(() => duplex.destroy());
    } catch (error) {
      this.#refuse(duplex, codeOf(error));
    }
  }

  /** Says on a response, or on a socket that waits for its upgrade, why nothing comes. */
  #refuse(to: ServerResponse | Socket, code: ErrorCode): void {
    const error = new LecternError(code);
    const retry: Record<string, string> =
      code === 'service-unavailable' ? { 'retry-after': String(RETRY_AFTER_S) } : {};
    if (!(to instanceof Socket)) {
      if (to.headersSent) {
        to.destroy();
        return;
      }
      for (const [name, value] of Object.entries(retry)) to.setHeader(name, value);
      sendJson(to, error.status, error.toBody());
      return;
    }
    // Once bytes went out the upgrade is done, and only an end says that it is over.
    if (!to.writable || to.bytesWritten > (this.#sentBefore.get(to) ?? 0)) {
      to.destroy();
      return;
    }
    refuseUpgrade(to, error, retry);
  }
}
