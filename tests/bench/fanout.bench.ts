// One stream to many viewers: what it costs, alongside stock node-media-server with the same stream over
// HTTP-FLV and nginx-rtmp over RTMP. Viewers run in processes of their own and cost each side the same.
import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { FlvDemuxer, parseVideoBody } from '#shared/media/flv.ts';
import { median, percentile } from '../support/av.ts';
import { cpuPercent, family, memoryMb, writeCalls } from '../support/cost.ts';
import { endChild } from '../support/end-child.ts';
import { eventually, startLectern } from '../support/lectern.ts';
import { mediaFile } from '../support/media-file.ts';
import { gatewayOf, putOnAir } from '../support/on-air.ts';
import { startRtpSource, type RtpSource } from '../support/rtp-source.ts';
import { hasNginxRtmp, push, startNginxRtmp } from './peer/nginx-rtmp.ts';
import { measured, type Measured, type Report } from './report.ts';
import { freePorts } from '../support/free-port.ts';

const MEASURE_MS = 15_000;
const SETTLE_MS = 5_000;
const GBIT = 1e9;

/** 1 Mbps in all, with AAC for the peers and Opus for the SFU's side of us. */
function stream(sound: string): string {
  return mediaFile(
    `stream-1mbps-${sound}`,
    `-f lavfi -i testsrc2=size=1280x720:rate=30 -f lavfi -i sine=frequency=440:sample_rate=48000 -t 30 ` +
      `-c:v libx264 -profile:v baseline -preset veryfast -tune zerolatency -x264-params repeat-headers=1 -g 60 ` +
      `-b:v 900k -maxrate 900k -bufsize 450k -pix_fmt yuv420p -c:a ${sound} -ac 2 -b:a 96k`,
  );
}

interface ViewerState {
  bytes: number;
  open: number;
  ended: number;
  playing: number;
  p99Ms: number;
}

interface Viewers {
  state: ViewerState;
  /** Resolves with the bits per second that they take over `ms`. */
  rate(ms: number): Promise<number>;
  stop(): Promise<void>;
}

async function viewers(
  protocol: 'flv' | 'rtmp',
  port: number,
  address: string,
  count: number,
  health: 'healthy' | 'stalled' = 'healthy',
): Promise<Viewers> {
  const script = join(import.meta.dirname, 'peer/viewers.ts');
  const child = spawn(process.execPath, [script, protocol, String(port), address, String(count), health], {
    stdio: ['ignore', 'pipe', 'inherit', 'ipc'],
  });
  const made: Viewers = {
    state: { bytes: 0, open: 0, ended: 0, playing: 0, p99Ms: 0 },
    async rate(ms) {
      const before = made.state.bytes;
      const started = performance.now();
      await sleep(ms);
      return ((made.state.bytes - before) * 8_000) / (performance.now() - started);
    },
    stop: () => endChild(child),
  };
  if (child.stdout !== null) {
    createInterface({ input: child.stdout }).on('line', (line) => {
      made.state = JSON.parse(line) as ViewerState;
    });
  }
  await eventually(`${count} viewers play`, () => made.state.playing >= count, 60_000);
  return made;
}

interface Cost {
  cpu: number;
  gbps: number;
  mb: number;
  /** write() calls in a second. */
  writes: number;
}

/** What `pids` cost while the viewers watch, in per cent of a core and MB; `gbps` is what they get. */
async function cost(pids: () => number[], watching: Viewers): Promise<Cost> {
  await sleep(SETTLE_MS);
  let bps = 0;
  const writesBefore = writeCalls(pids());
  const cpu = await cpuPercent(pids, async () => {
    bps = await watching.rate(MEASURE_MS);
  });
  const writes = ((writeCalls(pids()) - writesBefore) * 1_000) / MEASURE_MS;
  return { cpu, gbps: bps / GBIT, mb: memoryMb(pids()), writes };
}

