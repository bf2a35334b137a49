// How fast a class is: from the click to the picture, and from the camera to every kind of screen.
// The teacher's picture carries the wall clock (tests/support/studio.ts), so a viewer's screen tells its age.
import { setTimeout as sleep } from 'node:timers/promises';
import type { Browser, Page } from 'playwright-core';
import type { Lesson } from '#shared/contract/rest.ts';
import { FlvDemuxer } from '#shared/media/flv.ts';
import { median, percentile } from '../support/av.ts';
import { launchChromium } from '../support/chromium.ts';
import { family, memoryMb } from '../support/cost.ts';
import { eventually, startLectern } from '../support/lectern.ts';
import { startOfBroadcast } from '../support/start-of-broadcast.ts';
import { look } from '../support/studio.ts';
import { arrive, endClass, goLive, seesLive, teach, watch, type Person } from '../e2e/people.ts';
import { measured, ms, type Report } from './report.ts';

const JOINS = 7;
const LOOKS = 60;
const FLV_REQUESTS = 50;

/** Resolves, in the page, with the ms since the call until a picture is on screen. */
function untilPicture(page: Page): Promise<number> {
  return page.evaluate(
    () =>
      new Promise<number>((resolve) => {
        const started = performance.now();
        const check = () => {
          const shown = [...document.querySelectorAll('video')].some(
            (video) => video.videoWidth > 0 && video.getVideoPlaybackQuality().totalVideoFrames > 0,
          );
          if (shown) resolve(performance.now() - started);
          else requestAnimationFrame(check);
        };
        check();
      }),
  );
}

async function joinTimes(browser: Browser, lesson: Lesson): Promise<number[]> {
  const times: number[] = [];
  for (let round = 0; round < JOINS; round += 1) {
    const student = await arrive(browser);
    await student.page.goto(lesson.links.student);
    await student.page.getByLabel(/name/i).fill(`Student ${round}`);
    const join = student.page.getByRole('button', { name: 'Join', exact: true });
    await join.waitFor();
    await sleep(1_000);
    const picture = untilPicture(student.page);
    await join.click();
    times.push(await picture);
    await student.leave();
  }
  return times;
}

async function ages(person: Person): Promise<number[]> {
  const seen: number[] = [];
  for (let index = 0; index < LOOKS; index += 1) {
    const sight = await look(person.page);
    if (sight !== undefined) seen.push(sight.ageMs);
    await sleep(120);
  }
  return seen;
}

/** Time from the request to the first key frame on the socket, in ms. */
async function firstFrameMs(address: string): Promise<number> {
  const started = performance.now();
  const cancel = new AbortController();
  const response = await fetch(address, { signal: cancel.signal });
  const demuxer = new FlvDemuxer();
  try {
    for await (const chunk of response.body as unknown as AsyncIterable<Uint8Array>) {
      for (const tag of demuxer.readBytes(chunk)) {
        // A key frame (1) of AVC (7), and not the sequence header.
        if (tag.type === 'video' && tag.body[0] === 0x17 && tag.body[1] === 1)
          return performance.now() - started;
      }
    }
    throw new Error('the stream ended without a picture');
  } finally {
    cancel.abort();
  }
}

async function hlsPlayable(lesson: Lesson): Promise<void> {
  await eventually(
    'HLS plays',
    async () => {
      const master = await fetch(lesson.play.hls);
      if (!master.ok) return undefined;
      const variant = (await master.text()).split('\n').find((line) => line !== '' && !line.startsWith('#'));
      if (variant === undefined) return undefined;
      const media = new URL(variant, lesson.play.hls);
      const segment = (await (await fetch(media)).text())
        .split('\n')
        .find((line) => line !== '' && !line.startsWith('#'));
      return segment !== undefined && (await fetch(new URL(segment, media))).ok;
    },
    20_000,
    20,
  );
}

