// What recording costs on top of live: the same classes with it and paused, by turns; alongside nginx-rtmp, with
// `record all` and without.
import { spawn, type ChildProcess } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { cpuPercent, family } from '../support/cost.ts';
import { endChild } from '../support/end-child.ts';
import { freePort } from '../support/free-port.ts';
import { startLectern } from '../support/lectern.ts';
import { putOnAir, type OnAir } from '../support/on-air.ts';
import { startRtpSource, type RtpSource } from '../support/rtp-source.ts';
import { hasNginxRtmp, push, startNginxRtmp } from './peer/nginx-rtmp.ts';
import { measured, type Report } from './report.ts';

const CLASSES = 8;
const SETTLE_MS = 4_000;
const MEASURE_MS = 8_000;
/** With and without, this many times in turn: what the machine does meanwhile falls on both. */
const TURNS = 2;

/** Of each class, in per cent of a core: live alone, and what recording adds (the mean of the turns). */
interface Cost {
  readonly live: number;
  readonly added: number;
}

const mean = (values: readonly number[]): number =>
  values.reduce((sum, value) => sum + value, 0) / values.length;

/** Each class has a viewer over FLV and one over HLS, so that its sound is encoded in any case. */
async function measureOurs(): Promise<Cost> {
  const lectern = await startLectern();
  const children: ChildProcess[] = [];
  const sources: RtpSource[] = [];
  const classes: OnAir[] = [];
  try {
    for (let index = 0; index < CLASSES; index += 1) {
      const source = await startRtpSource();
      sources.push(source);
      const lesson = await lectern.startClass();
      classes.push(await putOnAir(lectern, lesson, source, `recorder${1000 + index}`));
      for (const address of [lesson.play.flv, lesson.play.hls])
        children.push(
          spawn('ffmpeg', ['-v', 'quiet', '-i', address, '-c', 'copy', '-f', 'null', '-'], {
            stdio: 'ignore',
          }),
        );
    }
    const cpuWith = async (choice: 'on' | 'paused') => {
      await Promise.all(classes.map((one) => one.record(choice)));
      await sleep(SETTLE_MS);
      const pids = () => family(lectern.pid('gateway'));
      return (await cpuPercent(pids, () => sleep(MEASURE_MS))) / CLASSES;
    };
    const live: number[] = [];
    const added: number[] = [];
    for (let turn = 0; turn < TURNS; turn += 1) {
      const recorded = await cpuWith('on');
      const alone = await cpuWith('paused');
      live.push(alone);
      added.push(recorded - alone);
    }
    return { live: mean(live), added: mean(added) };
  } finally {
    for (const one of classes) one.vanish();
    for (const child of children) await endChild(child);
    for (const source of sources) await source.close();
    await lectern.stop();
  }
}

/** As many publishers to nginx-rtmp, which writes what comes into an FLV file each; CPU of each in per cent. */
async function cpuOfNginx(isRecording: boolean): Promise<number> {
  const dir = mkdtempSync(join(tmpdir(), 'lectern-peer-'));
  const port = await freePort();
  const record = isRecording ? `record all; record_path ${dir}; record_unique on;` : 'record off;';
  const server = startNginxRtmp(dir, port, record);
  const children = [server];
  try {
    await sleep(1_000);
    for (let index = 0; index < CLASSES; index += 1) {
      children.push(push(`rtmp://127.0.0.1:${port}/live/class${index}`));
    }
    await sleep(SETTLE_MS);
    const ended = children.find(({ exitCode, signalCode }) => exitCode !== null || signalCode !== null);
    if (ended !== undefined) throw new Error(`a part of the peer ended: ${ended.spawnargs.join(' ')}`);
    return (
      (await cpuPercent(
        () => family(server.pid ?? 0),
        () => sleep(MEASURE_MS),
      )) / CLASSES
    );
  } finally {
    for (const child of children.toReversed()) await endChild(child);
    rmSync(dir, { recursive: true, force: true });
  }
}

async function measureNginx(): Promise<Cost> {
  const live: number[] = [];
  const added: number[] = [];
  for (let turn = 0; turn < TURNS; turn += 1) {
    const recorded = await cpuOfNginx(true);
    const alone = await cpuOfNginx(false);
    live.push(alone);
    added.push(recorded - alone);
  }
  return { live: mean(live), added: mean(added) };
}

export async function run(report: Report): Promise<void> {
  const ours = await measureOurs();
  const peer = hasNginxRtmp() ? await measureNginx() : undefined;
  report({
    name: `recording on top of live, each of ${CLASSES} classes of 720p30: gateway CPU`,
    aim: '≤ 0.5 % of a core',
    measured: measured`${ours.added} %`,
    note:
      peer === undefined
        ? 'nginx-rtmp is not installed here'
        : measured`live alone ${ours.live} %; nginx-rtmp with record all adds ${peer.added} % to ${peer.live} %, without HLS or encoding`,
  });
}
