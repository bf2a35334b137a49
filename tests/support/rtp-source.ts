// A steady 720p30 class as RTP, for measuring: ffmpeg plays a file it made, and one socket passes its
// packets on, as the SFU's plain transport would (RTP and RTCP from one address).
import { spawn } from 'node:child_process';
import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { mediaFile } from './media-file.ts';

export const VIDEO = { ssrc: 0x1111, payloadType: 101, clockRate: 90_000 } as const;
export const AUDIO = { ssrc: 0x2222, payloadType: 100, clockRate: 48_000 } as const;

/** One minute of 1280×720 at 30 fps, 1.8 Mbps constrained baseline, key frame with its parameter sets each 2 s; Opus, mono as a microphone is. */
export function classFile(): string {
  const video =
    '-c:v libx264 -profile:v baseline -preset veryfast -tune zerolatency -x264-params repeat-headers=1 -g 60 -b:v 1800k -maxrate 1800k -bufsize 900k';
  return mediaFile(
    'class-720p30',
    `-f lavfi -i testsrc2=size=1280x720:rate=30 -f lavfi -i sine=frequency=440:sample_rate=48000 -t 60 ` +
      `${video} -pix_fmt yuv420p -c:a libopus -ac 1 -b:a 48k`,
  );
}

export interface Destination {
  ip: string;
  /** RTP and RTCP of both streams go to one port, or each to its own. */
  ports: number | { video: number; videoRtcp: number; audio: number; audioRtcp: number };
}

export interface RtpSource {
  /** The address the packets come from. */
  readonly from: { ip: string; port: number };
  /** Where its clocks stand, as a browser's sender reports say; without it the gateway goes by what it gets itself. */
  reports?(): Readonly<Record<'video' | 'audio', { readonly ntpMs: number; readonly rtp: number }>>;
  sendTo(destination: Destination | undefined): void;
  close(): Promise<void>;
}

async function bind(port = 0): Promise<Socket> {
  const socket = createSocket('udp4');
  socket.bind(port, '127.0.0.1');
  await once(socket, 'listening');
  return socket;
}

/** Starts the class of `file`; nothing is sent until `sendTo`. `onVideo` sees each RTP packet of the picture. */
export async function startRtpSource(
  file = classFile(),
  onVideo: (packet: Buffer) => void = () => undefined,
): Promise<RtpSource> {
  const out = await bind();
  const names = ['video', 'videoRtcp', 'audio', 'audioRtcp'] as const;
  const inputs = await Promise.all(names.map(() => bind()));
  let destination: Destination | undefined;
  inputs.forEach((socket, index) => {
    const name = names[index] ?? 'video';
    socket.on('message', (packet) => {
      if (destination === undefined) return;
      const { ip, ports } = destination;
      if (name === 'video') onVideo(packet);
      out.send(packet, typeof ports === 'number' ? ports : ports[name], ip);
    });
  });
  const [video = 0, videoRtcp = 0, audio = 0, audioRtcp = 0] = inputs.map((socket) => socket.address().port);
  const child = spawn(
    'ffmpeg',
    ['-v', 'error', '-re', '-stream_loop', '-1', '-i', file].concat(
      ['-map', '0:v', '-c', 'copy', '-ssrc', String(VIDEO.ssrc), '-payload_type', String(VIDEO.payloadType)],
      ['-f', 'rtp', `rtp://127.0.0.1:${video}?rtcpport=${videoRtcp}&pkt_size=1200`],
      ['-map', '0:a', '-c', 'copy', '-ssrc', String(AUDIO.ssrc), '-payload_type', String(AUDIO.payloadType)],
      ['-f', 'rtp', `rtp://127.0.0.1:${audio}?rtcpport=${audioRtcp}&pkt_size=1200`],
    ),
    { stdio: ['ignore', 'ignore', 'inherit'] },
  );
  return {
    from: { ip: '127.0.0.1', port: out.address().port },
    sendTo(to) {
      destination = to;
    },
    async close() {
      if (child.exitCode === null) {
        const gone = once(child, 'exit');
        child.kill('SIGKILL');
        await gone;
      }
      for (const socket of [...inputs, out]) socket.close();
    },
  };
}
