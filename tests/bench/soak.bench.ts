// A class of three hours in a fraction of them: does the gateway's memory stay, and are sound and picture together at
// the end? LECTERN_BENCH_SOAK_H says how many hours, LECTERN_BENCH_SPEED how much faster than real time.
//
// The whole of Lectern runs as it is, in processes of its own, and so does the source that sends RTP to it; but their
// clocks run ten times as fast, and their timers are due ten times as soon (tests/support/fast-clock.ts). So every
// packet of three hours comes in, through the reorder buffer, the sender's clock, the mixer and the encoder of AAC, and
// is written, at ten times the usual rate: what grows with media or with time grows as it would. A pause of the garbage
// collector is ten times as long for it as it would be. The sound card's clock is 30 ppm faster than that of the
// camera, a third of a second after three hours: what counts is how far the sound is from where that puts it.
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import { median } from '../support/av.ts';
import { numberedFilm } from '../support/numbered-source.ts';
import { measured, type Report } from './report.ts';

export interface Hours {
  readonly lengthMs: number;
  readonly recordedMs: number;
  /** Of the gateway after a sixth of the time, half of it and all of it, in MB. */
  readonly memory: readonly number[];
  /** How many pictures were sent, and how many the MP4 holds. */
  readonly sent: number;
  readonly held: number;
  /** How late the sound is at each flash of the first minute and of the last one, in ms. */
  readonly startSkews: readonly number[];
  readonly endSkews: readonly number[];
}

const SPEED = process.env.LECTERN_BENCH_SPEED ?? '10';

const furthest = (skews: readonly number[]): number => Math.max(...skews.map(Math.abs));

export async function run(report: Report): Promise<void> {
  // Before time passes faster.
  numberedFilm();
  const clock = pathToFileURL(join(import.meta.dirname, '../support/fast-clock.ts'));
  clock.search = new URLSearchParams({ speed: SPEED, from: String(Date.now()) }).toString();
  const { stdout } = await promisify(execFile)(
    process.execPath,
    [join(import.meta.dirname, 'soak/hours.ts')],
    { env: { ...process.env, NODE_OPTIONS: `--import=${clock.href}` } },
  );
  const hours = JSON.parse(stdout.trim().split('\n').at(-1) ?? '') as Hours;
  const [first = 0, middle = 0, last = 0] = hours.memory;
  const length = measured`${hours.lengthMs / 3_600_000} h`;
  report({
    name: 'a class of hours, ten times as fast: gateway memory at 1/6, 1/2 and the end',
    aim: 'flat',
    measured: measured`${first}, ${middle}, ${last} MB`,
    note: measured`${length}; ${hours.sent} pictures were sent, ${hours.held} are in the MP4; ${hours.recordedMs / 3_600_000} h are recorded`,
  });
  report({
    name: 'the same: sound against picture in the last minute of the MP4',
    aim: '≤ 40 ms',
    measured: measured`p50 ${median(hours.endSkews)} ms, furthest ${furthest(hours.endSkews)} ms`,
    note: measured`${hours.endSkews.length} flashes; in the first minute p50 ${median(hours.startSkews)} ms, furthest ${furthest(hours.startSkews)} ms`,
  });
}
