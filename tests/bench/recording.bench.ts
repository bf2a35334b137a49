// What a recording costs its viewers: how soon it can be watched, how long a place in it takes, and the files of an
// hour.
import type { Page } from 'playwright-core';
import { Recording } from '#shared/contract/rest.ts';
import { lengthUs, startRig, info } from '../integration/gateway-egress/rig.ts';
import { shoot, shots } from '../integration/gateway-egress/film.ts';
import { watch } from '../e2e/people.ts';
import { percentile } from '../support/av.ts';
import { launchChromium } from '../support/chromium.ts';
import { eventually, startLectern } from '../support/lectern.ts';
import { putOnAir } from '../support/on-air.ts';
import { startRtpSource } from '../support/rtp-source.ts';
import { measured, type Measured, type Report } from './report.ts';

const CLASS_MS = 60_000;
const SEEKS = 30;
const HOUR_US = 3_600_000_000;
const FILM_S = 8;

export async function run(report: Report): Promise<void> {
  await watched(report);
  await files(report);
}

async function watched(report: Report): Promise<void> {
  const lectern = await startLectern();
  const browser = await launchChromium();
  const source = await startRtpSource();
  try {
    const lesson = await lectern.startClass();
    const air = await putOnAir(lectern, lesson, source, 'bench2345678');
    const viewer = await watch(browser, lesson);
    const { page } = viewer;
    const told = (name: string) => page.locator('video').getAttribute(`data-${name}`);
    await eventually('live', async () => (await told('picture')) === 'playing', 30_000);
    const length = async () => (await air.status()).durationMs;
    await eventually('a class of a minute', async () => (await length()) > CLASS_MS, CLASS_MS * 2);
    await page.mouse.move(300, 300);
    await page.keyboard.press('Home');
    await eventually('behind live', async () => (await told('mode')) === 'rewound');
    await eventually('it plays', async () => (await told('picture')) === 'playing', 30_000);
    report({ name: 'time-shift: a place → its picture', aim: 'p95 ≤ 500 ms', measured: await seeks(page) });
    await viewer.leave();

    const ended = performance.now();
    await lectern.api('POST', `/lessons/${lesson.id}/end`);
    air.vanish();
    const recording = await eventually('it is ready', async () => {
      const [first] = Recording.array().parse(await lectern.api('GET', `/recordings?lesson=${lesson.id}`));
      return first?.state === 'ready' ? first : undefined;
    });
    const readyMs = performance.now() - ended;
    const context = await browser.newContext();
    const replay = await context.newPage();
    const opened = performance.now();
    await replay.goto(recording.replay);
    await eventually(
      'it plays',
      async () => (await replay.locator('video').getAttribute('data-state')) === 'playing',
    );
    report({
      name: 'end of class → its replay is ready',
      aim: '≤ 2 s',
      measured: measured`${readyMs} ms`,
      note: measured`its page, opened with an empty cache, plays after ${performance.now() - opened} ms`,
    });
    report({ name: 'replay: a place → its picture', aim: 'p95 ≤ 500 ms', measured: await seeks(replay) });
  } finally {
    await browser.close();
    await source.close();
    await lectern.stop();
  }
}

/** Goes to places all over what there is, and waits for the picture of each. */
async function seeks(page: Page): Promise<Measured> {
  const tookMs = await page.locator('video').evaluate(async (video: HTMLVideoElement, count) => {
    const took: number[] = [];
    const endS = video.seekable.end(0) - 3;
    for (let index = 1; index <= count; index += 1) {
      const began = performance.now();
      const shown = new Promise((resolve) => {
        video.addEventListener('seeked', () => video.requestVideoFrameCallback(resolve), { once: true });
      });
      // All over, and never where it was before: by the golden ratio.
      video.currentTime = ((index * 0.618034) % 1) * endS;
      await shown;
      took.push(performance.now() - began);
    }
    return took;
  }, SEEKS);
  return measured`p95 ${percentile(tookMs, 95)} ms, p50 ${percentile(tookMs, 50)} ms`;
}

async function files(report: Report): Promise<void> {
  const rig = await startRig();
  try {
    const film = await shoot(FILM_S, 2);
    const air = rig.goLive();
    for (let atUs = 0; atUs < HOUR_US; atUs += lengthUs(film)) {
      air.send(shots(film, atUs));
      const written = () => rig.store.recording(info.broadcast)?.timeline.rows.at(-9);
      await eventually('the disk keeps up', () => {
        const row = written();
        return row === undefined || rig.store.recording(info.broadcast)?.timeline.fateOf(row.n) === 'kept';
      });
    }
    air.programme.end();
    await air.ladder.end();
    for (const format of ['mp4', 'flv']) {
      const began = performance.now();
      const answer = await fetch(rig.signed(`/replay/${info.broadcast}.${format}`));
      const firstMs = performance.now() - began;
      let bytes = 0;
      for await (const piece of answer.body ?? []) bytes += piece.length;
      report({
        name: `an hour as ${format.toUpperCase()}: all of it read`,
        aim: '≤ 5 s',
        measured: measured`${(performance.now() - began) / 1_000} s`,
        note: measured`first byte after ${firstMs} ms; ${bytes / 1e6} MB`,
      });
    }
  } finally {
    await rig.close();
  }
}
