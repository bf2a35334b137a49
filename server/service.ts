// The frame around each service's process: an HTTP server with health and metrics, signals, one way out.
import {
  createServer as createHttpServer,
  type IncomingMessage,
  type RequestListener,
  type Server,
  type ServerResponse,
} from 'node:http';
import { flushCompileCache } from 'node:module';
import type { AddressInfo, Server as NetServer } from 'node:net';
import { collectDefaultMetrics, Registry } from 'prom-client';
import { LecternError } from '#shared/contract/errors.ts';
import { sendJson } from './http.ts';
import type { Log } from './log.ts';
import { isInTurn } from './pipelining.ts';

/** Makes the metrics registry of one service, with the process's own figures in it. */
export function createMetrics(service: string): Registry {
  const registry = new Registry();
  registry.setDefaultLabels({ service });
  collectDefaultMetrics({ register: registry });
  return registry;
}

/**
 * Answers `/healthz` (the process runs), `/readyz` (it can serve) and `/metrics` (Prometheus).
 * Returns false if the request is for something else.
 */
export function serveHealth(
  request: IncomingMessage,
  response: ServerResponse,
  metrics: Registry,
  ready: () => boolean,
): boolean {
  const path = request.url?.split('?', 1)[0];
  if (path === '/healthz') {
    sendJson(response, 200, { ok: true });
  } else if (path === '/readyz') {
    const ok = ready();
    sendJson(response, ok ? 200 : 503, { ok });
  } else if (path === '/metrics') {
    metrics.metrics().then(
      (text) => {
        response.writeHead(200, { 'content-type': metrics.contentType });
        response.end(text);
      },
      () => sendJson(response, 500, new LecternError('internal-error').toBody()),
    );
  } else {
    return false;
  }
  return true;
}

/**
 * Listens on `port` (0 picks a free one) and resolves with the port in use.
 * Rejects with the system's error, e.g. EADDRINUSE.
 */
export function listen(server: NetServer, port: number, host: string): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, host, () => {
      server.off('error', reject);
      resolve((server.address() as AddressInfo).port);
    });
  });
}

/** Closes a server and the connections it still has. */
export function closeServer(server: Server): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve());
    server.closeAllConnections();
  });
}

/** A client has this long to send the head of its first request, or it is cut off. */
export const HEAD_LIMIT_MS = 10_000;
/** How often Node looks for such clients; by default each half minute. */
export const LOOK_MS = 2_000;

/** An HTTP server that keeps no connection on which nothing is asked, nor one on which too much is at once. */
export const createServer = (listener: RequestListener): Server =>
  createHttpServer(
    { headersTimeout: HEAD_LIMIT_MS, connectionsCheckingInterval: LOOK_MS },
    (request, response) => {
      if (isInTurn(request, response)) listener(request, response);
    },
  );

/** A service that is running. `close` is idempotent and resolves when everything it owned is closed. */
export interface RunningService {
  close(): Promise<void>;
}

/** How long a service may take to close before its process ends anyway, in ms. */
const CLOSE_LIMIT_MS = 8_000;
/** How often a service says that it is alive, in ms. */
const BEAT_MS = 1_000;

/**
 * Runs a service until SIGTERM, SIGINT or the end of its supervisor, then closes it and exits 0.
 * An error at start is logged in one line and exits 1; a stray exception or rejection is logged and
 * exits 1, so that the supervisor starts it again from its event log rather than let it limp.
 */
export async function runService(log: Log, start: () => Promise<RunningService>): Promise<void> {
  const fail = (error: unknown) => {
    log.fatal({ err: error }, 'ended by an error');
    process.exit(1);
  };
  process.on('uncaughtException', fail);
  process.on('unhandledRejection', fail);
  // The supervisor ends a process that is silent: its event loop stands still (bin/supervisor.ts).
  const beat = () => {
    // Where the supervisor is gone, 'disconnect' says so.
    if (process.connected) process.send?.('alive', undefined, undefined, () => undefined);
  };
  setInterval(beat, BEAT_MS).unref();
  beat();
  let running: RunningService | undefined;
  let closing = false;
  const stop = () => {
    if (closing) return;
    closing = true;
    setTimeout(() => process.exit(1), CLOSE_LIMIT_MS).unref();
    void Promise.resolve(running?.close()).then(() => process.exit(0), fail);
  };
  process.on('SIGTERM', stop);
  process.on('SIGINT', stop);
  // The IPC channel closes when the supervisor is gone, however it went: no orphan keeps a port.
  process.on('disconnect', stop);
  try {
    running = await start();
    // Now, not at the end: what is killed writes nothing, and the next start is to be quick.
    flushCompileCache();
  } catch (error) {
    fail(error);
  }
}
