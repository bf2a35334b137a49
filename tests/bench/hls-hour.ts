// hls.js at an LL-HLS class for an hour, or for as long as is asked: does it stall, does its distance to the
// camera grow, do target durations stay, does memory? Not a part of `npm run bench`, for its length:
//   node tests/bench/hls-hour.ts --minutes 60
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { median, percentile } from '../support/av.ts';
import { launchChromium } from '../support/chromium.ts';
import { family, memoryMb } from '../support/cost.ts';
import { openHlsPlayer } from '../support/hls-player.ts';
import { startLectern } from '../support/lectern.ts';
import { putOnAir } from '../support/on-air.ts';
import { startRtpSource } from '../support/rtp-source.ts';

const { values } = parseArgs({ options: { minutes: { type: 'string', default: '60' } } });
const minutes = Number(values.minutes);
/** The start is not part of it. */
const SETTLE_MS = 15_000;

const lectern = await startLectern();
const source = await startRtpSource();
const browser = await launchChromium({ args: ['--enable-precise-memory-info'] });
let failed = false;
try {
  const lesson = await lectern.startClass();
  const air = await putOnAir(lectern, lesson, source, 'longclass1');
  const player = await openHlsPlayer(browser, lesson.play.hls, { backBufferLength: 60 });
  await sleep(SETTLE_MS);
  const before = await player.report();
  let playedS = before.position;
  console.log('minute | latency p50, p95 (s) | stalls | parts | page MB | gateway MB');
  for (let minute = 1; minute <= minutes; minute += 1) {
    await player.restart();
    await sleep(60_000);
    const { latencies, stalls, parts, heapMb, position } = await player.report();
    const memory = memoryMb(family(lectern.pid('gateway'))).toFixed(0);
    const figures = [median(latencies), percentile(latencies, 95)]
      .map((value) => value.toFixed(2))
      .join(', ');
    console.log(
      `${minute} | ${figures} | ${stalls - before.stalls} | ${parts} | ${heapMb.toFixed(0)} | ${memory}`,
    );
    if (position - playedS < 55)
      console.log(`  it played ${(position - playedS).toFixed(1)} s of this minute`);
    playedS = position;
  }
  const { stalls, targets, errors, segments } = await player.report();
  const stalled = stalls - before.stalls;
  console.log(`\n${minutes} minutes: ${stalled} stalls, target durations ${targets.join(' and ')} s,`);
  console.log(
    `${segments} whole segments alongside the parts, errors: ${errors.length === 0 ? 'none' : errors.join(', ')}`,
  );
  failed = stalled > 0 || targets.length !== 2;
  air.vanish();
} finally {
  await browser.close();
  await source.close();
  await lectern.stop();
}
process.exit(failed ? 1 : 0);
