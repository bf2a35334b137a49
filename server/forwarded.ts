// Who is really asking. X-Forwarded-* is believed only from proxies that the settings name.
import type { IncomingMessage } from 'node:http';
import { isIP, isIPv6 } from 'node:net';
import ipaddr from 'ipaddr.js';
import { isEncrypted } from './tls.ts';

/** Stands for an address that a proxy of ours did not say in a way that can be read (RFC 7239, 6.2). */
const UNKNOWN = 'unknown';

/** The client behind a request, as far as it can be believed. */
export interface Client {
  /** Its address, or `unknown`, which is nobody's: never that of the proxy that failed to name it. */
  ip: string;
  proto: 'http' | 'https';
  /** The host that the client asked for; empty if it named none. */
  host: string;
}

/** The addresses in LECTERN_TRUSTED_PROXIES. */
export function trustedProxies(list: string): ReadonlySet<string> {
  return new Set(entries(list).map(plainIp));
}

/**
 * An address as it is compared: in one way of writing (RFC 5952), and a v4 address that came over a v6 socket as
 * a v4 address (RFC 4291, 2.5.5.2). What is no address stays as it is.
 */
export const plainIp = (ip: string): string => (isIP(ip) === 0 ? ip : ipaddr.process(ip).toString());

/** What is counted as one client: a household or office has a whole /64 of IPv6 (RFC 6177). */
export const networkOf = (ip: string): string =>
  isIPv6(ip) ? `${ipaddr.parse(ip).toByteArray().slice(0, 8).join('.')}/64` : ip;

/** Finds the client; `trusted` holds the addresses of the proxies whose word counts. */
export function clientOf(request: IncomingMessage, trusted: ReadonlySet<string>): Client {
  const peer = plainIp(request.socket.remoteAddress ?? '');
  // HTTP/2 names the host in a field of its own (RFC 9113 §8.3.1).
  const host = request.headers.host ?? header(request, ':authority');
  const proto = isEncrypted(request) ? 'https' : 'http';
  if (!trusted.has(peer)) return { ip: peer, proto, host };
  return {
    ip: throughProxies(peer, header(request, 'x-forwarded-for'), trusted),
    proto: last(header(request, 'x-forwarded-proto')) === 'https' ? 'https' : proto,
    host: last(header(request, 'x-forwarded-host')) ?? host,
  };
}

/**
 * Each proxy adds the address it saw at the end: the last one that is no trusted proxy is the client. What
 * is no address ends the search without a client: a proxy's own rights must not go to whom it speaks for.
 */
function throughProxies(peer: string, chain: string, trusted: ReadonlySet<string>): string {
  let client = peer;
  for (const entry of entries(chain).reverse()) {
    if (isIP(entry) === 0) return UNKNOWN;
    client = plainIp(entry);
    if (!trusted.has(client)) break;
  }
  return client;
}

const header = (request: IncomingMessage, name: string): string => String(request.headers[name] ?? '');
const entries = (value: string): string[] =>
  value
    .split(',')
    .map((entry) => entry.trim())
    .filter((entry) => entry !== '');
const last = (value: string): string | undefined => entries(value).at(-1);
