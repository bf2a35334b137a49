// The built page: files of web/dist, compressed beforehand, and index.html for the page's own routes.
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Readable } from 'node:stream';
import sirv from 'sirv';
import { LecternError } from '#shared/contract/errors.ts';
import { endIfStalled } from '#server/http.ts';

/** Vite puts a hash of the content into the names of these: they never change. */
const HASHED = /^\/assets\//;
const YEAR_S = 31_536_000;

/** What the page may do; `origins` are the servers other than this one that it may play from. */
const contentSecurityPolicy = (origins: readonly string[]) =>
  [
    "default-src 'self'",
    // Players demultiplex and decode in WebAssembly and in workers that they make themselves.
    "script-src 'self' 'wasm-unsafe-eval'",
    "worker-src 'self' blob:",
    "style-src 'self' 'unsafe-inline'",
    "img-src 'self' data: blob:",
    "media-src 'self' data: blob:",
    "font-src 'self' data:",
    // 'self' does not cover WebSockets of the same host in Safari before 15.4.
    ["connect-src 'self' ws: wss: data: blob:", ...origins].join(' '),
    "object-src 'none'",
    "base-uri 'none'",
    "form-action 'self'",
    "frame-ancestors 'self'",
  ].join('; ');

const pageHeaders = (origins: readonly string[]): Readonly<Record<string, string>> => ({
  'content-security-policy': contentSecurityPolicy(origins),
  'permissions-policy':
    'camera=(self), microphone=(self), display-capture=(self), fullscreen=(self), autoplay=(self), ' +
    'picture-in-picture=(self), screen-wake-lock=(self), geolocation=(), payment=(), usb=()',
  // Addresses hold invitations: they must not travel to other sites.
  'referrer-policy': 'same-origin',
  'x-content-type-options': 'nosniff',
});

/** Answers one request for a page or a file of it. Throws LecternError `method-not-allowed`. */
export type Pages = (request: IncomingMessage, response: ServerResponse, path: string) => void;

/**
 * Serves `dir`. Files with a hash in their name may be kept forever, all others are asked for again.
 * A path that has no file gets index.html if it can be one of the page's routes; `missing` answers for
 * the rest. `playOrigins` are other servers that the page plays from. Who takes nothing for `stalledMs` is let go.
 */
export function createPages(
  dir: string,
  playOrigins: readonly string[],
  missing: (request: IncomingMessage, response: ServerResponse) => void,
  stalledMs?: number,
): Pages {
  const headers = Object.entries(pageHeaders(playOrigins));
  const serve = sirv(dir, {
    // Looks on the disk at each request: the page may be built again while the door is open.
    dev: true,
    etag: true,
    brotli: true,
    gzip: true,
    single: true,
    ignores: [HASHED.source],
    setHeaders(response, path) {
      response.setHeader(
        'cache-control',
        HASHED.test(path) ? `public,max-age=${YEAR_S},immutable` : 'no-cache',
      );
    },
  });
  return (request, response, path) => {
    if (request.method !== 'GET' && request.method !== 'HEAD') {
      response.setHeader('allow', 'GET, HEAD');
      throw new LecternError('method-not-allowed');
    }
    for (const [name, value] of headers) response.setHeader(name, value);
    // Stamps and the like are nobody's business.
    if (path.includes('/.')) return missing(request, response);
    response.once('pipe', (file: Readable) => own(file, response));
    // A file is open for it.
    endIfStalled(response, stalledMs);
    serve(request, response, () => missing(request, response));
  };
}

/**
 * sirv leaves the file that it sends to itself: one that cannot be read would end the process, and one
 * that nobody waits for any more would stay open.
 */
function own(file: Readable, response: ServerResponse): void {
  file.once('error', () => response.destroy());
  response.once('close', () => file.destroy());
}
