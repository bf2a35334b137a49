// An uplink that stands still: a TCP proxy that keeps what a client sends while it is held, and then hands on all of
// it at once.
import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';

export interface StallingProxy {
  readonly port: number;
  /** From now on nothing is handed on, until {@link release}. */
  hold(): void;
  release(): void;
  close(): void;
}

/** Stands in front of `port` of this machine. */
export async function startStallingProxy(port: number): Promise<StallingProxy> {
  const sockets = new Set<Socket>();
  let held: (() => void)[] | undefined;
  const server = createServer((client) => {
    const upstream = connect(port, '127.0.0.1');
    for (const [socket, other] of [
      [client, upstream],
      [upstream, client],
    ] as const) {
      sockets.add(socket);
      socket.on('error', () => undefined);
      socket.once('close', () => {
        sockets.delete(socket);
        if (held === undefined) other.destroy();
        else held.push(() => other.destroy());
      });
    }
    client.on('data', (bytes) => {
      if (held === undefined) upstream.write(bytes);
      else held.push(() => upstream.write(bytes));
    });
    client.once('end', () => {
      if (held === undefined) upstream.end();
      else held.push(() => upstream.end());
    });
    upstream.pipe(client);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const release = () => {
    const waiting = held ?? [];
    held = undefined;
    for (const act of waiting) act();
  };
  return {
    port: (server.address() as AddressInfo).port,
    hold: () => (held ??= []),
    release,
    close() {
      release();
      for (const socket of sockets) socket.destroy();
      server.close();
    },
  };
}
