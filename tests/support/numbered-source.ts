// A class as RTP of which each picture is known: which were sent, and when. Asked for a key frame it sends one at once,
// as a browser does: it goes on at the next group of pictures of its film, sound and picture together.
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { NAL, nalType, readAvcc } from '#shared/media/avc.ts';
import { readFragments } from '#shared/media/fmp4.ts';
import { isRtcp, readFeedback, writeSenderReport } from '#shared/media/rtcp.ts';
import { RTP_HEADER_BYTES, writeRtp } from '#shared/media/rtp.ts';
import { packetiseH264 } from '../../gateway/sfu/packetise.ts';
import { mediaFile } from './media-file.ts';
import { AUDIO, VIDEO, type RtpSource } from './rtp-source.ts';

export const FPS = 30;
const FRAME_MS = 1_000 / FPS;
const PACKET_MS = 20;
const FILM_S = 60;
/** How many pictures a group has. */
const GROUP = 60;
const STEP_MS = 5;
const REPORT_MS = 1_000;
const MAX_OUTPUT = 256 * 1024 * 1024;

/** One minute of 640×360, with a flash and a beep every two seconds over a low hum: what is silent is missing. */
export const numberedFilm = (): string =>
  mediaFile(
    'numbered-360p30',
    `-f lavfi -i testsrc2=size=640x360:rate=${FPS},drawbox=y=ih*3/4:h=ih/4:t=fill:c=black,` +
      `drawbox=y=ih*3/4:h=ih/4:t=fill:c=white:enable='between(mod(t,2),0.59,0.69)' ` +
      `-f lavfi -i aevalsrc='0.05*sin(2*PI*440*t)+0.6*sin(2*PI*1000*t)*between(mod(t,2),0.6,0.7)':s=48000 -t ${FILM_S} ` +
      `-c:v libx264 -profile:v baseline -preset veryfast -tune zerolatency -x264-params repeat-headers=1 -g ${GROUP} ` +
      `-sc_threshold 0 -b:v 800k -maxrate 800k -bufsize 400k -pix_fmt yuv420p -c:a libopus -ac 1 -b:a 48k`,
  );

/** A picture as it was sent; `atMs` since 1970. */
export interface SentPicture {
  readonly mark: string;
  readonly atMs: number;
}

export interface NumberedSource extends RtpSource {
  /** All pictures that were sent so far, in their order. */
  readonly sent: readonly SentPicture[];
}

/** By what a picture is known again: that of its slices, which nothing on the way changes. */
export function markOf(nals: readonly Uint8Array[]): string {
  const hash = createHash('sha1');
  for (const nal of nals) if (nalType(nal) >= NAL.slice && nalType(nal) <= NAL.idr) hash.update(nal);
  return hash.digest('base64url');
}

/** The samples of one kind of `file`. */
function samplesOf(file: string, stream: 'v' | 'a'): Uint8Array[] {
  const fragmented = ['-c', 'copy', '-movflags', 'frag_keyframe+empty_moov+default_base_moof', '-f', 'mp4'];
  const bytes = execFileSync(
    'ffmpeg',
    ['-v', 'error', '-i', file, '-map', `0:${stream}`, ...fragmented, 'pipe:1'],
    { maxBuffer: MAX_OUTPUT },
  );
  const { fragments } = readFragments(bytes);
  return fragments.flatMap(({ samples }) =>
    samples.map(({ offset, sizeBytes }) => bytes.subarray(offset, offset + sizeBytes)),
  );
}

interface Stream {
  readonly ssrc: number;
  readonly payloadType: number;
  readonly clockRate: number;
  sequence: number;
  packets: number;
  bytes: number;
}

const streamOf = ({ ssrc, payloadType, clockRate }: typeof VIDEO | typeof AUDIO): Stream => ({
  ssrc,
  payloadType,
  clockRate,
  sequence: 0,
  packets: 0,
  bytes: 0,
});

/**
 * Opens it; nothing is sent until `sendTo`. The clock of its sound is faster than that of its picture by
 * `driftPpm`, as that of a microphone of its own may be.
 */
