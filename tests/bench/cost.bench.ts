// What one 720p30 broadcast costs the gateway, beside the usual way: the SFU's RTP into one ffmpeg
// (video copied, sound to AAC), stock node-media-server for FLV and RTMP, one more ffmpeg for HLS.
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { BroadcastStatus, type BroadcastFeed } from '#shared/contract/internal.ts';
import { loadSecrets } from '#server/secrets.ts';
import { callInternal } from '#server/internal-client.ts';
import { cpuPercent, family, memoryMb } from '../support/cost.ts';
import { eventually, startLectern } from '../support/lectern.ts';
import { AUDIO, startRtpSource, VIDEO, type RtpSource } from '../support/rtp-source.ts';
import type { Report } from './report.ts';
import { freePorts } from '../support/free-port.ts';

const MEASURE_MS = 30_000;
const SETTLE_MS = 15_000;

/** One viewer of each kind; they are not part of what is measured. */
function watch(...addresses: string[]): ChildProcess[] {
  return addresses.map((address) =>
    spawn('ffmpeg', ['-v', 'quiet', '-i', address, '-c', 'copy', '-f', 'null', '-'], { stdio: 'ignore' }),
  );
}

async function stopAll(children: readonly ChildProcess[]): Promise<void> {
  await Promise.all(
    children.map(async (child) => {
      if (child.exitCode !== null || child.signalCode !== null) return;
      const gone = once(child, 'exit');
      child.kill('SIGKILL');
      await gone;
    }),
  );
}

/** One viewer of each protocol, in AAC; or with all sound in Opus, in the same protocols but RTMP, which has none. */
async function measureOurs(
  source: RtpSource,
  sound: 'aac' | 'opus',
): Promise<{ cpu: number; idleMb: number; liveMb: number }> {
  const lectern = await startLectern({ LECTERN_HLS_SOUND: sound });
  const viewers: ChildProcess[] = [];
  let feeding: NodeJS.Timeout | undefined;
  try {
    const lesson = await lectern.startClass();
    const secret = loadSecrets(lectern.dataDir).internal;
    const gateway = String(lectern.log.findLast((line) => line.msg === 'ready')?.gatewayUrl);
    const track = (
      kind: 'audio' | 'video',
      stream: { ssrc: number; payloadType: number; clockRate: number },
    ) => ({
      id: `bench:${kind}`,
      kind,
      source: kind === 'video' ? ('camera' as const) : ('microphone' as const),
      codec: kind === 'video' ? ('h264' as const) : ('opus' as const),
      layer: 0,
      ...stream,
    });
    const feed: BroadcastFeed = {
      broadcast: 'benchmark2345',
      lesson: lesson.id,
      title: lesson.title,
      from: source.from,
      tracks: [track('video', VIDEO), { ...track('audio', AUDIO), channels: 2 }],
    };
    const put = () =>
      callInternal(
        secret,
        'PUT',
        `${gateway}/internal/channels/${lesson.channel}/broadcast`,
        BroadcastStatus,
        feed,
      );
    const pids = () => family(lectern.pid('gateway'));
    const idleMb = memoryMb(pids());
    const first = await put();
    source.sendTo({ ip: first.ingest.ip, ports: first.ingest.port });
    feeding = setInterval(() => void put(), 1_000);
    await eventually('the broadcast is live', async () => (await put()).state === 'live');
    await eventually('HLS plays', async () => (await fetch(lesson.play.hls)).ok);
    viewers.push(
      ...(sound === 'aac'
        ? watch(lesson.play.flv, lesson.play.rtmp, lesson.play.hls)
        : watch(`${lesson.play.flv}&sound=opus`, lesson.play.hls)),
    );
    await sleep(SETTLE_MS);
    const cpu = await cpuPercent(pids, () => sleep(MEASURE_MS));
    return { cpu, idleMb, liveMb: memoryMb(pids()) };
  } finally {
    clearInterval(feeding);
    source.sendTo(undefined);
    await stopAll(viewers);
    await lectern.stop();
  }
}

