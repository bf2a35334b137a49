// The gateway's HTTP face: playback for viewers and CDNs, and the internal API. Nothing of a channel or a
// recording is looked at before the verdict.
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import type { Registry } from 'prom-client';
import { codeOf, LecternError } from '#shared/contract/errors.ts';
import { BroadcastId, ChannelId } from '#shared/contract/ids.ts';
import { parseThumbnailFile, partsOfReplay, type PlaybackResource } from '#shared/contract/playback.ts';
import { clientOf } from '#server/forwarded.ts';
import { refuseUpgrade, sendError } from '#server/http.ts';
import type { InternalApi } from '#server/internal-server.ts';
import type { Log } from '#server/log.ts';
import { createServer, serveHealth } from '#server/service.ts';
import type { AccessRequest, Decide } from '../../access/decide.ts';
import type { OpenConnections } from '../../access/revalidation.ts';
import type { FlvServer } from '../flv/flv-server.ts';
import type { LiveHls } from '../hls/live-routes.ts';
import { allowOrigins, sendPreflight } from './http-media.ts';
import type { EgressMetrics } from '../../outputs/metrics.ts';
import type { ReplayFiles } from '../hls/replay-routes.ts';
import type { ThumbnailRoutes } from '../hls/thumbnail-routes.ts';
import type { WebCodecsServer } from '../webcodecs/publish-socket.ts';

const MAX_URL_LENGTH = 2_048;

export interface GatewayHttpOptions {
  readonly decide: Decide;
  /** Asks again those who are served for longer than a moment. */
  readonly open: OpenConnections;
  readonly flv: FlvServer;
  readonly live: LiveHls;
  readonly replay: ReplayFiles;
  readonly thumbnails: ThumbnailRoutes;
  /** Takes the encoders of browsers; without it nobody is taken. */
  readonly publishing?: WebCodecsServer;
  readonly metrics: EgressMetrics;
  readonly registry: Registry;
  /** Addresses of proxies whose X-Forwarded-For is believed. */
  readonly trustedProxies: ReadonlySet<string>;
  readonly ready: () => boolean;
  readonly internal: InternalApi;
  readonly log: Log;
}

/** What a playback address asks for. */
type Target =
  | { readonly kind: 'flv'; readonly channel: string }
  | { readonly kind: 'multivariant'; readonly channel: string; readonly name: string }
  | { readonly kind: 'live'; readonly channel: string; readonly broadcast: string; readonly name: string }
  /** Of one recording, or of several that are joined. */
  | { readonly kind: 'replay'; readonly recording: string; readonly name: string }
  /** The whole, or a piece of it by its number. */
  | {
      readonly kind: 'file';
      readonly recording: string;
      readonly format: 'mp4' | 'flv';
      readonly piece?: number;
    }
  | { readonly kind: 'thumbnail'; readonly channel: string; readonly atS: number }
  | { readonly kind: 'thumbnail'; readonly recording: string; readonly atS: number };

const PIECE = /^piece-([1-9]\d{0,3})\.(mp4|flv)$/;

/**
 * Reads a path. Undefined unless it is written exactly as our own links are: no escapes, no empty or
 * dotted segments, ids of the right form.
 */
export function parseTarget(path: string): Target | undefined {
  const match =
    /^\/(live|replay)\/([a-z0-9-]+)(?:\.(flv|mp4)|\/([\w-]+\.\w+|key)|\/([a-z0-9]+)\/([\w-]+\.\w+|key))$/.exec(
      path,
    );
  if (match === null) return undefined;
  const [, area, id = '', format, file, broadcast, part] = match;
  const atS = parseThumbnailFile(file ?? '');
  if (area === 'live') {
    if (!ChannelId.safeParse(id).success) return undefined;
    if (format === 'flv') return { kind: 'flv', channel: id };
    if (atS !== undefined) return { kind: 'thumbnail', channel: id, atS };
    if (file !== undefined) return { kind: 'multivariant', channel: id, name: file };
    if (part === undefined || !BroadcastId.safeParse(broadcast).success) return undefined;
    return { kind: 'live', channel: id, broadcast: broadcast ?? '', name: part };
  }
  const parts = partsOfReplay(id);
  if (parts === undefined) return undefined;
  if (format === 'mp4' || format === 'flv')
    return parts.length === 1 ? { kind: 'file', recording: id, format } : undefined;
  if (atS !== undefined) return { kind: 'thumbnail', recording: id, atS };
  if (file === undefined) return undefined;
  const [, piece, cut] = PIECE.exec(file) ?? [];
  return piece !== undefined && parts.length === 1
    ? { kind: 'file', recording: id, format: cut === 'mp4' ? cut : 'flv', piece: Number(piece) }
    : { kind: 'replay', recording: id, name: file };
}

const resourceOf = (target: Target): PlaybackResource =>
  'channel' in target ? `/live/${target.channel}` : `/replay/${target.recording}`;

/** Makes the server; it does not listen yet. */
export function createGatewayHttp(options: GatewayHttpOptions): Server {
  const server = createServer((request, response) => {
    void answer(options, request, response);
  });
  server.on('upgrade', (request: IncomingMessage, socket: Duplex, head: Buffer) => {
    void upgrade(options, request, socket, head);
  });
  return server;
}

