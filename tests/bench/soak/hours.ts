// A class of some hours in a process of its own, under a clock that is faster (tests/support/fast-clock.ts), as the
// Lectern that it starts is: every packet is sent, every fragment and every row is written. Prints what it measured as
// one line of JSON.
import { execFileSync } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';
import { Recording } from '#shared/contract/rest.ts';
import { median, skewsMs } from '../../support/av.ts';
import { family, memoryMb } from '../../support/cost.ts';
import { eventually, startLectern } from '../../support/lectern.ts';
import { startNumberedSource } from '../../support/numbered-source.ts';
import { putOnAir } from '../../support/on-air.ts';
import type { Hours } from '../soak.bench.ts';

const HOUR_MS = 3_600_000;
/** The sound card's clock against the camera's. */
const DRIFT_PPM = 30;
/** The memory of a moment is the median of so many looks at it, this far apart: garbage comes and goes. */
const LOOKS = 9;
const LOOK_EVERY_MS = 10_000;
/** Of the start and of the end so much is looked at. */
const MINUTE_S = 60;

/** Of the faster clock. */
const READY_MS = 300_000;

const lengthMs = Number(process.env.LECTERN_BENCH_SOAK_H ?? 3) * HOUR_MS;
const lectern = await startLectern();
const source = await startNumberedSource(DRIFT_PPM);
try {
  const lesson = await lectern.startClass();
  const air = await putOnAir(lectern, lesson, source, 'soak23456789');
  const beganMs = performance.now();
  const memoryAt = async (part: number): Promise<number> => {
    await sleep(Math.max(0, beganMs + lengthMs * part - performance.now()));
    const looks: number[] = [];
    for (let look = 0; look < LOOKS; look += 1) {
      looks.push(memoryMb(family(lectern.pid('gateway'))));
      await sleep(LOOK_EVERY_MS);
    }
    return median(looks);
  };
  const memory = [await memoryAt(1 / 6), await memoryAt(1 / 2), await memoryAt(1)];
  const { durationMs } = await air.status();
  source.sendTo(undefined);
  const sent = source.sent.length;
  await lectern.api('POST', `/lessons/${lesson.id}/end`);
  air.vanish();
  const recording = await eventually(
    'it is ready',
    async () => {
      const [first] = Recording.array().parse(await lectern.api('GET', `/recordings?lesson=${lesson.id}`));
      return first?.state === 'ready' ? first : undefined;
    },
    READY_MS,
  );
  const mp4 = recording.files.find(({ format }) => format === 'mp4')?.url ?? '';
  const held = Number(
    execFileSync(
      'ffprobe',
      ['-v', 'error', '-select_streams', 'v', '-show_entries', 'stream=nb_frames', '-of', 'csv=p=0', mp4],
      { encoding: 'utf8' },
    ),
  );
  const endS = recording.durationMs / 1_000;
  /** How late the sound is against where its drift has brought it, in ms. */
  const offMs = async (fromS: number) =>
    (await skewsMs(mp4, { fromS, forS: MINUTE_S })).map((skew) => skew + (DRIFT_PPM * fromS) / 1_000);
  const hours: Hours = {
    lengthMs: durationMs,
    recordedMs: recording.durationMs,
    memory,
    sent,
    held,
    startSkews: await offMs(0),
    endSkews: await offMs(endS - MINUTE_S - 5),
  };
  process.stdout.write(`${JSON.stringify(hours)}\n`);
} finally {
  await source.close();
  await lectern.stop();
}
process.exit(0);
