// LL-HLS: how close to the camera it is, how soon it plays, and how many requests a core answers, alongside
// nginx that serves the same bytes from files.
import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import type { Browser } from 'playwright-core';
import type { Lesson } from '#shared/contract/rest.ts';
import { median, percentile } from '../support/av.ts';
import { launchChromium } from '../support/chromium.ts';
import { cpuSeconds, family } from '../support/cost.ts';
import { openHlsPlayer } from '../support/hls-player.ts';
import { readPlaylist } from '../support/hls-rules.ts';
import { startLectern, type Lectern } from '../support/lectern.ts';
import { gatewayOf, putOnAir } from '../support/on-air.ts';
import { startRtpSource } from '../support/rtp-source.ts';
import { look } from '../support/studio.ts';
import { endClass, goLive, seesLive, teach, watch } from '../e2e/people.ts';
import { measured, type Report } from './report.ts';
import { freePort } from '../support/free-port.ts';

const start = promisify(execFile);
const LOOKS = 80;
const JOINS = 12;
/** Shorter than a part stays in the playlist. */
const LOAD_S = 3;
const CONNECTIONS = 48;

async function latency(browser: Browser, lectern: Lectern, report: Report): Promise<void> {
  const teacher = await teach(browser, lectern);
  await goLive(teacher);
  const viewer = await watch(browser, teacher.lesson, 'flv');
  await seesLive(viewer, 'the class over LL-HLS', 60_000, 20_000);
  await sleep(12_000);
  const ages: number[] = [];
  for (let index = 0; index < LOOKS; index += 1) {
    const sight = await look(viewer.page);
    if (sight !== undefined) ages.push(sight.ageMs);
    await sleep(150);
  }
  report({
    name: 'camera → LL-HLS viewer',
    aim: 'p50 ≤ 1.5 s',
    measured: measured`p50 ${median(ages) / 1_000} s`,
    note: measured`p95 ${percentile(ages, 95) / 1_000} s; encoder, decoder and this measurement share the machine`,
  });
  await viewer.leave();
  const joins: number[] = [];
  for (let index = 0; index < JOINS; index += 1) {
    const player = await openHlsPlayer(browser, teacher.lesson.play.hls);
    for (let tries = 0; tries < 100; tries += 1) {
      const { firstPictureMs } = await player.report();
      if (firstPictureMs > 0) {
        joins.push(firstPictureMs);
        break;
      }
      await sleep(50);
    }
    await player.close();
  }
  report({
    name: 'LL-HLS join: request for the playlist → first picture',
    aim: 'p99 ≤ 800 ms',
    measured: measured`p99 ${percentile(joins, 99)} ms`,
    note: measured`p50 ${median(joins)} ms of ${joins.length} joins by hls.js, through the front door`,
  });
  await endClass(teacher);
}

interface Load {
  /** Answers for each second of one core. */
  perCore: number;
  wrong: number;
}

/** Asks for `addresses` in turn; `idle` is what the server uses of a core without that. */
async function load(pids: () => number[], addresses: readonly string[], idle: number): Promise<Load> {
  const before = cpuSeconds(pids());
  const args = [
    join(import.meta.dirname, 'peer/requests.ts'),
    String(LOAD_S),
    String(CONNECTIONS),
    ...addresses,
  ];
  const { stdout } = await start(process.execPath, args);
  const { answers, wrong } = JSON.parse(stdout) as { answers: number; wrong: number };
  return { perCore: answers / (cpuSeconds(pids()) - before - idle * LOAD_S), wrong };
}

/** nginx with one worker, as its documentation advises for files: they go from the page cache to the socket. */
async function startNginx(dir: string, port: number): Promise<ChildProcess> {
  const config = `daemon off; worker_processes 1; pid ${dir}/nginx.pid; error_log ${dir}/error.log;
user root;
events { worker_connections 1024; }
http {
  access_log off; sendfile on; tcp_nopush on; tcp_nodelay on; keepalive_requests 100000000;
  open_file_cache max=1000 inactive=60s;
  types { application/vnd.apple.mpegurl m3u8; video/mp4 m4s; }
  client_body_temp_path ${dir}/t1; proxy_temp_path ${dir}/t2; fastcgi_temp_path ${dir}/t3;
  uwsgi_temp_path ${dir}/t4; scgi_temp_path ${dir}/t5;
  server { listen 127.0.0.1:${port}; root ${dir}/files; add_header access-control-allow-origin *; }
}`;
  writeFileSync(join(dir, 'nginx.conf'), config);
  const child = spawn('nginx', ['-c', join(dir, 'nginx.conf'), '-p', dir], { stdio: 'inherit' });
  for (let tries = 0; tries < 50; tries += 1) {
    const isUp = await fetch(`http://127.0.0.1:${port}/v0.m3u8`).then(
      ({ ok }) => ok,
      () => false,
    );
    if (isUp) return child;
    await sleep(100);
  }
  throw new Error('nginx did not start');
}

async function requests(lectern: Lectern, report: Report): Promise<void> {
  const dir = mkdtempSync(join(tmpdir(), 'lectern-requests-'));
  const source = await startRtpSource();
  let nginx: ChildProcess | undefined;
  try {
    const lesson: Lesson = await lectern.startClass();
    const air = await putOnAir(lectern, lesson, source, 'requests1');
    await sleep(10_000);
    const gateway = () => family(lectern.pid('gateway'));
    const before = cpuSeconds(gateway());
    await sleep(5_000);
    const idle = (cpuSeconds(gateway()) - before) / 5;
    const { pathname, search } = new URL(lesson.play.hls);
    const folder = `${gatewayOf(lectern)}${pathname.replace(/[^/]+$/, '')}requests1/`;
    const playlist = `${folder}v0.m3u8${search}`;
    const text = await (await fetch(playlist)).text();
    const part =
      readPlaylist(text)
        .segments.flatMap(({ parts }) => parts)
        .at(-1)?.uri ?? '';
    const bytes = Buffer.from(await (await fetch(new URL(part, playlist))).arrayBuffer());
    mkdirSync(join(dir, 'files'));
    writeFileSync(join(dir, 'files/v0.m3u8'), text);
    writeFileSync(join(dir, 'files/part.m4s'), bytes);
    const ours = await load(gateway, [playlist, new URL(part, playlist).href], idle);
    air.vanish();
    const port = await freePort();
    nginx = await startNginx(dir, port);
    const { pid = 0 } = nginx;
    const base = `http://127.0.0.1:${port}`;
    const theirs = await load(() => family(pid), [`${base}/v0.m3u8`, `${base}/part.m4s`], 0);
    if (ours.wrong + theirs.wrong > 0)
      throw new Error(`${ours.wrong} and ${theirs.wrong} answers were no 200`);
    report({
      name: 'LL-HLS requests per second of one core (playlist and part in turn)',
      aim: '≥ ½ of nginx',
      measured: measured`${ours.perCore}: ${ours.perCore / theirs.perCore} of nginx`,
      note: measured`nginx with the same bytes as files: ${theirs.perCore}; a playlist has ${text.length} and a part ${bytes.length} bytes; ours checks a signature each time`,
    });
  } finally {
    if (nginx !== undefined) {
      nginx.kill('SIGTERM');
      await once(nginx, 'exit');
    }
    await source.close();
    rmSync(dir, { recursive: true, force: true });
  }
}

export async function run(report: Report): Promise<void> {
  const lectern = await startLectern();
  try {
    const browser = await launchChromium();
    try {
      await latency(browser, lectern, report);
    } finally {
      await browser.close();
    }
    await requests(lectern, report);
  } finally {
    await lectern.stop();
  }
}
