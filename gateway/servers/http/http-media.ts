// What every media answer has in common: permission for pages of other origins, and byte ranges.
import { createReadStream } from 'node:fs';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { pipeline } from 'node:stream/promises';
import { promisify } from 'node:util';
import { gzip, type ZlibOptions } from 'node:zlib';
import { endIfStalled } from '#server/http.ts';
import { isTaken } from '#server/negotiation.ts';
import { LecternError } from '#shared/contract/errors.ts';

const zip = promisify<Buffer | string, ZlibOptions, Buffer>(gzip);

/** Playlists longer than this, in characters, are compressed. */
const COMPRESS_ABOVE = 8_000;
/** In an Accept-Encoding, the most specific first (RFC 9110 §8.4.1.3 and §12.5.3). */
const GZIP = ['gzip', 'x-gzip', '*'];
/** The names of signed parameters; only these are passed on in playlists. */
const SIGNED = ['expires', 'sign', 'viewer', 'epoch', 'md5', 'auth_key'] as const;

/** Lets pages of any origin read the answer: whether they may is decided by the signature. */
export function allowOrigins(response: ServerResponse): void {
  response.setHeader('access-control-allow-origin', '*');
  response.setHeader('access-control-expose-headers', 'Content-Length, Content-Range, Accept-Ranges, Date');
}

/** Answers a preflight request. */
export function sendPreflight(response: ServerResponse): void {
  response.writeHead(204, {
    'access-control-allow-methods': 'GET, HEAD, OPTIONS',
    'access-control-allow-headers': 'Range, If-None-Match, If-Range',
    'access-control-max-age': '86400',
    allow: 'GET, HEAD, OPTIONS',
  });
  response.end();
}

/** The part of a query that carries the signature, to be appended to the addresses in a playlist. */
export function signedQuery(query: URLSearchParams): string {
  const kept = new URLSearchParams();
  for (const name of SIGNED) {
    const value = query.get(name);
    if (value !== null) kept.set(name, value);
  }
  return kept.toString();
}

/**
 * Sends a playlist that holds for `maxAgeS`; with 0 caches ask each time. Long ones are compressed: the
 * signature is repeated in every line, so that two hours of class become a few dozen kB.
 */
export async function sendPlaylist(
  request: IncomingMessage,
  response: ServerResponse,
  text: string,
  maxAgeS: number,
): Promise<void> {
  const isZipped =
    isTaken(request.headers['accept-encoding']?.toString() ?? '', GZIP) && text.length > COMPRESS_ABOVE;
  const body = isZipped ? await zip(text, { level: 1 }) : Buffer.from(text);
  response.writeHead(200, {
    'content-type': 'application/vnd.apple.mpegurl',
    'content-length': body.length,
    ...(isZipped ? { 'content-encoding': 'gzip' } : {}),
    vary: 'accept-encoding',
    'cache-control': maxAgeS > 0 ? `max-age=${maxAgeS}` : 'no-cache',
  });
  endIfStalled(response);
  response.end(request.method === 'HEAD' ? undefined : body);
}

/** A body that can be sent in part. */
export interface RangedBody {
  readonly size: number;
  /** For `If-Range` and caches. */
  readonly etag?: string;
  /** Writes the bytes from `start` to `end`, both inclusive, and ends the response. */
  send(response: ServerResponse, start: number, end: number): Promise<void>;
}

/** A file on disk of which the size is known. */
export function fileBody(path: string, size: number): RangedBody {
  return {
    size,
    send: (response, start, end) => pipeline(createReadStream(path, { start, end }), response),
  };
}

/** Bytes in memory, in pieces that are shared by all who read them. */
export function memoryBody(parts: readonly Uint8Array[]): RangedBody {
  const size = parts.reduce((sum, part) => sum + part.length, 0);
  return {
    size,
    async send(response, start, end) {
      let at = 0;
      for (const part of parts) {
        const from = Math.max(0, start - at);
        const to = Math.min(part.length, end + 1 - at);
        if (from < to) response.write(part.subarray(from, to));
        at += part.length;
      }
      response.end();
    },
  };
}

type Range = { start: number; end: number };

/**
 * Reads a `Range` header (RFC 9110 §14.2) of a body of `size` bytes. Undefined if there is none that
 * applies: then all of it is sent. Throws LecternError `range-not-satisfiable`.
 */
export function parseRange(header: string | undefined, size: number): Range | undefined {
  // Several ranges at once may be answered with the whole.
  const match = /^bytes=(\d{0,15})-(\d{0,15})$/.exec(header ?? '');
  const [, first = '', last = ''] = match ?? [];
  if (first === '' && last === '') return undefined;
  const start = first === '' ? Math.max(0, size - Number(last)) : Number(first);
  const end = first === '' || last === '' ? size - 1 : Math.min(Number(last), size - 1);
  if (start >= size || start > end) throw new LecternError('range-not-satisfiable');
  return { start, end };
}

/**
 * True if one of the tags of an `If-None-Match` header is `etag`. The comparison is weak (RFC 9110
 * §13.1.2): a proxy that compresses makes our tags weak.
 */
export function isKnown(header: string | undefined, etag: string): boolean {
  const tags = (header ?? '').split(',').map((tag) => tag.trim().replace(/^W\//, ''));
  return tags.includes(etag) || tags.includes('*');
}

/**
 * Sends `body`, or the part of it that was asked for; resolves with how many bytes of it that were.
 * Rejects with what the disk or the socket says.
 */
export async function sendRanged(
  request: IncomingMessage,
  response: ServerResponse,
  body: RangedBody,
  headers: Record<string, string>,
): Promise<number> {
  const { size, etag } = body;
  response.setHeader('accept-ranges', 'bytes');
  if (etag !== undefined) response.setHeader('etag', etag);
  if (etag !== undefined && isKnown(request.headers['if-none-match'], etag)) {
    response.writeHead(304).end();
    return 0;
  }
  const ifRange = request.headers['if-range'];
  const applies = ifRange === undefined || ifRange === etag;
  let range: Range | undefined;
  try {
    range = applies ? parseRange(request.headers.range, size) : undefined;
  } catch (error) {
    response.setHeader('content-range', `bytes */${size}`);
    throw error;
  }
  const { start, end } = range ?? { start: 0, end: size - 1 };
  response.writeHead(range === undefined ? 200 : 206, {
    ...headers,
    'content-length': end - start + 1,
    ...(range === undefined ? {} : { 'content-range': `bytes ${start}-${end}/${size}` }),
  });
  if (request.method === 'HEAD' || size === 0) {
    response.end();
    return 0;
  }
  endIfStalled(response);
  await body.send(response, start, end);
  return end - start + 1;
}
