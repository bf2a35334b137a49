// Asks the school's own server for leave, over HTTP. Who can write a rule must not get the gateway to speak
// with what only machines of the inner network can reach (CWE-918): private addresses are refused unless
// the operator names their host, after the name was resolved, so that no name can lead to one either.
import { Agent as HttpAgent, request as httpRequest, type IncomingMessage } from 'node:http';
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https';
import { isIP } from 'node:net';
import { z } from 'zod';
import { isPublic, PrivateAddressError, publicLookup } from '#server/outgoing.ts';

const MAX_ANSWER_BYTES = 16 * 1024;
/** Beyond these, questions wait for their turn, and that counts as theirs. */
const MAX_AT_ONCE = 64;

const Answer = z.object({ allow: z.boolean() });

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
  const http = new HttpAgent({ keepAlive: true, maxSockets: MAX_AT_ONCE });
  const https = new HttpsAgent({ keepAlive: true, maxSockets: MAX_AT_ONCE });
  return {
    async ask(address, body, timeoutMs) {
      const url = new URL(address);
      const isTrusted = hosts.has(url.hostname) || hosts.has(url.host);
      const literal = url.hostname.replace(/^\[|\]$/g, '');
      if (!isTrusted && isIP(literal) !== 0 && !isPublic(literal)) throw new PrivateAddressError();
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