const perGbps = ({ cpu, gbps }: Cost): number => cpu / gbps;

/** When each picture of a stream arrives, against its own timestamp, in ms; the least of it is taken off. */
async function delays(url: string, ms: number): Promise<number[]> {
  const abort = new AbortController();
  const response = await fetch(url, { signal: abort.signal });
  const demuxer = new FlvDemuxer();
  const found: number[] = [];
  const until = performance.now() + ms;
  // The first second is what the cache had.
  const from = performance.now() + 1_000;
  try {
    for await (const chunk of response.body ?? []) {
      const now = performance.now();
      for (const { type, timestampMs } of demuxer.readBytes(chunk)) {
        if (type === 'video' && now > from) found.push(now - timestampMs);
      }
      if (now > until) break;
    }
  } finally {
    abort.abort();
  }
  return found;
}

/** When the last packet of each picture was sent. */
const sentAtMs: number[] = [];
const MARKER = 0x80;

function noteSent(packet: Buffer): void {
  if ((packet.readUInt8(1) & MARKER) !== 0) sentAtMs.push(performance.now());
}

/**
 * From the last packet of a picture to its FLV tag at a viewer, in ms. The source is stopped in the end: the
 * last tag is then that of the last picture, and the others are counted back from there.
 */
async function passage(url: string, source: RtpSource): Promise<number[]> {
  const abort = new AbortController();
  const response = await fetch(url, { signal: abort.signal });
  const demuxer = new FlvDemuxer();
  const cameAtMs: number[] = [];
  const joinedAt = performance.now();
  setTimeout(() => source.sendTo(undefined), 10_000);
  setTimeout(() => abort.abort(), 11_000);
  try {
    for await (const chunk of response.body ?? []) {
      const now = performance.now();
      for (const { type, body } of demuxer.readBytes(chunk)) {
        if (type === 'video' && parseVideoBody(body).type === 'frame') cameAtMs.push(now);
      }
    }
  } catch (error) {
    if (!abort.signal.aborted) throw error;
  }
  const counted = cameAtMs.filter((ms) => ms > joinedAt + 1_000).length;
  return cameAtMs.slice(-counted).map((ms, index) => ms - (sentAtMs.slice(-counted)[index] ?? Number.NaN));
}

async function loopLagMs(gateway: string): Promise<number> {
  const text = await (await fetch(`${gateway}/metrics`)).text();
  return Number(/^nodejs_eventloop_lag_p99_seconds\S* (\S+)/m.exec(text)?.[1] ?? Number.NaN) * 1_000;
}

interface Ours {
  /** Of the broadcast itself, recording and HLS and sound included, with nobody watching. */
  baseCpu: number;
  at500: Cost;
  at1000: Cost;
  at2000: Cost;
  p99Ms: number;
  lagMs: number;
  passageMs: readonly number[];
  addedMs: number;
  /** What healthy viewers get alongside stalled ones, of what they get alone. */
  healthyShare: number;
  stalledMb: number;
}

