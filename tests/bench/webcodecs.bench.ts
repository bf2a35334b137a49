// What it costs in time to send over HTTPS what the tab encodes itself, alongside WebRTC in the same run: from
// the teacher's camera to a student in the room and to a viewer over HTTP-FLV.
import { setTimeout as sleep } from 'node:timers/promises';
import type { Browser } from 'playwright-core';
import type { Lesson } from '#shared/contract/rest.ts';
import { percentile } from '../support/av.ts';
import { launchChromium } from '../support/chromium.ts';
import { startLectern, type Lectern } from '../support/lectern.ts';
import { look } from '../support/studio.ts';
import { arrive, attend, goLive, seesLive, watch, type Person } from '../e2e/people.ts';
import { measured, type Report } from './report.ts';

type Way = 'webrtc' | 'webcodecs';

const LOOKS = 50;
/** Until a viewer has come to the live edge. */
const SETTLE_MS = 8_000;

interface Ages {
  readonly room: number[];
  readonly flv: number[];
}

async function ages(person: Person): Promise<number[]> {
  const seen: number[] = [];
  for (let index = 0; index < LOOKS; index += 1) {
    const sight = await look(person.page);
    if (sight !== undefined) seen.push(sight.ageMs);
    await sleep(100);
  }
  return seen;
}

async function measure(lectern: Lectern, browser: Browser, way: Way): Promise<Ages> {
  const { id, links } = await lectern.startClass();
  const lesson = (await lectern.api('GET', `/lessons/${id}`)) as Lesson;
  const teacher = await arrive(browser, { studio: true });
  await teacher.page.goto(links.teacher);
  await teacher.page.getByText('Advanced').click();
  await teacher.page.getByLabel('How to send').selectOption(way);
  await teacher.page.getByRole('button', { name: 'Join', exact: true }).click();
  await teacher.page.getByRole('button', { name: 'Go live' }).waitFor();
  const student = await attend(browser, lesson, 'Ada');
  await seesLive(student, 'the teacher in the room');
  const room = await ages(student);
  await student.leave();
  await goLive(teacher);
  const viewer = await watch(browser, lesson);
  await seesLive(viewer, 'the class over HTTP-FLV', 45_000, 8_000);
  await sleep(SETTLE_MS);
  const flv = await ages(viewer);
  await viewer.leave();
  await teacher.leave();
  await lectern.api('POST', `/lessons/${id}/end`);
  return { room, flv };
}

const tell = (times: readonly number[]) =>
  measured`p50 ${percentile(times, 50)} ms, p95 ${percentile(times, 95)} ms`;

export async function run(report: Report): Promise<void> {
  const lectern = await startLectern();
  const browser = await launchChromium();
  try {
    const webrtc = await measure(lectern, browser, 'webrtc');
    const webcodecs = await measure(lectern, browser, 'webcodecs');
    const note = '1280×720, 30/s, loopback';
    report({
      name: 'camera → screen in the room, WebCodecs over HTTPS alongside WebRTC',
      aim: 'p50 ≤ 400 ms',
      measured: measured`${tell(webcodecs.room)}; WebRTC ${tell(webrtc.room)}`,
      note,
    });
    report({
      name: 'camera → screen over HTTP-FLV, WebCodecs over HTTPS alongside WebRTC',
      aim: 'p50 ≤ 400 ms',
      measured: measured`${tell(webcodecs.flv)}; WebRTC ${tell(webrtc.flv)}`,
      note,
    });
  } finally {
    await browser.close();
    await lectern.stop();
  }
}
