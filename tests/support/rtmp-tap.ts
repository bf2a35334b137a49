// What a program really sends over RTMP: an entrance alongside the server's own that hands everything on, and
// keeps the media that went by.
import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import { flvHeader, flvTag } from '#shared/media/flv.ts';
import { RtmpConnection } from '../../gateway/servers/rtmp/protocol.ts';

export interface RtmpTap {
  readonly port: number;
  /** The media of the latest connection so far, as FLV. */
  flv(): Uint8Array;
  close(): Promise<void>;
}

/** Leads to the RTMP server at `port` of this machine. */
export async function startRtmpTap(port: number): Promise<RtmpTap> {
  const sockets = new Set<Socket>();
  let tags: Uint8Array[] = [];
  const server = createServer((client) => {
    const upstream = connect(port, '127.0.0.1');
    const mine: Uint8Array[] = [flvHeader({ audio: true, video: true })];
    tags = mine;
    const reader: RtmpConnection = new RtmpConnection({
      output: () => undefined,
      ask: ({ action }) => reader.accept(action),
      media: (type, timestampMs, body) => void mine.push(flvTag(type, timestampMs, body)),
      request: () => undefined,
      left: () => undefined,
    });
    client.on('data', (bytes: Buffer) => reader.readBytes(Buffer.from(bytes)));
    for (const [socket, other] of [
      [client, upstream],
      [upstream, client],
    ] as const) {
      sockets.add(socket);
      socket.on('error', () => undefined);
      socket.once('close', () => {
        sockets.delete(socket);
        other.destroy();
      });
      socket.pipe(other);
    }
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    flv: () => Buffer.concat(tags),
    async close() {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, 'close');
    },
  };
}
