// What one 720p30 broadcast costs the gateway, alongside the usual way: the SFU's RTP into one ffmpeg
// (video copied, sound to AAC), stock node-media-server for FLV and RTMP, one more ffmpeg for HLS.
import { spawn, type ChildProcess } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { cpuPercent, family, memoryMb } from '../support/cost.ts';
import { endChild } from '../support/end-child.ts';
import { startLectern } from '../support/lectern.ts';
import { putOnAir, type OnAir } from '../support/on-air.ts';
import { AUDIO, startRtpSource, VIDEO, type RtpSource } from '../support/rtp-source.ts';
import { measured, type Report } from './report.ts';
import { freePorts } from '../support/free-port.ts';

const MEASURE_MS = 15_000;
const SETTLE_MS = 10_000;

/** One viewer of each kind; they are not part of what is measured. */
function watch(...addresses: string[]): ChildProcess[] {
  return addresses.map((address) =>
    spawn('ffmpeg', ['-v', 'quiet', '-i', address, '-c', 'copy', '-f', 'null', '-'], { stdio: 'ignore' }),
  );
}

const stopAll = (children: readonly ChildProcess[]) => Promise.all(children.map((child) => endChild(child)));

interface Cost {
  /** Of the gateway for each class, in per cent of a core. */
  cpu: number;
  addedMb: number;
}

/**
 * A class from each of `sources`, each with one viewer of each protocol, in AAC; or with all sound in Opus, in the
 * same protocols but RTMP, which has none.
 */
async function measureOurs(sources: readonly RtpSource[], sound: 'aac' | 'opus'): Promise<Cost> {
  const lectern = await startLectern({ LECTERN_HLS_SOUND: sound });
  const viewers: ChildProcess[] = [];
  const classes: OnAir[] = [];
  try {
    const pids = () => family(lectern.pid('gateway'));
    const idleMb = memoryMb(pids());
    for (const [index, source] of sources.entries()) {
      const lesson = await lectern.startClass();
      classes.push(await putOnAir(lectern, lesson, source, `benchmark${1000 + index}`));
      viewers.push(
        ...(sound === 'aac'
          ? watch(lesson.play.flv, lesson.play.rtmp, lesson.play.hls)
          : watch(`${lesson.play.flv}&sound=opus`, lesson.play.hls)),
      );
    }
    await sleep(SETTLE_MS);
    const cpu = await cpuPercent(pids, () => sleep(MEASURE_MS));
    return { cpu: cpu / sources.length, addedMb: memoryMb(pids()) - idleMb };
  } finally {
    for (const one of classes) one.vanish();
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

const CLASSES = [1, 8, 16];

export async function run(report: Report): Promise<void> {
  const sources: RtpSource[] = [];
  try {
    const single: Partial<Record<'aac' | 'opus', Cost>> = {};
    for (const count of CLASSES) {
      while (sources.length < count) sources.push(await startRtpSource());
      const aims = count === 1 ? { aac: 3, opus: 1.5 } : { aac: 2.5, opus: 1.5 };
      for (const sound of ['aac', 'opus'] as const) {
        const { cpu, addedMb } = await measureOurs(sources, sound);
        if (count === 1) single[sound] = { cpu, addedMb };
        report({
          name: `gateway CPU per 720p30 class, ${count} at once, all outputs and recording in ${sound === 'aac' ? 'AAC' : 'Opus'}`,
          aim: `≤ ${aims[sound]} % of a core`,
          measured: measured`${cpu} %`,
          note: measured`${addedMb / count} MB each`,
        });
      }
    }
    const [source] = sources;
    const { aac } = single;
    if (source === undefined || aac === undefined) return;
    const peer = await measurePeer(source);
    report({
      name: 'one class through ffmpeg → node-media-server → ffmpeg HLS',
      aim: 'we cost less than half',
      measured: measured`${peer.cpu} %, ${peer.mb} MB`,
      note: measured`ours is ${aac.cpu / peer.cpu} of it in AAC`,
    });
  } finally {
    for (const source of sources) await source.close();
  }
}
