// What the door tells services about the client: X-Forwarded-* and its relatives as they were sent are
// dropped before a service can see them, and what the door found out stands in their place.
import type { IncomingMessage } from 'node:http';
import type { Client } from '#server/forwarded.ts';

/** Loopback, whatever its notation: 127.0.0.0/8 (RFC 1122, 3.2.1.3) and ::1 (RFC 4291, 2.5.3). */
export const isLoopback = (ip: string): boolean => ip === '::1' || /^127\.\d+\.\d+\.\d+$/.test(ip);

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
