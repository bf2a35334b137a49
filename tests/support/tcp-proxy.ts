// A CDN's edge as far as a test needs one: it hands connections on, and breaks down as it is told.
import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';

export interface TcpProxy {
  readonly origin: string;
  /** How many connections came so far. */
  readonly connections: number;
  /** How many are open. */
  readonly open: number;
  /** Where connections are handed on to; without it they are taken and nothing is answered. */
  leadTo(origin: string): void;
  /** From now on nothing is handed on any more, though connections stay open. */
  freeze(): void;
  /** Cuts all connections and takes no more. */
  die(): Promise<void>;
}

export async function startTcpProxy(): Promise<TcpProxy> {
  const sockets = new Set<Socket>();
  const clients = new Set<Socket>();
  let target: URL | undefined;
  let connections = 0;
  const own = (socket: Socket, set: Set<Socket>) => {
    set.add(socket);
    socket.on('error', () => undefined);
    socket.once('close', () => set.delete(socket));
  };
  const server = createServer((client) => {
    connections += 1;
    own(client, clients);
    if (target === undefined) return void client.resume();
    const upstream = connect(Number(target.port), target.hostname);
    own(upstream, sockets);
    client.pipe(upstream).pipe(client);
    client.once('close', () => upstream.destroy());
    upstream.once('close', () => client.destroy());
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  return {
    origin: `http://127.0.0.1:${port}`,
    get connections() {
      return connections;
    },
    get open() {
      return clients.size;
    },
    leadTo: (origin) => (target = new URL(origin)),
    freeze() {
      target = undefined;
      for (const socket of sockets) socket.unpipe();
    },
    async die() {
      if (!server.listening) return;
      for (const socket of [...sockets, ...clients]) socket.destroy();
      server.close();
      await once(server, 'close');
    },
  };
}
