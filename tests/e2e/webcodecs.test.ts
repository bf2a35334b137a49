// A teacher whose network lets no WebRTC through: the tab encodes by itself and sends over HTTPS.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import type { Browser } from 'playwright-core';
import type { Lesson } from '#shared/contract/rest.ts';
import { capture, decodeErrors, median, skewsMs } from '../support/av.ts';
import { launchChromium } from '../support/chromium.ts';
import { eventually, startLectern, type Lectern } from '../support/lectern.ts';
import { arrive, attend, goLive, seesLive, teach, watch, type Person } from './people.ts';

/** The ear forgives 45 ms of early and 125 ms of late sound (ITU-R BT.1359-1); machines that test are busy. */
const MAX_SKEW_MS = 125;
/** The SFU listens on IPv4 alone: at this address neither UDP nor TCP gets through to it. */
const UNREACHABLE = '::1';

describe('a class from a network that blocks WebRTC', () => {
  let lectern: Lectern;
  let browser: Browser;
  let teacher: Person & { lesson: Lesson };
  let viewer: Person;
  const dir = mkdtempSync(join(tmpdir(), 'lectern-webcodecs-'));

  before(async () => {
    lectern = await startLectern({ LECTERN_RTC_IP: UNREACHABLE });
    browser = await launchChromium();
  });
  after(async () => {
    await browser.close();
    await lectern.stop();
    rmSync(dir, { recursive: true, force: true });
  });

  it('goes over to HTTPS by itself, and says so', async () => {
    teacher = await teach(browser, lectern);
    await teacher.page.getByText(/are sent over HTTPS/).waitFor({ timeout: 30_000 });
    await eventually('the encoder is in the room', () =>
      lectern.log.some((line) => line.msg === 'encoder came' && line.kind === 'webcodecs'),
    );
  });

  it('is not on air before the teacher says so', async () => {
    const lesson = (await lectern.api('GET', `/lessons/${teacher.lesson.id}`)) as Lesson;
    assert.notEqual(lesson.state, 'live');
  });

  it('goes live: the audience sees the teacher move over HTTP-FLV', async () => {
    viewer = await watch(browser, teacher.lesson);
    await goLive(teacher);
    const sight = await seesLive(viewer, 'the class over HTTP-FLV', 45_000, 8_000);
    assert.equal(sight.source, 'camera');
    assert.deepEqual([sight.width, sight.height], [1280, 720]);
  });

  it('keeps sound and picture together', async () => {
    const file = join(dir, 'flv.mkv');
    await capture(teacher.lesson.play.flv, file, 8);
    assert.equal(await decodeErrors(file), '');
    const skews = await skewsMs(file);
    assert.ok(skews.length >= 3, `flashes with a beep: ${skews.length}`);
    assert.ok(Math.abs(median(skews)) <= MAX_SKEW_MS, `sound and picture are ${median(skews)} ms apart`);
  });

  it('shows a shared screen in place of the camera, and the camera again', async () => {
    await teacher.page.getByRole('button', { name: 'Share screen' }).click();
    const shows = (source: 'camera' | 'screen') =>
      eventually(
        `the ${source}`,
        async () => (await seesLive(viewer, source, 10_000, 8_000)).source === source,
        30_000,
      );
    await shows('screen');
    await teacher.page.getByRole('button', { name: 'Stop sharing' }).first().click();
    await shows('camera');
  });

  it('goes on after the gateway was killed, under the same key', async () => {
    await lectern.kill('gateway');
    await seesLive(viewer, 'the class after the gateway came back', 60_000, 8_000);
  });

  it('raised no error in a page', () => {
    assert.deepEqual([...teacher.errors, ...viewer.errors], []);
  });
});

describe('a teacher who chooses HTTPS', () => {
  let lectern: Lectern;
  let browser: Browser;

  before(async () => {
    lectern = await startLectern();
    browser = await launchChromium();
  });
  after(async () => {
    await browser.close();
    await lectern.stop();
  });

  it('is seen in the room by who has WebRTC, and hears no echo', async () => {
    const { id, links } = await lectern.startClass();
    const lesson = (await lectern.api('GET', `/lessons/${id}`)) as Lesson;
    const teacher = await arrive(browser, { studio: true });
    await teacher.page.goto(links.teacher);
    await teacher.page.getByText('Advanced').click();
    await teacher.page.getByLabel('How to send').selectOption('webcodecs');
    await teacher.page.getByRole('button', { name: 'Join', exact: true }).click();
    await teacher.page.getByRole('button', { name: 'Go live' }).waitFor();
    const student = await attend(browser, lesson, 'Ada');
    const sight = await seesLive(student, "the teacher's picture on the student's screen");
    assert.equal(sight.source, 'camera');
    const voices = await teacher.page
      .locator('audio')
      .evaluateAll(
        (elements) => elements.filter((element) => (element as HTMLAudioElement).srcObject !== null).length,
      );
    // Ada's microphone is off; all that could sound is the teacher's own.
    assert.equal(voices, 0);
    assert.deepEqual([...teacher.errors, ...student.errors], []);
  });
});
