// The way in of the gateway as it is, with sinks that keep what they are given; and classes sent to it by
// ffmpeg over a small relay, which gives RTP and RTCP one address, as the SFU does, and can be unkind.
import { spawn } from 'node:child_process';
import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { Registry } from 'prom-client';
import type { BroadcastFeed, FeedTrack, ServiceEvent } from '#shared/contract/internal.ts';
import {
  audioBody,
  audioConfigBody,
  flvHeader,
  flvTag,
  flvTimestampMs,
  videoBody,
  videoConfigBody,
} from '#shared/media/flv.ts';
import type { AudioFrame, Frame, VideoFrame } from '#shared/media/frame.ts';
import { createLog } from '#server/log.ts';
import { openMixing } from '../../../gateway/audio/mixing.ts';
import { Channels } from '../../../gateway/channel/channels.ts';
import type { LadderSink, Outputs, ProgrammeSink, VideoTrack } from '../../../gateway/channel/ports.ts';
import type { Clock } from '../../../gateway/channel/sources.ts';
import { openIngest } from '../../../gateway/ingest/sources.ts';
import { mediaFile } from '../../support/media-file.ts';

export const CHANNEL = 'testchannel';

const FOLDER = mkdtempSync(join(tmpdir(), 'lectern-gateway-core-'));
after(() => rmSync(FOLDER, { recursive: true, force: true }));

export const realClock: Clock = {
  nowMs: () => performance.now(),
  wallMs: () => Date.now(),
  every(intervalMs, call) {
    const timer = setInterval(call, intervalMs);
    return () => clearInterval(timer);
  },
};

export interface Kept {
  /** What came from the source: what was made in place of what was missing is in `filler`. */
  programme: Frame[];
  filler: Frame[];
  ladder: Map<string, VideoFrame[]>;
  sound: { frame: AudioFrame; wallMs: number }[];
  tracks: (readonly VideoTrack[])[];
  interruptions: number;
  ended: boolean;
}

const ignore = () => undefined;

/** Outputs that keep everything of {@link CHANNEL}, and nothing of others. */
export function keepingOutputs(): { outputs: Outputs; kept: Kept; requestKeyframe: () => void } {
  const kept: Kept = {
    programme: [],
    filler: [],
    ladder: new Map(),
    sound: [],
    tracks: [],
    interruptions: 0,
    ended: false,
  };
  let ask: () => void = () => undefined;
  const programme: ProgrammeSink = {
    writeFrame: (frame) => (frame.isFiller === true ? kept.filler : kept.programme).push(frame),
    end: () => (kept.ended = true),
  };
  const ladder: LadderSink = {
    resumeAtUs: 0,
    renditions: undefined,
    recordedMs: 0,
    audioCodec: 'aac',
    setTracks: (tracks) => kept.tracks.push(tracks),
    writeVideo(track, frame) {
      const frames = kept.ladder.get(track.id);
      if (frames === undefined) kept.ladder.set(track.id, [frame]);
      else frames.push(frame);
    },
    writeAudio: (frame, wallMs) => kept.sound.push({ frame, wallMs }),
    writeStill: ignore,
    record: ignore,
    interrupt: () => (kept.interruptions += 1),
    end: () => Promise.resolve(),
  };
  const outputs: Outputs = {
    openProgramme: ({ channel }, { requestKeyframe }) => {
      if (channel !== CHANNEL) return { writeFrame: ignore, end: ignore };
      ask = requestKeyframe;
      return programme;
    },
    openLadder: ({ info }) =>
      info.channel === CHANNEL
        ? ladder
        : { ...ladder, setTracks: ignore, writeVideo: ignore, writeAudio: ignore, interrupt: ignore },
    viewers: () => ({ flv: 0, hls: 0, rtmp: 0 }),
    isOver: () => false,
  };
  return { outputs, kept, requestKeyframe: () => ask() };
}

export interface Gateway {
  readonly channels: Channels;
  readonly kept: Kept;
  readonly events: ServiceEvent[];
  readonly metrics: Registry;
  readonly port: number;
  requestKeyframe(): void;
  close(): Promise<void>;
}

export async function startGateway(options: { ffmpeg?: string; resumeMs?: number } = {}): Promise<Gateway> {
  const log = createLog('warn', 'gateway');
  const metrics = new Registry();
  const { outputs, kept, requestKeyframe } = keepingOutputs();
  const ingest = await openIngest({
    port: 0,
    ip: '127.0.0.1',
    ffmpeg: options.ffmpeg ?? 'ffmpeg',
    log,
    metrics,
  });
  const mixing = openMixing({ log, metrics });
  const events: ServiceEvent[] = [];
  const channels = new Channels({
    sources: ingest,
    mixing,
    scaling: undefined,
    outputs,
    clock: realClock,
    resumeMs: options.resumeMs ?? 60_000,
    recordingMode: () => 'automatic',
    log,
    onEvent: (event) => events.push(event),
  });
  return {
    channels,
    kept,
    events,
    metrics,
    port: ingest.address.port,
    requestKeyframe,
    async close() {
      channels.close();
      ingest.close();
      await mixing.close();
    },
  };
}