async function measureOurs(): Promise<Ours> {
  sentAtMs.length = 0;
  const source = await startRtpSource(stream('libopus'), noteSent);
  const lectern = await startLectern();
  try {
    const lesson = await lectern.startClass();
    await putOnAir(lectern, lesson, source, 'fanoutbench23');
    const gateway = gatewayOf(lectern);
    const port = Number(new URL(gateway).port);
    const { pathname, search } = new URL(lesson.play.flv);
    const address = pathname + search;
    const direct = gateway + address;
    const pids = () => family(lectern.pid('gateway'));
    const fewMs = median(await delays(direct, 8_000));

    // Before anybody watched: memory is that of a fresh process.
    const baseCpu = await cpuPercent(pids, () => sleep(MEASURE_MS));
    const thousand = await viewers('flv', port, address, 1_000);
    const at1000 = await cost(pids, thousand);
    const aloneBps = await thousand.rate(MEASURE_MS);
    const stalled = await viewers('flv', port, address, 1_000, 'stalled');
    await sleep(SETTLE_MS);
    const besideBps = await thousand.rate(MEASURE_MS);
    const stalledMb = memoryMb(pids());
    await stalled.stop();
    await thousand.stop();

    const half = await viewers('flv', port, address, 500);
    const at500 = await cost(pids, half);
    const p99Ms = half.state.p99Ms;
    await half.stop();

    const many = await viewers('flv', port, address, 2_000);
    const at2000 = await cost(pids, many);
    await loopLagMs(gateway);
    await sleep(10_000);
    const lagMs = await loopLagMs(gateway);
    const manyMs = median(await delays(direct, 8_000));
    await many.stop();
    const passageMs = await passage(direct, source);
    return {
      passageMs,
      baseCpu,
      at500,
      at1000,
      at2000,
      p99Ms,
      lagMs,
      addedMs: manyMs - fewMs,
      healthyShare: besideBps / aloneBps,
      stalledMb: stalledMb - at1000.mb,
    };
  } finally {
    source.sendTo(undefined);
    await lectern.stop();
    await source.close();
  }
}

/** Pushes the stream to an RTMP server, forever. */
async function measureNodeMediaServer(count: number): Promise<Cost & { p99Ms: number }> {
  const [rtmp = 0, http = 0] = await freePorts(2);
  const dir = mkdtempSync(join(tmpdir(), 'lectern-peer-'));
  const script = join(import.meta.dirname, 'peer/node-media-server.mjs');
  const server = spawn(process.execPath, [script, String(rtmp), String(http)], { cwd: dir, stdio: 'ignore' });
  const children: ChildProcess[] = [server];
  let watching: Viewers | undefined;
  try {
    await sleep(1_500);
    children.push(push(`rtmp://127.0.0.1:${rtmp}/live/class`, stream('aac')));
    await sleep(3_000);
    watching = await viewers('flv', http, '/live/class.flv', count);
    const spent = await cost(() => [server.pid ?? 0], watching);
    return { ...spent, p99Ms: watching.state.p99Ms };
  } finally {
    await watching?.stop();
    await Promise.all(children.map((child) => endChild(child)));
    rmSync(dir, { recursive: true, force: true });
  }
}

/** Undefined where nginx with its RTMP module is not installed. */
async function measureNginx(count: number): Promise<Cost | undefined> {
  if (!hasNginxRtmp()) return undefined;
  const [rtmp = 0] = await freePorts(1);
  const dir = mkdtempSync(join(tmpdir(), 'lectern-peer-'));
  const server = startNginxRtmp(dir, rtmp);
  const children: ChildProcess[] = [server];
  let watching: Viewers | undefined;
  try {
    await sleep(1_000);
    children.push(push(`rtmp://127.0.0.1:${rtmp}/live/class`, stream('aac')));
    await sleep(3_000);
    watching = await viewers('rtmp', rtmp, '/live/class', count);
    return await cost(() => [server.pid ?? 0], watching);
  } finally {
    await watching?.stop();
    await Promise.all(children.map((child) => endChild(child)));
    rmSync(dir, { recursive: true, force: true });
  }
}

