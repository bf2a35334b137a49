// The few things that every HTTP surface of the services does alike: JSON in through a schema and a
// size limit, JSON out, and one shape for refusals.
import { timingSafeEqual } from 'node:crypto';
import { STATUS_CODES, type IncomingMessage, type ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import type { z } from 'zod';
import { LecternError } from '#shared/contract/errors.ts';
import type { Log } from './log.ts';

/** A reader that takes nothing for this long is let go: it keeps a file, or a segment in memory. */
const STALLED_MS = 60_000;

/** Sends `body` as JSON. */
export function sendJson(response: ServerResponse, status: number, body: unknown): void {
  const text = JSON.stringify(body);
  response.writeHead(status, {
    'content-type': 'application/json; charset=utf-8',
    'content-length': Buffer.byteLength(text),
    'cache-control': 'no-store',
  });
  response.end(text);
}

/**
 * Sends the refusal that `error` stands for. What is not a LecternError becomes `internal-error` and
 * is logged; its text never reaches the caller.
 */
export function sendError(response: ServerResponse, error: unknown, log: Log, url = ''): void {
  const refusal = LecternError.from(error);
  if (!(error instanceof LecternError)) log.error({ err: error, url }, 'request failed');
  if (response.headersSent) {
    response.destroy();
    return;
  }
  sendJson(response, refusal.status, refusal.toBody());
}

/** Says on a socket that waits for its upgrade why nothing comes, and ends it. */
export function refuseUpgrade(
  socket: Duplex,
  error: LecternError,
  headers: Record<string, string> = {},
): void {
  const body = JSON.stringify(error.toBody());
  const all = {
    'content-type': 'application/json; charset=utf-8',
    'content-length': Buffer.byteLength(body),
    connection: 'close',
    ...headers,
  };
  const head = Object.entries(all).map(([name, value]) => `${name}: ${value}\r\n`);
  socket.end(`HTTP/1.1 ${error.status} ${STATUS_CODES[error.status] ?? ''}\r\n${head.join('')}\r\n${body}`);
}

/** Ends the connection if its reader takes nothing for so long. */
export function endIfStalled(response: ServerResponse, afterMs = STALLED_MS): void {
  response.setTimeout(afterMs, () => response.destroy());
}

/** Reads a body of at most `limit` bytes. Throws LecternError `too-large`. */
export async function readBody(request: IncomingMessage, limit: number): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let size = 0;
  // Stopping early must not destroy the request: the caller could not be told why.
  const body: AsyncIterable<Buffer> = request.iterator({ destroyOnReturn: false });
  for await (const chunk of body) {
    size += chunk.length;
    if (size > limit) break;
    chunks.push(chunk);
  }
  if (size > limit) {
    // The rest is discarded, or the connection would be stuck for what comes next on it.
    request.resume();
    throw new LecternError('too-large');
  }
  return Buffer.concat(chunks);
}

/**
 * Reads a JSON body of at most `limit` bytes and checks it.
 * Throws LecternError `too-large` or `bad-request`.
 */
export async function readJson<T extends z.ZodType>(
  request: IncomingMessage,
  schema: T,
  limit = 64 * 1024,
): Promise<z.output<T>> {
  const body = await readBody(request, limit);
  let value: unknown;
  try {
    value = body.length === 0 ? {} : JSON.parse(body.toString('utf8'));
  } catch {
    throw new LecternError('bad-request', 'The body is not JSON.');
  }
  return check(schema, value);
}

/** Checks `value`; throws LecternError `bad-request` naming what is wrong. */
export function check<T extends z.ZodType>(schema: T, value: unknown): z.output<T> {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const issue = result.error.issues[0];
  const where = issue?.path.join('.') ?? '';
  throw new LecternError(
    'bad-request',
    `${where === '' ? 'The request' : where}: ${issue?.message ?? 'is wrong'}`,
  );
}

/** Throws LecternError `unauthorized` unless the request carries `Authorization: Bearer <secret>`. */
export function requireBearer(request: IncomingMessage, secret: string): void {
  const given = Buffer.from(request.headers.authorization ?? '');
  const expected = Buffer.from(`Bearer ${secret}`);
  if (given.length !== expected.length || !timingSafeEqual(given, expected)) {
    throw new LecternError('unauthorized');
  }
}