const H264 =
  '-c:v libx264 -profile:v baseline -preset ultrafast -tune zerolatency -x264-params slices=1 -pix_fmt yuv420p';

/** Each second a white picture and a beep for 0.1 s, together; key frame each half second. */
export function flashAndBeep(): string {
  return mediaFile(
    'flash-and-beep',
    `-f lavfi -i color=black:size=320x180:rate=30,drawbox=w=iw:h=ih:color=white:t=fill:enable='lt(mod(t,1),0.1)' ` +
      `-f lavfi -i aevalsrc='0.8*sin(2*PI*1000*t)*lt(mod(t,1),0.1)':s=48000 -t 20 ${H264} -g 15 -c:a libopus -b:a 64k -ac 2`,
  );
}

/** Moving pictures with a tone, 640×360. */
export function movingClass(): string {
  return mediaFile(
    'moving',
    `-f lavfi -i testsrc2=size=640x360:rate=30 -f lavfi -i sine=frequency=440:sample_rate=48000 -t 20 ` +
      `${H264} -g 30 -b:v 1200k -c:a libopus -b:a 64k -ac 2`,
  );
}

/** VP8, as from a browser that has no H.264. */
export function vp8Class(): string {
  return mediaFile(
    'vp8',
    `-f lavfi -i testsrc2=size=320x180:rate=15 -f lavfi -i sine=frequency=440:sample_rate=48000 -t 20 ` +
      `-c:v libvpx -deadline realtime -cpu-used 8 -g 30 -b:v 400k -c:a libopus -b:a 64k -ac 2`,
  );
}

export const VIDEO = { ssrc: 0x1001, payloadType: 101 } as const;
export const AUDIO = { ssrc: 0x2002, payloadType: 100 } as const;

export interface Unkindness {
  /** Of RTP video packets, 0 … 1. */
  lose?: number;
  delay?: number;
  /** How long a delayed packet is kept. */
  delayMs?: number;
  /** Changes an RTP video packet in place, or keeps it back with `false`. */
  spoil?: (packet: Buffer) => boolean;
}

export interface Sender {
  readonly out: Socket;
  readonly from: { ip: string; port: number };
  /** RTCP that came back. */
  readonly received: Buffer[];
  readonly lost: number;
  close(): Promise<void>;
}

async function bind(): Promise<Socket> {
  const socket = createSocket('udp4');
  socket.bind(0, '127.0.0.1');
  await once(socket, 'listening');
  return socket;
}

/** A generator with a seed, so that a failure comes again. */
function seeded(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}

export interface SenderOptions {
  readonly file: string;
  readonly port: number;
  readonly video?: { ssrc: number; payloadType: number } | undefined;
  readonly audio?: { ssrc: number; payloadType: number } | undefined;
  readonly unkind?: Unkindness;
  /** Another sender whose address this one's packets come from too. */
  readonly via?: Sender;
}