async function answer(options: GatewayHttpOptions, request: IncomingMessage, response: ServerResponse) {
  const url = request.url ?? '';
  try {
    if (url.length > MAX_URL_LENGTH) throw new LecternError('too-large', 'The address is too long.');
    const [path = '', query = ''] = url.split('?', 2);
    // This port is open to the world, its figures are not.
    if (path === '/metrics' && !isOurs(options, request)) throw new LecternError('not-found');
    if (serveHealth(request, response, options.registry, options.ready)) return;
    if (options.internal(request, response)) return;
    const target = parseTarget(path);
    if (target === undefined) throw new LecternError('not-found');
    allowOrigins(response);
    if (request.method === 'OPTIONS') {
      sendPreflight(response);
      return;
    }
    if (request.method !== 'GET' && request.method !== 'HEAD') {
      response.setHeader('allow', 'GET, HEAD, OPTIONS');
      throw new LecternError('method-not-allowed');
    }
    const params = new URLSearchParams(query);
    const asked = accessRequest(options, request, path, target, params);
    if (request.method === 'GET' && (target.kind === 'flv' || target.kind === 'file')) {
      await hold(options, asked, response, target.kind === 'file');
    } else {
      const verdict = await options.decide(asked);
      if (!verdict.allow) throw new LecternError(verdict.code);
    }
    if (response.destroyed) return;
    await serve(options, request, response, target, params);
  } catch (error) {
    refuse(options, request, response, error);
  }
}

function accessRequest(
  { trustedProxies }: GatewayHttpOptions,
  request: IncomingMessage,
  path: string,
  target: Target,
  query: URLSearchParams,
): AccessRequest {
  const { ip } = clientOf(request, trustedProxies);
  const { referer, origin } = request.headers;
  return {
    action: 'play',
    resource: resourceOf(target),
    path,
    query,
    ip,
    // A WebSocket's handshake, and a page that is told to say little, name their site in Origin alone.
    referer: referer ?? origin,
    nowMs: Date.now(),
  };
}

/**
 * Throws LecternError unless the request may be served, and ends the connection when it may no longer. A
 * download that has begun may be finished after its address expired, but not after it was revoked.
 */
async function hold(
  { open }: GatewayHttpOptions,
  asked: AccessRequest,
  connection: ServerResponse | Duplex,
  outlivesSignature: boolean,
): Promise<void> {
  const held = open.hold(asked, () => connection.destroy(), { outlivesSignature });
  connection.once('close', () => held.leave());
  const verdict = await held.verdict;
  if (!verdict.allow) throw new LecternError(verdict.code);
  // Its end may have come before there was anyone to hear of it.
  if (connection.destroyed) held.leave();
}

async function serve(
  options: GatewayHttpOptions,
  request: IncomingMessage,
  response: ServerResponse,
  target: Target,
  query: URLSearchParams,
): Promise<void> {
  const { flv, live, replay, thumbnails, metrics, trustedProxies } = options;
  switch (target.kind) {
    case 'flv':
      flv.serve(request, response, target.channel, query);
      return;
    case 'multivariant':
      await live.sendMultivariant(request, response, target.channel, target.name, query);
      return;
    case 'live':
      metrics.sent(
        'hls',
        await live.sendPart(request, response, target, query, viewerKey(options, request, query)),
        target.channel,
      );
      return;
    case 'replay':
      metrics.sent('replay', await replay.sendPart(request, response, target.recording, target.name, query));
      return;
    case 'file':
      metrics.sent(
        'replay',
        await replay.sendFile(request, response, target.recording, target.format, target.piece),
      );
      return;
    case 'thumbnail': {
      const { ip } = clientOf(request, trustedProxies);
      const sentBytes = await thumbnails.send(request, response, target, target.atS, ip);
      if ('channel' in target) metrics.sent('hls', sentBytes, target.channel);
      else metrics.sent('replay', sentBytes);
    }
  }
}

function refuse(
  { metrics, log }: GatewayHttpOptions,
  request: IncomingMessage,
  response: ServerResponse,
  error: unknown,
): void {
  // The viewer left in the middle of a file.
  if (response.destroyed || response.closed) return;
  metrics.refused(codeOf(error));
  sendError(response, error, log, request.url ?? '');
}

async function upgrade(options: GatewayHttpOptions, request: IncomingMessage, socket: Duplex, head: Buffer) {
  const gone = () => socket.destroy();
  socket.on('error', gone);
  try {
    const url = request.url ?? '';
    const [path = '', query = ''] = url.split('?', 2);
    if (url.length > MAX_URL_LENGTH) throw new LecternError('too-large');
    const publishTo = ChannelId.safeParse(/^\/publish\/([a-z0-9]+)$/.exec(path)?.[1]);
    if (publishTo.success && options.publishing !== undefined) {
      options.publishing.upgrade(request, socket, head, publishTo.data, new URLSearchParams(query));
      socket.off('error', gone);
      return;
    }
    const target = parseTarget(path);
    if (target?.kind !== 'flv') throw new LecternError('not-found');
    const params = new URLSearchParams(query);
    await hold(options, accessRequest(options, request, path, target, params), socket, false);
    if (socket.destroyed) return;
    options.flv.upgrade(request, socket, head, target.channel, params);
    socket.off('error', gone);
  } catch (error) {
    const code = codeOf(error);
    if (!(error instanceof LecternError)) {
      options.log.error({ err: error, url: request.url }, 'upgrade failed');
    }
    options.metrics.refused(code);
    refuseUpgrade(socket, new LecternError(code));
  }
}

/** True if the request comes from this machine or a proxy of ours by itself, for nobody else. */
const isOurs = ({ trustedProxies }: GatewayHttpOptions, request: IncomingMessage): boolean =>
  trustedProxies.has(clientOf(request, trustedProxies).ip);

/** Tells HLS viewers apart: by whom the address was made for, else by where and with what they watch. */
function viewerKey({ trustedProxies }: GatewayHttpOptions, request: IncomingMessage, query: URLSearchParams) {
  const viewer = query.get('viewer');
  if (viewer !== null) return viewer;
  return `${clientOf(request, trustedProxies).ip} ${(request.headers['user-agent'] ?? '').slice(0, 200)}`;
}
