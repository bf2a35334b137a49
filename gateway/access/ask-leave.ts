// Asks the school's own server for leave, over HTTP. Who can write a rule must not get the gateway to speak
// with what only machines of the inner network can reach (CWE-918): private addresses are refused unless
// the operator names their host, after the name was resolved, so that no name can lead to one either.
import { lookup } from 'node:dns';
import { Agent as HttpAgent, request as httpRequest, type IncomingMessage } from 'node:http';
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https';
import { isIP, type LookupFunction } from 'node:net';
import { z } from 'zod';
import { plainIp } from '#server/forwarded.ts';
import { networks } from './rules/ip.ts';

const MAX_ANSWER_BYTES = 16 * 1024;
/** Beyond these, questions wait for their turn, and that counts as theirs. */
const MOST_AT_ONCE = 64;

/** RFC 6890 and its IPv6 kin: what is not out in the world. */
const PRIVATE = networks([
  '0.0.0.0/8',
  '10.0.0.0/8',
  '100.64.0.0/10',
  '127.0.0.0/8',
  '169.254.0.0/16',
  '172.16.0.0/12',
  '192.0.0.0/24',
  '192.168.0.0/16',
  '198.18.0.0/15',
  '224.0.0.0/4',
  '240.0.0.0/4',
  '::/127',
  '64:ff9b::/96',
  '64:ff9b:1::/48',
  '2002::/16',
  'fc00::/7',
  'fe80::/10',
  'ff00::/8',
]);

const Answer = z.object({ allow: z.boolean() });

/** The address is on a private network, and the operator has not named its host. */
export class PrivateHostError extends Error {}

/**
 * Resolves with whether `url` answered `{"allow": true}` to the POST of `body`. Rejects if it gave no
 * proper answer within `timeoutMs`: only a status of 200 with that JSON is one.
 */
export type AskLeave = (url: string, body: unknown, timeoutMs: number) => Promise<boolean>;

export interface LeaveOptions {
  /** Hosts, with or without a port, that may be private. */
  readonly hosts: ReadonlySet<string>;
}

export interface LeaveClient {
  readonly ask: AskLeave;
  /** Closes the connections that are kept. */
  close(): void;
}

export function createLeaveClient({ hosts }: LeaveOptions): LeaveClient {
  const http = new HttpAgent({ keepAlive: true, maxSockets: MOST_AT_ONCE });
  const https = new HttpsAgent({ keepAlive: true, maxSockets: MOST_AT_ONCE });
  return {
    async ask(address, body, timeoutMs) {
      const url = new URL(address);
      const isTrusted = hosts.has(url.hostname) || hosts.has(url.host);
      const literal = url.hostname.replace(/^\[|\]$/g, '');
      if (!isTrusted && isIP(literal) !== 0 && isPrivate(literal)) throw new PrivateHostError();
      const text = JSON.stringify(body);
      const isTls = url.protocol === 'https:';
      const response = await new Promise<IncomingMessage>((resolve, reject) => {
        const outgoing = (isTls ? httpsRequest : httpRequest)(url, {
          method: 'POST',
          agent: isTls ? https : http,
          headers: {
            'content-type': 'application/json',
            'content-length': Buffer.byteLength(text),
            accept: 'application/json',
            'user-agent': 'Lectern',
          },
          // One deadline for all of it, the answer's last byte included.
          signal: AbortSignal.timeout(timeoutMs),
          ...(isTrusted ? {} : { lookup: publicLookup }),
        });
        outgoing.on('response', resolve);
        outgoing.on('error', reject);
        outgoing.end(text);
      });
      // Another place to ask (3xx) is no answer: it was not what the operator wrote.
      if (response.statusCode !== 200) {
        response.resume();
        throw new Error(`it answered ${response.statusCode}`);
      }
      return Answer.parse(JSON.parse(await textOf(response))).allow;
    },
    close() {
      http.destroy();
      https.destroy();
    },
  };
}

/** LECTERN_CALLBACK_HOSTS as a set. */
export const callbackHosts = (list: string): ReadonlySet<string> =>
  new Set(
    list
      .split(',')
      .map((host) => host.trim().toLowerCase())
      .filter((host) => host !== ''),
  );

/** True for what cannot be read, too. */
export function isPrivate(address: string): boolean {
  const plain = plainIp(URL.parse(`http://[${address}]`)?.hostname.replace(/^\[|\]$/g, '') ?? address);
  const mapped = /^::ffff:([0-9a-f]{1,4}):([0-9a-f]{1,4})$/.exec(plain);
  if (mapped !== null) {
    const [high, low] = [parseInt(mapped[1] ?? '', 16), parseInt(mapped[2] ?? '', 16)];
    return isPrivate([high >> 8, high & 255, low >> 8, low & 255].join('.'));
  }
  const family = isIP(plain);
  return family === 0 || PRIVATE?.check(plain, family === 4 ? 'ipv4' : 'ipv6') !== false;
}

/** As the system's, but without private addresses: the one that is checked is the one that is used. */
const publicLookup: LookupFunction = (hostname, options, done) => {
  lookup(hostname, { ...options, all: true }, (error, found) => {
    if (error !== null) {
      done(error, [], undefined);
      return;
    }
    const good = found.filter(({ address }) => !isPrivate(address));
    const [first] = good;
    if (first === undefined) done(new PrivateHostError(), [], undefined);
    else if (options.all === true) done(null, good);
    else done(null, first.address, first.family);
  });
};

async function textOf(response: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of response as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > MAX_ANSWER_BYTES) throw new Error('the answer is too long');
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}
