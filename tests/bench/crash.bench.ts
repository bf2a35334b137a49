// How long an audience is without a picture when a service is killed: from the SIGKILL to the first picture that
// comes after the longest silence. A real teacher in Chromium; a viewer who asks again as soon as it is cut off.
import { setTimeout as sleep } from 'node:timers/promises';
import type { Lesson } from '#shared/contract/rest.ts';
import { FlvDemuxer } from '#shared/media/flv.ts';
import { goLive, teach } from '../e2e/people.ts';
import { median } from '../support/av.ts';
import { launchChromium } from '../support/chromium.ts';
import { eventually, startLectern } from '../support/lectern.ts';
import { measured, ms, type Report } from './report.ts';

const KILLS = 5;
/** Longer than any return; and so long between two kills that the supervisor does not take them for a loop. */
const BETWEEN_MS = 32_000;
const RETRY_MS = 50;

/** Watches over HTTP-FLV until `signal`; calls `seen` for each picture. */
async function view(lesson: Lesson, signal: AbortSignal, seen: () => void): Promise<void> {
  while (!signal.aborted) {
    try {
      const response = await fetch(lesson.play.flv, { signal });
      const demuxer = new FlvDemuxer();
      for await (const chunk of response.body as unknown as AsyncIterable<Uint8Array>) {
        // 0 is the configuration, 1 a picture (FLV 10.1, E.4.3.1).
        for (const tag of demuxer.readBytes(chunk)) if (tag.type === 'video' && tag.body[1] === 1) seen();
      }
    } catch {
      // Cut off, or not there yet.
    }
    await sleep(RETRY_MS);
  }
}

export async function run(report: Report): Promise<void> {
  const lectern = await startLectern();
  const browser = await launchChromium();
  const over = new AbortController();
  try {
    const teacher = await teach(browser, lectern);
    await goLive(teacher);
    let pictures: number[] = [];
    const viewer = view(teacher.lesson, over.signal, () => pictures.push(performance.now()));
    await eventually('the viewer sees the class', () => pictures.length > 100, 60_000);
    for (const service of ['gateway', 'sfu'] as const) {
      const back: number[] = [];
      for (let kill = 0; kill < KILLS; kill += 1) {
        await sleep(BETWEEN_MS / 2);
        pictures = [];
        const killed = performance.now();
        await lectern.kill(service);
        await sleep(BETWEEN_MS / 2);
        back.push(longestSilenceEnds(pictures, killed) - killed);
      }
      report({
        name: `kill -9 of ${service} → pictures over HTTP-FLV again`,
        aim: '≤ 2 s',
        measured: measured`p50 ${ms(median(back))}, longest ${ms(Math.max(...back))}`,
      });
    }
    over.abort();
    await viewer;
  } finally {
    over.abort();
    await browser.close();
    await lectern.stop();
  }
}

function longestSilenceEnds(pictures: readonly number[], from: number): number {
  let [longest, end, last] = [0, Number.NaN, from];
  for (const at of pictures) {
    if (at - last > longest) [longest, end] = [at - last, at];
    last = at;
  }
  return end;
}
