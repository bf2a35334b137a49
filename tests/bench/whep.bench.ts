// From the camera to the screen of a WHEP player. The teacher's picture carries the wall clock
// (tests/support/studio.ts), so the player's screen tells its age.
import { setTimeout as sleep } from 'node:timers/promises';
import type { Page } from 'playwright-core';
import { median, percentile } from '../support/av.ts';
import { launchChromium } from '../support/chromium.ts';
import { cpuPercent } from '../support/cost.ts';
import { startLectern } from '../support/lectern.ts';
import { look } from '../support/studio.ts';
import { playWhep } from '../support/whip-whep.ts';
import { arrive, attend, goLive, seesLive, teach } from '../e2e/people.ts';
import { measured, ms, type Report } from './report.ts';

const LOOKS = 80;
const STARTS = 5;
const COST_MS = 10_000;

async function ages(page: Page): Promise<number[]> {
  const seen: number[] = [];
  for (let index = 0; index < LOOKS; index += 1) {
    const sight = await look(page);
    if (sight !== undefined) seen.push(sight.ageMs);
    await sleep(110);
  }
  return seen;
}

/** From the offer to the first picture, in ms. */
async function firstPicture(page: Page, url: string): Promise<number> {
  await playWhep(page, url);
  const first = await page.waitForFunction(() => Reflect.get(window, 'firstPictureMs') as number | undefined);
  return Number(await first.jsonValue());
}

export async function run(report: Report): Promise<void> {
  const lectern = await startLectern();
  const browser = await launchChromium();
  try {
    const teacher = await teach(browser, lectern);
    await goLive(teacher);
    const { lesson } = teacher;
    const whep = `${lectern.url}/whep/${lesson.channel}${new URL(lesson.play.flv).search}`;
    const starts: number[] = [];
    for (let round = 0; round < STARTS; round += 1) {
      const viewer = await arrive(browser);
      starts.push(await firstPicture(viewer.page, whep));
      await viewer.leave();
    }
    report({
      name: 'WHEP player: offer → first picture',
      aim: 'p50 ≤ 600 ms',
      measured: measured`p50 ${ms(median(starts))}`,
      note: measured`${STARTS} players, through the front door`,
    });
    // The same picture in the room, on the same busy machine.
    const student = await attend(browser, lesson, 'Ada');
    await seesLive(student, 'the class in the room');
    await sleep(8_000);
    const room = await ages(student.page);
    await student.leave();
    const cost = () =>
      cpuPercent(
        () => [lectern.pid('sfu')],
        () => sleep(COST_MS),
      );
    const without = await cost();
    const viewer = await arrive(browser);
    await playWhep(viewer.page, whep);
    await seesLive(viewer, 'the class over WHEP');
    await sleep(10_000);
    const seen = await ages(viewer.page);
    report({
      name: 'camera → WHEP player',
      aim: 'p50 ≤ 200 ms',
      measured: measured`p50 ${ms(median(seen))}`,
      note: measured`p95 ${ms(percentile(seen, 95))}; in the room p50 ${ms(median(room))}, p95 ${ms(percentile(room, 95))}`,
    });
    const within = await cost();
    report({
      name: 'Node in the SFU for a WHEP audience, of one core',
      aim: '≤ 2 % more',
      measured: measured`${within} %, without one ${without} %`,
      note: '720p in three layers and a voice; however many watch',
    });
  } finally {
    await browser.close();
    await lectern.stop();
  }
}