async function scriptKb(page: Page): Promise<number> {
  const bytes = await page.evaluate(() =>
    performance
      .getEntriesByType('resource')
      .filter((entry) => /\.js(\?|$)/.test(entry.name))
      .reduce((sum, entry) => sum + (entry as PerformanceResourceTiming).encodedBodySize, 0),
  );
  return bytes / 1024;
}

export async function run(report: Report): Promise<void> {
  const lectern = await startLectern();
  const browser = await launchChromium();
  const services = () => [...family(lectern.pid('gateway')), ...family(lectern.pid('sfu'))];
  try {
    const idleMb = memoryMb(services());
    const teacher = await teach(browser, lectern);
    const joins = await joinTimes(browser, teacher.lesson);
    report({
      name: 'student: click Join → first video frame',
      aim: 'p50 ≤ 0.6 s',
      measured: measured`p50 ${ms(median(joins))}`,
    });

    const student = await arrive(browser);
    await student.page.goto(teacher.lesson.links.student);
    await student.page.getByLabel(/name/i).fill('Ada');
    await student.page.getByRole('button', { name: 'Join', exact: true }).click();
    await seesLive(student, 'the class');
    await sleep(8_000);
    const room = await ages(student);
    report({
      name: "camera → student's screen",
      aim: 'p95 ≤ 250 ms',
      measured: measured`p95 ${ms(percentile(room, 95))}`,
      note: measured`p50 ${ms(median(room))}; encoder, decoder and this measurement share the machine`,
    });
    await student.leave();

    const playable = hlsPlayable(teacher.lesson).then(() => performance.now());
    const clicked = performance.now();
    await goLive(teacher);
    report({ name: 'Go live → HLS playable', aim: '≤ 2 s', measured: ms((await playable) - clicked) });

    const firstFrames: number[] = [];
    for (let index = 0; index < FLV_REQUESTS; index += 1)
      firstFrames.push(await firstFrameMs(teacher.lesson.play.flv));
    report({
      name: 'HTTP-FLV viewer: request → first frame',
      aim: 'p99 ≤ 300 ms',
      measured: measured`p99 ${ms(percentile(firstFrames, 99))}`,
      note: measured`p50 ${ms(median(firstFrames))}, through the front door`,
    });

    const flv = await watch(browser, teacher.lesson);
    await seesLive(flv, 'the class over FLV', 45_000, 8_000);
    report({
      name: 'watch page: JavaScript until the first frame, compressed',
      aim: '≤ 250 KB with the player',
      measured: measured`${await scriptKb(flv.page)} KB`,
    });
    await sleep(10_000);
    const overFlv = await ages(flv);
    report({
      name: 'camera → HTTP-FLV viewer',
      aim: 'p50 ≤ 400 ms',
      measured: measured`p50 ${ms(median(overFlv))}`,
    });
    await flv.leave();

    const hls = await watch(browser, teacher.lesson, 'flv');
    await seesLive(hls, 'the class over HLS', 60_000, 20_000);
    await sleep(15_000);
    report({
      name: 'camera → HLS viewer',
      aim: '≤ 6 s',
      measured: measured`p50 ${ms(median(await ages(hls)))}`,
    });
    await hls.leave();

    report({
      name: 'memory added by a live class (gateway + sfu)',
      aim: '≤ 60 MB',
      measured: measured`${memoryMb(services()) - idleMb} MB`,
    });
    await endClass(teacher);
    const { lostMs, skews } = await startOfBroadcast(lectern, teacher.lesson);
    report({
      name: 'audio lost at the start of a broadcast',
      aim: '0 ms',
      measured: ms(Math.max(0, lostMs)),
    });
    report({
      name: 'sound against picture, from the first frame',
      aim: '≤ 40 ms',
      measured: measured`first ${ms(skews[0] ?? Number.NaN)}, p50 ${ms(median(skews))}`,
      note: 'the test’s own camera adds 10–40 ms',
    });
  } finally {
    await browser.close();
    await lectern.stop();
  }
}