/** Plays a file as RTP in real time. */
export async function startSender(options: SenderOptions): Promise<Sender> {
  const { file, port, video = VIDEO, audio = AUDIO, unkind = {} } = options;
  const out = options.via?.out ?? (await bind());
  const received: Buffer[] = [];
  const random = seeded(7);
  const timers = new Set<NodeJS.Timeout>();
  let lost = 0;
  out.on('message', (packet) => received.push(packet));
  const inputs = await Promise.all([bind(), bind(), bind(), bind()]);
  inputs.forEach((socket, index) =>
    socket.on('message', (packet) => {
      if (index === 0) {
        if (unkind.spoil?.(packet) === false) return;
        const dice = random();
        if (dice < (unkind.lose ?? 0)) {
          lost += 1;
          return;
        }
        if (dice < (unkind.lose ?? 0) + (unkind.delay ?? 0)) {
          const timer = setTimeout(() => {
            timers.delete(timer);
            out.send(packet, port, '127.0.0.1');
          }, unkind.delayMs ?? 30);
          timers.add(timer);
          return;
        }
      }
      out.send(packet, port, '127.0.0.1');
    }),
  );
  const [v = 0, vc = 0, a = 0, ac = 0] = inputs.map((socket) => socket.address().port);
  const stream = (
    map: string,
    { ssrc, payloadType }: { ssrc: number; payloadType: number },
    rtp: number,
    rtcp: number,
  ) => [
    ...['-map', map, '-c', 'copy', '-ssrc', String(ssrc), '-payload_type', String(payloadType)],
    ...['-f', 'rtp', `rtp://127.0.0.1:${rtp}?rtcpport=${rtcp}&pkt_size=1200`],
  ];
  // Parameter sets travel with the key frames, as browsers send them.
  const inBand = file === vp8Class() ? [] : ['-bsf:v', 'h264_mp4toannexb'];
  const child = spawn(
    'ffmpeg',
    [
      ...['-v', 'error', '-re', '-i', file],
      ...(options.video === undefined && 'video' in options
        ? []
        : [...inBand, ...stream('0:v', video, v, vc)]),
      ...(options.audio === undefined && 'audio' in options ? [] : stream('0:a', audio, a, ac)),
    ],
    { stdio: ['ignore', 'ignore', 'inherit'] },
  );
  return {
    out,
    from: { ip: '127.0.0.1', port: out.address().port },
    received,
    get lost() {
      return lost;
    },
    async close() {
      if (child.exitCode === null) {
        const gone = once(child, 'exit');
        child.kill('SIGKILL');
        await gone;
      }
      for (const socket of inputs) socket.close();
      // Last: what came in while the program was ended is delayed too, and would go out by a closed socket.
      for (const timer of timers) clearTimeout(timer);
      if (options.via === undefined) out.close();
    },
  };
}

export function videoTrack(over: Partial<FeedTrack> = {}): FeedTrack {
  return {
    id: 'cam:0',
    kind: 'video',
    source: 'camera',
    codec: 'h264',
    clockRate: 90_000,
    layer: 0,
    ...VIDEO,
    ...over,
  };
}

export function audioTrack(over: Partial<FeedTrack> = {}): FeedTrack {
  return {
    id: 'mic:0',
    kind: 'audio',
    source: 'microphone',
    codec: 'opus',
    clockRate: 48_000,
    channels: 2,
    layer: 0,
    ...AUDIO,
    ...over,
  };
}

export function feedOf(
  from: BroadcastFeed['from'],
  tracks: FeedTrack[],
  broadcast = 'broadcast1',
): BroadcastFeed {
  return { broadcast, lesson: 'lesson123', title: 'A class', from, tracks, teaching: 'away' };
}

/** Repeats a feed each second, as the SFU does. Returns what changes it, and what ends it. */
export function keepFeeding(gateway: Gateway, first: BroadcastFeed) {
  let feed = first;
  const put = () => gateway.channels.feed(CHANNEL, feed);
  put();
  const timer = setInterval(put, 1_000);
  return {
    set(next: BroadcastFeed) {
      feed = next;
      return put();
    },
    stop: () => clearInterval(timer),
  };
}

/** Waits until `test` is true; fails after `limitMs`. */
export async function until(what: string, test: () => boolean, limitMs = 10_000): Promise<void> {
  const end = performance.now() + limitMs;
  while (!test()) {
    if (performance.now() > end) throw new Error(`${what}: not within ${limitMs} ms`);
    await sleep(20);
  }
}

/** Writes frames as an FLV file, which is there until the tests end, and returns its path. */
export function writeFlv(name: string, frames: readonly Frame[]): string {
  const timeUs = (frame: Frame) => (frame.kind === 'video' ? frame.dtsUs : frame.ptsUs);
  const sorted = [...frames].sort((a, b) => timeUs(a) - timeUs(b));
  const parts: Uint8Array[] = [flvHeader({ audio: true, video: true })];
  let videoConfig: unknown;
  let audioConfig: unknown;
  for (const frame of sorted) {
    const ms = flvTimestampMs(timeUs(frame));
    if (frame.kind === 'video') {
      if (frame.config !== videoConfig) parts.push(flvTag('video', ms, videoConfigBody(frame.config)));
      videoConfig = frame.config;
      parts.push(flvTag('video', ms, videoBody(frame)));
    } else {
      if (frame.config !== audioConfig) parts.push(flvTag('audio', ms, audioConfigBody(frame.config)));
      audioConfig = frame.config;
      parts.push(flvTag('audio', ms, audioBody(frame)));
    }
  }
  const file = join(FOLDER, `${name}.flv`);
  writeFileSync(file, Buffer.concat(parts));
  return file;
}

export const videoOf = (frames: readonly Frame[]) => frames.filter((frame) => frame.kind === 'video');
export const audioOf = (frames: readonly Frame[]) => frames.filter((frame) => frame.kind === 'audio');