export async function startNumberedSource(driftPpm = 0): Promise<NumberedSource> {
  const film = numberedFilm();
  const pictures = samplesOf(film, 'v').map((sample) => readAvcc(sample));
  const marks = pictures.map(markOf);
  const sounds = samplesOf(film, 'a').slice(0, (FILM_S * 1_000) / PACKET_MS);
  const socket = createSocket('udp4');
  socket.bind(0, '127.0.0.1');
  await once(socket, 'listening');

  const sent: SentPicture[] = [];
  const [video, audio] = [streamOf(VIDEO), streamOf(AUDIO)];
  const speed = 1 + driftPpm / 1e6;
  const beganMs = performance.now();
  const epochMs = Date.now();
  let to: { readonly ip: string; readonly port: number } | undefined;
  /** Of all that are due, and by how many pictures of the film they were jumped ahead. */
  let [frames, packets, jumped] = [0, 0, 0];
  let isKeyWanted = false;
  let reportedMs = -Infinity;

  const sendBytes = (bytes: Uint8Array) => {
    if (to !== undefined) socket.send(bytes, to.port, to.ip);
  };
  const sendPacket = (stream: Stream, timestamp: number, payload: Uint8Array, marker: boolean) => {
    const { payloadType, sequence, ssrc } = stream;
    const header = { payloadType, marker, sequence, timestamp, ssrc };
    sendBytes(writeRtp(Buffer.alloc(RTP_HEADER_BYTES + payload.length), header, payload));
    stream.sequence = (sequence + 1) & 0xffff;
    stream.packets += 1;
    stream.bytes += payload.length;
  };
  const sendPicture = () => {
    const before = (frames + jumped) % pictures.length;
    if (isKeyWanted && before % GROUP !== 0) jumped += GROUP - (before % GROUP);
    isKeyWanted = false;
    const at = (frames + jumped) % pictures.length;
    const payloads = packetiseH264(pictures[at] ?? []);
    const timestamp = (frames * VIDEO.clockRate) / FPS;
    payloads.forEach((payload, index) =>
      sendPacket(video, timestamp, payload, index === payloads.length - 1),
    );
    if (to !== undefined) sent.push({ mark: marks[at] ?? '', atMs: Date.now() });
    frames += 1;
  };
  const sendSound = () => {
    const at = packets + Math.round((jumped * FRAME_MS) / PACKET_MS);
    const timestamp = (packets * PACKET_MS * AUDIO.clockRate) / 1_000;
    sendPacket(audio, timestamp, sounds[at % sounds.length] ?? new Uint8Array(), false);
    packets += 1;
  };
  /** Where the clock of a stream is after so many ms. */
  const reportAt = (stream: Stream, nowMs: number) => ({
    ntpMs: epochMs + nowMs,
    rtp: Math.round((nowMs * stream.clockRate * (stream === audio ? speed : 1)) / 1_000) % 2 ** 32,
  });
  const timer = setInterval(() => {
    const nowMs = performance.now() - beganMs;
    for (;;) {
      const pictureMs = frames * FRAME_MS;
      const soundMs = (packets * PACKET_MS) / speed;
      if (Math.min(pictureMs, soundMs) > nowMs) break;
      if (pictureMs <= soundMs) sendPicture();
      else sendSound();
    }
    if (nowMs - reportedMs < REPORT_MS) return;
    reportedMs = nowMs;
    for (const stream of [video, audio]) {
      const { ntpMs, rtp } = reportAt(stream, nowMs);
      const { ssrc, packets: count, bytes } = stream;
      sendBytes(writeSenderReport({ ssrc, ntpMs, rtpTimestamp: rtp, packets: count, bytes }, 'numbered'));
    }
  }, STEP_MS);
  socket.on('message', (bytes) => {
    if (isRtcp(bytes) && readFeedback(bytes, VIDEO.ssrc).keyframe) isKeyWanted = true;
  });
  return {
    from: { ip: '127.0.0.1', port: socket.address().port },
    sent,
    reports: () => {
      const nowMs = performance.now() - beganMs;
      return { video: reportAt(video, nowMs), audio: reportAt(audio, nowMs) };
    },
    sendTo(destination) {
      if (typeof destination?.ports === 'object') throw new Error('all of it goes to one port');
      to = destination && { ip: destination.ip, port: destination.ports };
    },
    close() {
      clearInterval(timer);
      socket.close();
      return Promise.resolve();
    },
  };
}
