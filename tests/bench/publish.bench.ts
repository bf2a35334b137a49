// What one 720p30 RTMP publisher costs the gateway on the way into the room, and how much later its
// pictures are there; alongside the usual bridge: nginx-rtmp, and one ffmpeg that makes RTP of it.
import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { FlvDemuxer, parseVideoBody } from '#shared/media/flv.ts';
import { makePublishKey } from '#server/publish-key.ts';
import { loadSecrets } from '#server/secrets.ts';
import { startFakeRooms } from '../integration/publishing/fake-rooms.ts';
import { percentile } from '../support/av.ts';
import { cpuPercent, family, memoryMb } from '../support/cost.ts';
import { endChild } from '../support/end-child.ts';
import { RtmpPublisherClient } from '../support/rtmp-publisher.ts';
import { film, hasNginxRtmp, push, startNginxRtmp } from './peer/nginx-rtmp.ts';
import { measured, type Report } from './report.ts';
import { freePort } from '../support/free-port.ts';

const ROOT = join(import.meta.dirname, '../..');
const CHANNEL = 'benchchannel';
const LESSON = 'benchlesson';
const SETTLE_MS = 5_000;
const MEASURE_MS = 20_000;
const PICTURES = 450;

/** A gateway of its own, and rooms that listen to it. */
async function startOurs() {
  const dataDir = mkdtempSync(join(tmpdir(), 'lectern-bench-'));
  const secrets = loadSecrets(dataDir);
  const rooms = await startFakeRooms(secrets.internal);
  const child = spawn(process.execPath, [join(ROOT, 'gateway/main.ts')], {
    stdio: ['ignore', 'pipe', 'inherit', 'ipc'],
    env: {
      ...process.env,
      LECTERN_DATA: dataDir,
      LECTERN_HOST: '127.0.0.1',
      LECTERN_GATEWAY_PORT: '0',
      LECTERN_RTMP_PORT: '0',
      LECTERN_INGEST_PORT: '0',
      LECTERN_SFU_URL: rooms.url,
    },
  });
  const rtmp = await new Promise<number>((resolve, reject) => {
    child.once('exit', () => reject(new Error('the gateway ended')));
    if (child.stdout === null) return;
    createInterface({ input: child.stdout }).on('line', (line) => {
      const said = JSON.parse(line) as { msg?: string; rtmp?: number };
      if (said.msg === 'gateway listens') resolve(said.rtmp ?? 0);
    });
  });
  const streamKey = `${CHANNEL}?key=${makePublishKey(secrets.playback, CHANNEL, LESSON, 0)}`;
  return {
    pid: child.pid ?? 0,
    rtmp,
    rooms,
    streamKey,
    async close() {
      await endChild(child, 'SIGTERM');
      await rooms.close();
      rmSync(dataDir, { recursive: true, force: true });
    },
  };
}

/** From the last byte of a picture written to RTMP to its last packet received, in ms. */
async function delays(ours: Awaited<ReturnType<typeof startOurs>>): Promise<number[]> {
  const args = ['-v', 'error', '-i', film(), '-c', 'copy', '-f', 'flv', 'pipe:1'];
  const tags = new FlvDemuxer().readBytes(execFileSync('ffmpeg', args, { maxBuffer: 64 * 1024 * 1024 }));
  const client = await RtmpPublisherClient.open(ours.rtmp);
  await client.publish(ours.streamKey);
  const sentAtMs: number[] = [];
  const started = performance.now();
  for (const { type, timestampMs, body } of tags) {
    const waitMs = timestampMs - (performance.now() - started);
    if (waitMs > 1) await sleep(waitMs);
    client.send(type, timestampMs, body);
    if (type === 'video' && parseVideoBody(body).type === 'frame') sentAtMs.push(performance.now());
    if (sentAtMs.length >= PICTURES) break;
  }
  await sleep(500);
  client.finish();
  const { pictures } = ours.rooms.heard;
  // What came before somebody was there to see it waited for that.
  return pictures.slice(60).map(({ atMs }, index) => atMs - (sentAtMs[index + 60] ?? atMs));
}

/** nginx-rtmp takes the stream in, one ffmpeg makes RTP of it: the picture copied, the sound to Opus. */
async function measurePeer(): Promise<{ cpu: number; mb: number }> {
  const dir = mkdtempSync(join(tmpdir(), 'lectern-peer-'));
  const port = await freePort();
  const rtp = await freePort();
  const children: ChildProcess[] = [];
  try {
    children.push(startNginxRtmp(dir, port));
    await sleep(1_000);
    const publisher = push(`rtmp://127.0.0.1:${port}/live/peer`);
    children.push(publisher);
    await sleep(1_500);
    const out = (map: string, offset: number, ...codec: string[]) => [
      ...['-map', map, ...codec, '-f', 'rtp', `rtp://127.0.0.1:${rtp + offset}`],
    ];
    const video = ['-c:v', 'copy', '-bsf:v', 'h264_mp4toannexb'];
    const audio = ['-c:a', 'libopus', '-b:a', '128k', '-ac', '2', '-frame_duration', '20'];
    const source = `rtmp://127.0.0.1:${port}/live/peer`;
    const bridge = ['-v', 'quiet', '-i', source, ...out('0:v', 0, ...video), ...out('0:a', 4, ...audio)];
    children.push(spawn('ffmpeg', bridge, { stdio: 'ignore' }));
    await sleep(SETTLE_MS);
    const pids = () =>
      children
        .filter((child) => child !== publisher)
        .flatMap(({ pid }) => (pid === undefined ? [] : family(pid)));
    const cpu = await cpuPercent(pids, () => sleep(MEASURE_MS));
    return { cpu, mb: memoryMb(pids()) };
  } finally {
    for (const child of children) await endChild(child);
    rmSync(dir, { recursive: true, force: true });
  }
}

export async function run(report: Report): Promise<void> {
  const ours = await startOurs();
  let publisher: ChildProcess | undefined;
  try {
    const idleMb = memoryMb(family(ours.pid));
    const late = await delays(ours);
    report({
      name: 'RTMP picture in → last RTP packet towards the room (720p30, 2 Mbit/s)',
      aim: 'p50 ≤ 5 ms, p99 ≤ 15 ms',
      measured: measured`p50 ${percentile(late, 50)} ms, p99 ${percentile(late, 99)} ms`,
      note: measured`${late.length} pictures; key frames are paced`,
    });
    publisher = push(`rtmp://127.0.0.1:${ours.rtmp}/live/${ours.streamKey}`);
    await sleep(SETTLE_MS);
    const own = await cpuPercent(
      () => [ours.pid],
      () => sleep(MEASURE_MS),
    );
    const all = await cpuPercent(
      () => family(ours.pid),
      () => sleep(MEASURE_MS),
    );
    const mb = memoryMb(family(ours.pid)) - idleMb;
    const peer = hasNginxRtmp() ? await measurePeer() : undefined;
    report({
      name: 'CPU per RTMP publisher into the room: gateway alone; with AAC → Opus',
      aim: '≤ 1.5 %; ≤ 3 % of a core',
      measured: measured`${own} %; ${all} %`,
      note:
        peer === undefined
          ? 'nginx-rtmp is not installed here'
          : measured`nginx-rtmp and one ffmpeg that makes RTP: ${peer.cpu} %, ${peer.mb} MB`,
    });
    report({
      name: 'memory for one RTMP publisher more',
      aim: '–',
      measured: measured`${mb} MB`,
      note: 'most of it the ffmpeg for the sound',
    });
  } finally {
    if (publisher !== undefined) await endChild(publisher);
    await ours.close();
  }
}
