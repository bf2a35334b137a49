// The proxy of a school or an office that hands on an answer only when it has all of it: a page is well behind
// it, a stream over HTTP never comes, and a WebSocket is none of its business.
import { once } from 'node:events';
import { createServer, request, type IncomingMessage } from 'node:http';
import { connect, type AddressInfo, type Socket } from 'node:net';
import { buffer } from 'node:stream/consumers';

export interface HoldingProxy {
  readonly origin: string;
  /** The paths of the answers that are held back now. */
  readonly held: readonly string[];
  /** Where requests are handed on to. */
  leadTo(origin: string): void;
  close(): Promise<void>;
}

export async function startHoldingProxy(): Promise<HoldingProxy> {
  let target = new URL('http://127.0.0.1:9');
  const held = new Set<IncomingMessage>();
  const sockets = new Set<Socket>();
  const own = (socket: Socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined);
    socket.once('close', () => sockets.delete(socket));
  };
  const server = createServer((asked, answer) => {
    const { method, url, headers } = asked;
    const upstream = request(new URL(url ?? '/', target), { method, headers });
    upstream.once('response', (response) => {
      held.add(asked);
      buffer(response)
        .then((body) => answer.writeHead(response.statusCode ?? 502, response.headers).end(body))
        .catch(() => answer.destroy())
        .finally(() => held.delete(asked));
    });
    upstream.on('error', () => answer.destroy());
    answer.once('close', () => upstream.destroy());
    asked.pipe(upstream);
  });
  server.on('connection', own);
  server.on('upgrade', (asked: IncomingMessage, client: Socket, head: Buffer) => {
    const upstream = connect(Number(target.port), target.hostname);
    own(upstream);
    const lines = [`${asked.method} ${asked.url} HTTP/1.1`];
    for (let at = 0; at < asked.rawHeaders.length; at += 2) {
      lines.push(`${asked.rawHeaders[at]}: ${asked.rawHeaders[at + 1]}`);
    }
    upstream.write(`${lines.join('\r\n')}\r\n\r\n`);
    upstream.write(head);
    client.pipe(upstream).pipe(client);
    client.once('close', () => upstream.destroy());
    upstream.once('close', () => client.destroy());
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  return {
    origin: `http://127.0.0.1:${port}`,
    get held() {
      return [...held].map(({ url }) => url?.split('?')[0] ?? '');
    },
    leadTo: (origin) => (target = new URL(origin)),
    async close() {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, 'close');
    },
  };
}
