// Who is really asking. X-Forwarded-* and its relatives are believed only from proxies that the
// settings name; from anyone else they are dropped before a service can see them.
import type { IncomingMessage } from 'node:http';
import { isIP } from 'node:net';

/** The client behind a request, as far as it can be believed. */
export interface Client {
  ip: string;
  proto: 'http' | 'https';
  /** The host that the client asked for; empty if it named none. */
  host: string;
}

/** Loopback, whatever its notation: 127.0.0.0/8 (RFC 1122, 3.2.1.3) and ::1 (RFC 4291, 2.5.3). */
export const isLoopback = (ip: string): boolean => ip === '::1' || /^127\.\d+\.\d+\.\d+$/.test(ip);

/** A v4 address that came over a v6 socket is a v4 address (RFC 4291, 2.5.5.2). */
const plainIp = (ip: string): string => (ip.startsWith('::ffff:') && ip.includes('.') ? ip.slice(7) : ip);

/** Finds the client; `trusted` holds the addresses of the proxies whose word counts. */
export function clientOf(request: IncomingMessage, trusted: ReadonlySet<string>): Client {
  const peer = plainIp(request.socket.remoteAddress ?? '');
  const host = request.headers.host ?? '';
  if (!trusted.has(peer)) return { ip: peer, proto: 'http', host };
  return {
    ip: throughProxies(peer, header(request, 'x-forwarded-for'), trusted),
    proto: last(header(request, 'x-forwarded-proto')) === 'https' ? 'https' : 'http',
    host: last(header(request, 'x-forwarded-host')) ?? host,
  };
}

/** Each proxy adds the address it saw at the end: the last one that is no trusted proxy is the client. */
function throughProxies(peer: string, chain: string, trusted: ReadonlySet<string>): string {
  let client = peer;
  for (const entry of list(chain).reverse()) {
    if (isIP(entry) === 0) break;
    client = plainIp(entry);
    if (!trusted.has(client)) break;
  }
  return client;
}

/** Puts what is known about the client into the request's headers, in place of what it said itself. */
export function setForwarded(request: IncomingMessage, client: Client): void {
  const { headers } = request;
  for (const name of Object.keys(headers)) {
    if (name.startsWith('x-forwarded-') || name === 'forwarded' || name === 'x-real-ip')
      Reflect.deleteProperty(headers, name);
  }
  headers['x-forwarded-for'] = client.ip;
  headers['x-forwarded-proto'] = client.proto;
  headers['x-forwarded-host'] = client.host;
}

const header = (request: IncomingMessage, name: string): string => String(request.headers[name] ?? '');
const list = (value: string): string[] =>
  value
    .split(',')
    .map((entry) => entry.trim())
    .filter((entry) => entry !== '');
const last = (value: string): string | undefined => list(value).at(-1);
