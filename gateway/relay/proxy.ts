// The way out of every ffmpeg of a relay that speaks HTTP or HTTPS: a proxy on loopback that looks at each
// address it is asked for. A check of the first address alone would not see redirects, what a playlist
// names, nor a name that leads elsewhere the second time.
import { createServer, request as ask, type IncomingMessage, type ServerResponse } from 'node:http';
import { connect } from 'node:net';
import type { Duplex } from 'node:stream';
import { expected } from '#shared/expected.ts';
import { closeServer, listen } from '#server/service.ts';
import type { Resolve } from '#server/outgoing.ts';

/** Meant for one connection, not to be passed on (RFC 9110 §7.6.1). */
const HOP_BY_HOP: ReadonlySet<string> = new Set([
  'connection',
  'keep-alive',
  'proxy-authorization',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
]);

export interface Proxy {
  /** `http://127.0.0.1:port`. */
  readonly url: string;
  close(): Promise<void>;
}

export async function openProxy(resolve: Resolve): Promise<Proxy> {
  const sockets = new Set<Duplex>();
  const server = createServer((request, response) => void pass(resolve, request, response));
  server.on('connect', (request: IncomingMessage, client: Duplex, head: Buffer) => {
    sockets.add(client);
    client.on('close', () => sockets.delete(client));
    void tunnel(resolve, request.url ?? '', client, head);
  });
  const port = await listen(server, 0, '127.0.0.1');
  return {
    url: `http://127.0.0.1:${port}`,
    close() {
      for (const socket of sockets) socket.destroy();
      return closeServer(server);
    },
  };
}

async function pass(resolve: Resolve, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const url = URL.parse(request.url ?? '');
  const refuse = (status: number) => response.writeHead(status, { connection: 'close' }).end();
  if (url?.protocol !== 'http:') {
    refuse(400);
    return;
  }
  const host = await resolve(url.hostname).catch(expected('the address is not allowed'));
  if (host === undefined) {
    refuse(403);
    return;
  }
  const onward = ask(
    {
      host,
      port: url.port === '' ? 80 : Number(url.port),
      path: url.pathname + url.search,
      method: request.method,
      headers: { ...endToEnd(request.headers), host: url.host, connection: 'close' },
      agent: false,
    },
    (answer) => {
      response.writeHead(answer.statusCode ?? 502, endToEnd(answer.headers));
      answer.pipe(response);
      answer.on('error', () => response.destroy());
    },
  );
  onward.on('error', () => {
    if (response.headersSent) response.destroy();
    else refuse(502);
  });
  response.on('close', () => onward.destroy());
  request.pipe(onward);
}

const endToEnd = <T>(headers: NodeJS.Dict<T>) =>
  Object.fromEntries(Object.entries(headers).filter(([name]) => !HOP_BY_HOP.has(name)));

/** CONNECT (RFC 9110 §9.3.6). */
async function tunnel(resolve: Resolve, authority: string, client: Duplex, head: Buffer): Promise<void> {
  client.on('error', () => client.destroy());
  const refuse = (status: string) => client.end(`HTTP/1.1 ${status}\r\nconnection: close\r\n\r\n`);
  const target = URL.parse(`tcp://${authority}`);
  const host =
    target === null
      ? undefined
      : await resolve(target.hostname).catch(expected('the address is not allowed'));
  if (host === undefined || target?.port === '') {
    refuse('403 Forbidden');
    return;
  }
  const onward = connect({ host, port: Number(target?.port) });
  onward.on('error', () => {
    if (client.writable) refuse('502 Bad Gateway');
  });
  onward.on('close', () => client.destroy());
  client.on('close', () => onward.destroy());
  onward.on('connect', () => {
    client.write('HTTP/1.1 200 Connected\r\n\r\n');
    onward.write(head);
    client.pipe(onward).pipe(client);
  });
}