async function measurePeer(source: RtpSource): Promise<{ cpu: number; mb: number }> {
  const dir = mkdtempSync(join(tmpdir(), 'lectern-peer-'));
  const [rtmpPort = 0, httpPort = 0, video = 0, audio = 0] = await freePorts(4);
  const parts: ChildProcess[] = [];
  const viewers: ChildProcess[] = [];
  const start = (command: string, ...args: string[]) => {
    const child = spawn(command, args, { stdio: 'ignore', cwd: dir });
    parts.push(child);
    return child;
  };
  try {
    const sdp = join(dir, 'class.sdp');
    // The control ports are named: the class is passed on over four ports of our choosing.
    writeFileSync(
      sdp,
      [
        'v=0',
        'o=- 0 0 IN IP4 127.0.0.1',
        's=class',
        'c=IN IP4 127.0.0.1',
        't=0 0',
        `m=video ${video} RTP/AVP ${VIDEO.payloadType}`,
        `a=rtpmap:${VIDEO.payloadType} H264/90000`,
        `a=fmtp:${VIDEO.payloadType} packetization-mode=1`,
        `m=audio ${audio} RTP/AVP ${AUDIO.payloadType}`,
        `a=rtpmap:${AUDIO.payloadType} opus/48000/2`,
        '',
      ].join('\n'),
    );
    const rtmp = `rtmp://127.0.0.1:${rtmpPort}/live/class`;
    start(
      process.execPath,
      join(import.meta.dirname, 'peer/node-media-server.mjs'),
      String(rtmpPort),
      String(httpPort),
    );
    await sleep(1_500);
    source.sendTo({
      ip: '127.0.0.1',
      ports: { video, videoRtcp: video + 1, audio, audioRtcp: audio + 1 },
    });
    const receive = ['-v', 'error', '-protocol_whitelist', 'file,udp,rtp', '-i', sdp];
    start('ffmpeg', ...receive, '-c:v', 'copy', '-c:a', 'aac', '-b:a', '128k', '-f', 'flv', rtmp);
    await sleep(6_000);
    start(
      'ffmpeg',
      '-v',
      'error',
      '-i',
      rtmp,
      '-c',
      'copy',
      '-f',
      'hls',
      '-hls_time',
      '2',
      join(dir, 'index.m3u8'),
    );
    await sleep(6_000);
    viewers.push(...watch(`http://127.0.0.1:${httpPort}/live/class.flv`, rtmp, join(dir, 'index.m3u8')));
    await sleep(SETTLE_MS);
    const ended = parts.find((child) => child.exitCode !== null);
    if (ended !== undefined) throw new Error(`a part of the peer ended: ${ended.spawnargs.join(' ')}`);
    const pids = () => parts.flatMap((child) => (child.pid === undefined ? [] : [child.pid]));
    const cpu = await cpuPercent(pids, () => sleep(MEASURE_MS));
    return { cpu, mb: memoryMb(pids()) };
  } finally {
    source.sendTo(undefined);
    await stopAll([...viewers, ...parts]);
    rmSync(dir, { recursive: true, force: true });
  }
}

export async function run(report: Report): Promise<void> {
  const source = await startRtpSource();
  try {
    const ours = await measureOurs(source, 'aac');
    const passing = await measureOurs(source, 'opus');
    const peer = await measurePeer(source);
    report({
      name: 'gateway CPU per 720p30 broadcast, all outputs and AAC',
      aim: '≤ 3 % of a core',
      measured: `${ours.cpu.toFixed(1)} %`,
    });
    report({
      name: 'gateway CPU per 720p30 broadcast, outputs and recording with Opus passed through',
      aim: '≤ 1.5 % of a core',
      measured: `${passing.cpu.toFixed(1)} %`,
      note: `${(passing.cpu / ours.cpu).toFixed(2)} of that with AAC`,
    });
    report({
      name: 'the same through ffmpeg → node-media-server → ffmpeg HLS',
      aim: 'we cost less than half',
      measured: `${peer.cpu.toFixed(1)} %, ${peer.mb.toFixed(0)} MB`,
      note: `ours is ${(ours.cpu / peer.cpu).toFixed(2)} of it; ours adds ${(ours.liveMb - ours.idleMb).toFixed(0)} MB`,
    });
  } finally {
    await source.close();
  }
}
