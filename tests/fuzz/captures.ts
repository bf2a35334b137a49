// What real programs send: recorded once from ffmpeg, on loopback, and kept in the project's cache.
import { spawn } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { RtmpConnection } from '../../gateway/servers/rtmp/protocol.ts';
import { mediaFile } from '../support/media-file.ts';

const FOLDER = join(import.meta.dirname, '../../.cache/media');
const CAPTURE_MS = 8_000;

const clip = () =>
  mediaFile(
    'fuzz-clip',
    '-f lavfi -i testsrc2=size=320x180:rate=15 -f lavfi -i sine=frequency=440:sample_rate=48000 -t 3 ' +
      '-c:v libx264 -profile:v baseline -g 15 -b:v 200k -pix_fmt yuv420p -c:a aac -b:a 64k',
  );

/** A capture that is made if it is not there: a list of messages, each behind its length in 4 bytes. */
async function kept(name: string, make: () => Promise<Buffer[]>): Promise<Buffer[]> {
  const path = join(FOLDER, `${name}.capture`);
  if (!existsSync(path)) {
    mkdirSync(FOLDER, { recursive: true });
    const messages = await make();
    if (messages.length === 0) throw new Error(`nothing was captured for ${name}`);
    const parts = messages.flatMap((message) => {
      const length = Buffer.alloc(4);
      length.writeUInt32BE(message.length);
      return [length, message];
    });
    writeFileSync(path, Buffer.concat(parts));
  }
  const bytes = readFileSync(path);
  const messages: Buffer[] = [];
  for (let at = 0; at + 4 <= bytes.length;) {
    const length = bytes.readUInt32BE(at);
    messages.push(bytes.subarray(at + 4, at + 4 + length));
    at += 4 + length;
  }
  return messages;
}

function ffmpeg(...args: string[]) {
  return spawn('ffmpeg', ['-v', 'error', ...args], { stdio: ['ignore', 'pipe', 'ignore'] });
}

/** An FLV file of a few seconds, H.264 and AAC. */
export async function flvFile(): Promise<Buffer> {
  const [file = Buffer.alloc(0)] = await kept('flv', async () => {
    const child = ffmpeg('-i', clip(), '-c', 'copy', '-f', 'flv', '-');
    const chunks: Buffer[] = [];
    child.stdout.on('data', (chunk: Buffer) => chunks.push(chunk));
    await once(child, 'close');
    return [Buffer.concat(chunks)];
  });
  return file;
}

/** RTP packets of H.264 or Opus as ffmpeg sends them. */
export function rtpPackets(kind: 'video' | 'audio'): Promise<Buffer[]> {
  return kept(`rtp-${kind}`, async () => {
    const socket = createSocket('udp4').bind(0, '127.0.0.1');
    await once(socket, 'listening');
    const packets: Buffer[] = [];
    socket.on('message', (packet) => packets.push(Buffer.from(packet)));
    const target = `rtp://127.0.0.1:${socket.address().port}?pkt_size=1200`;
    const media = kind === 'video' ? ['-map', '0:v', '-c', 'copy'] : ['-map', '0:a', '-c:a', 'libopus'];
    const child = ffmpeg('-re', '-i', clip(), ...media, '-f', 'rtp', target);
    await once(child, 'close');
    socket.close();
    return packets;
  });
}

/** All that a client of RTMP sends, in one piece: ffmpeg that plays, or that publishes. */
export async function rtmpClient(action: 'play' | 'publish'): Promise<Buffer> {
  const [bytes = Buffer.alloc(0)] = await kept(`rtmp-${action}`, async () => {
    const chunks: Buffer[] = [];
    const server = createServer((socket) => {
      const connection: RtmpConnection = new RtmpConnection({
        output: (out) => socket.write(out),
        ask: ({ action: asked }) => connection.accept(asked),
        media: () => undefined,
        request: () => undefined,
        left: () => socket.end(),
      });
      socket.on('error', () => socket.destroy());
      socket.on('data', (data) => {
        chunks.push(Buffer.from(data));
        try {
          connection.readBytes(Buffer.from(data));
        } catch {
          socket.destroy();
        }
      });
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const address = server.address();
    const port = typeof address === 'object' && address !== null ? address.port : 0;
    const url = `rtmp://127.0.0.1:${port}/live/abcdefgh2345?expires=4000000000&sign=${'A'.repeat(43)}`;
    const child =
      action === 'play'
        ? ffmpeg('-i', url, '-f', 'null', '-')
        : ffmpeg('-re', '-i', clip(), '-c', 'copy', '-f', 'flv', url);
    const ended = once(child, 'close');
    const timer = setTimeout(() => child.kill('SIGKILL'), CAPTURE_MS);
    await ended;
    clearTimeout(timer);
    server.close();
    return [Buffer.concat(chunks)];
  });
  return bytes;
}