/** A C program that makes the write() calls of `like` and nothing else. Undefined where there is no compiler. */
async function measureBare(count: number, like: Cost): Promise<Cost | undefined> {
  const dir = mkdtempSync(join(tmpdir(), 'lectern-peer-'));
  const program = join(dir, 'writes');
  const [port = 0] = await freePorts(1);
  const compiled = spawnSync('cc', ['-O2', '-o', program, join(import.meta.dirname, 'peer/writes.c')]);
  if (compiled.status !== 0) return undefined;
  const everyMs = (count / like.writes) * 1_000;
  const bytes = (like.gbps * GBIT) / 8 / like.writes;
  const server = spawn(program, [port, count, Math.round(bytes), everyMs.toFixed(2)].map(String), {
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  let watching: Viewers | undefined;
  try {
    await sleep(500);
    watching = await viewers('flv', port, '/', count);
    return await cost(() => [server.pid ?? 0], watching);
  } finally {
    await watching?.stop();
    await endChild(server);
    rmSync(dir, { recursive: true, force: true });
  }
}

const described = (spent: Cost): Measured => measured`${perGbps(spent)} % of a core per Gbps, ${spent.mb} MB`;

export async function run(report: Report): Promise<void> {
  const ours = await measureOurs();
  const node = await measureNodeMediaServer(500);
  const nginx = await measureNginx(500);
  const bare = await measureBare(1_000, ours.at1000);
  const viewersOnly = { ...ours.at500, cpu: ours.at500.cpu - ours.baseCpu };
  report({
    name: 'HTTP-FLV, 500 viewers at 1 Mbps: gateway CPU',
    aim: '≤ 10 % of a core; ≤ ¼ of node-media-server',
    measured: measured`${ours.at500.cpu} %: ${described(ours.at500)}`,
    note: measured`${perGbps(ours.at500) / perGbps(node)} of node-media-server's; ${ours.baseCpu} % is the broadcast itself (recording, HLS, AAC), its viewers alone cost ${perGbps(viewersOnly) / perGbps(node)} of it`,
  });
  report({
    name: 'the same, stock node-media-server',
    aim: 'alongside it',
    measured: measured`${node.cpu} %: ${described(node)}`,
  });
  report({
    name: 'the same over RTMP, nginx-rtmp',
    aim: 'for reference',
    measured:
      nginx === undefined ? measured`not installed here` : measured`${nginx.cpu} %: ${described(nginx)}`,
  });
  const thousand = ours.at1000.cpu - ours.baseCpu;
  report({
    name: 'HTTP-FLV, 1,000 viewers: what they cost compared with a bare C program with the same write() calls',
    aim: '≤ 2 ×',
    measured:
      bare === undefined
        ? measured`no C compiler here`
        : measured`${perGbps({ ...ours.at1000, cpu: thousand }) / perGbps(bare)} ×`,
    note: measured`${thousand} % of a core, ${ours.at1000.writes} write() calls a second`,
  });
  report({
    name: 'HTTP-FLV, 1,000 viewers: memory',
    aim: '≤ 150 MB',
    measured: measured`${ours.at1000.mb} MB`,
    note: measured`${ours.at1000.cpu} % of a core`,
  });
  report({
    name: 'HTTP-FLV, 500 viewers who join within a second: connection → first bytes',
    aim: 'p99 ≤ 300 ms',
    measured: measured`p99 ${ours.p99Ms} ms`,
    note: measured`node-media-server ${node.p99Ms} ms`,
  });
  report({
    name: 'last RTP packet of a picture → its FLV tag at a single viewer',
    aim: 'p50 ≤ 5 ms, p99 ≤ 15 ms',
    measured: measured`p50 ${median(ours.passageMs)} ms, p99 ${percentile(ours.passageMs, 99)} ms`,
    note: 'few viewers get each picture by itself; 4 ms are gathered for',
  });
  report({
    name: 'HTTP-FLV, 2,000 viewers: event loop lag; added delay',
    aim: 'p99 ≤ 50 ms; ≤ 100 ms',
    measured: measured`p99 ${ours.lagMs} ms; ${ours.addedMs} ms`,
    note: measured`${ours.at2000.cpu} % of a core, ${ours.at2000.gbps} Gbps; viewers share the two cores`,
  });
  report({
    name: '1,000 stalled alongside 1,000 healthy viewers: memory; what the healthy get',
    aim: '≤ 64 MB more; unchanged',
    measured: measured`${ours.stalledMb} MB more; ${ours.healthyShare * 100} %`,
  });
}
