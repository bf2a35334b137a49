// A class that is recorded in part: nothing of a pause is in any file, and everyone sees what is so.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import type { Browser, Page } from 'playwright-core';
import type { Lesson, Recording } from '#shared/contract/rest.ts';
import { decodeErrors, drawnAtMs, median, probe, skewsMs } from '../support/av.ts';
import { launchChromium } from '../support/chromium.ts';
import { eventually, startLectern, type Lectern } from '../support/lectern.ts';
import { countPictures, playInChromium } from '../support/other-players.ts';
import { drawnInImage, look, lookBack } from '../support/studio.ts';
import {
  arrive,
  attend,
  endClass,
  goLive,
  openChat,
  say,
  seesLive,
  teach,
  watch,
  type Person,
} from './people.ts';

/** A press takes a moment to get to the gateway, and what was drawn before it may be on its way. */
const PRESS_MS = 1_000;
const MAX_SKEW_MS = 125;
/** A thumbnail is of the row that begins nearest to the nearest of its moments; both are two seconds apart. */
const THUMBNAIL_NEAR_MS = 2_500;

const caption = (page: Page) => page.locator('.pointed .caption');
const thumbnail = (page: Page) => page.locator('.pointed img');

/** The bar of a player, at which a mouse points. */
async function barOf(page: Page) {
  await page.locator('main').hover();
  const slider = page.getByRole('slider', { name: 'Position' });
  const { x, y, width, height } = (await slider.boundingBox()) ?? assert.fail('no bar');
  return {
    slider,
    pointAt: (share: number) => page.mouse.move(x + share * width, y + height / 2),
    lengthS: async () => Number(await slider.getAttribute('max')),
    /** When the picture that is shown over it was drawn. */
    drawnAtMs: () => eventually('the thumbnail', () => drawnInImage(thumbnail(page)), 60_000),
  };
}

/** The requests of `page` from now on whose address holds `part`, in the order of their start, by the page's clock. */
async function watchRequests(page: Page, part: string) {
  const seen = await page.evaluateHandle((within) => {
    const entries: { startMs: number; endMs: number }[] = [];
    new PerformanceObserver((list) => {
      for (const { name, startTime, responseEnd } of list.getEntries() as PerformanceResourceTiming[])
        if (name.includes(within)) entries.push({ startMs: startTime, endMs: responseEnd });
    }).observe({ type: 'resource' });
    return entries;
  }, part);
  return async () => (await seen.jsonValue()).toSorted((a, b) => a.startMs - b.startMs);
}

describe('a class that is recorded in part', () => {
  let lectern: Lectern;
  let browser: Browser;
  let teacher: Person & { lesson: Lesson };
  let student: Person;
  let viewer: Person;
  let liveAtMs = 0;
  let pausedAtMs = 0;
  let resumedAtMs = 0;
  let recording: Recording;
  /** When the pictures of the files were. */
  let drawn: readonly number[] = [];
  const dir = mkdtempSync(join(tmpdir(), 'lectern-recording-'));

  before(async () => {
    lectern = await startLectern();
    browser = await launchChromium();
  });
  after(async () => {
    await browser.close();
    await lectern.stop();
    rmSync(dir, { recursive: true, force: true });
  });

  const mark = ({ page }: Person, text: RegExp) => page.locator('.status .mark').filter({ hasText: text });
  const recordings = async (lesson: Lesson) =>
    (await lectern.api('GET', `/recordings?lesson=${lesson.id}`)) as Recording[];

  it('tells a student before they join, and shows everyone REC', async () => {
    teacher = await teach(browser, lectern);
    student = await arrive(browser, { studio: true });
    await student.page.goto(teacher.lesson.links.student);
    await student.page.getByText(/This class is recorded/).waitFor();
    await student.leave();
    student = await attend(browser, teacher.lesson, 'Ada');
    await mark(teacher, /Will record/).waitFor();
    await goLive(teacher);
    liveAtMs = Date.now();
    for (const person of [teacher, student]) await mark(person, /^REC$/).waitFor();
    await openChat(student);
    await say(student, 'My number is 555 0100');
    await say(student, 'Why are leaves green?');
    await openChat(teacher);
    await teacher.page.getByText('Why are leaves green?').first().waitFor();
    viewer = await watch(browser, teacher.lesson, 'flv');
    await seesLive(viewer, 'the class over HLS', 45_000, 15_000);
  });

  it('leads the audience to a chapter while it is live, and back', async () => {
    const { page } = viewer;
    const mode = () => page.locator('video').getAttribute('data-mode');
    await lectern.api('POST', `/lessons/${teacher.lesson.id}/recording`, {
      action: 'chapter',
      title: 'Leaves',
    });
    const markedAtMs = Date.now();
    const isOver = async () => {
      const [{ durationMs, startedAtMs } = assert.fail()] = await recordings(teacher.lesson);
      return startedAtMs + durationMs > markedAtMs + 5_000;
    };
    await eventually('some seconds of the chapter', isOver, 30_000);
    // What was marked since the page asked last is there once somebody goes back.
    await page.locator('main').hover();
    await page.keyboard.press('Home');
    await eventually('behind live', async () => (await mode()) === 'rewound');
    await page.getByRole('button', { name: 'Chapters' }).waitFor();
    // From the edge nothing but the press leads to an earlier moment.
    await page.keyboard.press('End');
    await eventually('live again', async () => (await mode()) === 'live');
    await seesLive(viewer, 'the class at its edge', 45_000, 15_000);
    await page.locator('main').hover();
    await page.getByRole('button', { name: 'Chapters' }).click();
    await page.getByRole('menuitem', { name: /· Leaves$/ }).click();
    await eventually(
      'the chapter from its beginning',
      async () => {
        const { drawnAtMs: atMs } = (await look(page)) ?? assert.fail('no picture');
        if (atMs > markedAtMs - PRESS_MS && atMs < markedAtMs + 5_000) return true;
        throw new Error(`${atMs - markedAtMs} ms from it`);
      },
      30_000,
    );
    await page.keyboard.press('End');
    await eventually('live again', async () => (await mode()) === 'live');
    await seesLive(viewer, 'the class at its edge', 45_000, 15_000);
  });

  it('shows what was there at each moment, while somebody points at it', async () => {
    const { page } = viewer;
    const requests = await watchRequests(page, '/thumb-');
    const { pointAt, lengthS, drawnAtMs } = await barOf(page);
    for (let share = 0.9; share > 0.05; share -= 0.01) await pointAt(share);
    assert.equal(await caption(page).getByText('Leaves').count(), 0, 'the chapter has not begun');
    await pointAt(0.95);
    await caption(page).getByText('Leaves').waitFor();
    const share = 0.5;
    await pointAt(share);
    const atMs = share * (await lengthS()) * 1_000;
    const shownMs = await drawnAtMs();
    const overlapping = (await requests()).filter(
      ({ startMs }, index, all) => startMs < (all[index - 1]?.endMs ?? 0),
    );
    assert.deepEqual(overlapping, [], 'one request at a time');
    await page.mouse.down();
    await page.mouse.up();
    const sight = await eventually(
      'the moment plays',
      async () => {
        const seen = await look(page);
        return seen !== undefined && Math.abs(seen.time * 1_000 - atMs) < 10_000 && seen;
      },
      30_000,
    );
    const wasMs = sight.drawnAtMs - sight.time * 1_000 + atMs;
    assert.ok(Math.abs(shownMs - wasMs) <= THUMBNAIL_NEAR_MS, `${shownMs - wasMs} ms from it`);
    await page.keyboard.press('End');
    await seesLive(viewer, 'the class at its edge', 45_000, 15_000);
  });

  it('is paused with one key, and the audience sees the class all the same', async () => {
    await teacher.page.keyboard.press('r');
    pausedAtMs = Date.now();
    for (const person of [teacher, student]) await mark(person, /Paused/).waitFor();
    await eventually('the API says so', async () => {
      const [first] = await recordings(teacher.lesson);
      return first?.state === 'paused';
    });
    const plays = (afterMs: number) =>
      eventually('the pause plays', async () => {
        const sight = await look(viewer.page);
        return sight !== undefined && sight.drawnAtMs > pausedAtMs + afterMs;
      });
    // What was captured before it may still have been on its way.
    await plays(2_000);
    const [paused] = await recordings(teacher.lesson);
    await plays(6_000);
    const [still] = await recordings(teacher.lesson);
    assert.equal(still?.durationMs, paused?.durationMs, 'nothing is added meanwhile');
  });

  it('goes on with a button, and everyone sees that', async () => {
    resumedAtMs = Date.now();
    await teacher.page.getByRole('button', { name: /Resume recording/ }).click();
    for (const person of [teacher, student]) await mark(person, /^REC$/).waitFor();
    await eventually('what comes after it plays', async () => {
      const sight = await look(viewer.page);
      return sight !== undefined && sight.drawnAtMs > resumedAtMs + 4_000;
    });
    await endClass(teacher);
    recording = await eventually('the recording is ready', async () => {
      const [first] = await recordings(teacher.lesson);
      return first?.state === 'ready' && first;
    });
  });

  it('holds in both files what came before and after, and nothing of the pause', async () => {
    const pauseMs = resumedAtMs - pausedAtMs;
    for (const { format, url } of recording.files) {
      const file = join(dir, `class.${format}`);
      writeFileSync(file, Buffer.from(await (await fetch(url)).arrayBuffer()));
      drawn = await drawnAtMs(file, Date.now());
      const within = drawn.filter((atMs) => atMs > pausedAtMs + PRESS_MS && atMs < resumedAtMs);
      assert.deepEqual(within, [], `${format}: pictures of the pause`);
      const before = drawn.filter((atMs) => atMs <= pausedAtMs + PRESS_MS);
      const behind = drawn.filter((atMs) => atMs >= resumedAtMs);
      const lastMs = Math.max(...before);
      const firstMs = Math.min(...behind);
      assert.ok(
        lastMs > pausedAtMs - 2 * PRESS_MS,
        `${format}: ends ${pausedAtMs - lastMs} ms before the press`,
      );
      assert.ok(
        firstMs < resumedAtMs + 2_000,
        `${format}: begins ${firstMs - resumedAtMs} ms after the press`,
      );
      assert.ok(before.length > 60 && behind.length > 60, `${format}: ${before.length} and ${behind.length}`);
      assert.equal(await decodeErrors(file), '', `${format} decodes without a complaint`);
      const { durationS } = await probe(file);
      assert.ok(Math.abs(durationS * 1_000 - recording.durationMs) < 300, `${format} lasts ${durationS} s`);
      const skew = median(await skewsMs(file));
      assert.ok(Math.abs(skew) <= MAX_SKEW_MS, `${format}: ${skew} ms apart`);
      const counted = await countPictures(file, dir);
      assert.equal(counted.gstreamer, counted.ffprobe, `${format}: pictures that GStreamer shows`);
    }
    assert.ok(recording.durationMs < Date.now() - liveAtMs - pauseMs);
    const mp4 = recording.files.find(({ format }) => format === 'mp4')?.url ?? '';
    const played = await playInChromium(browser, mp4);
    assert.ok(Math.abs(played.durationS * 1_000 - recording.durationMs) < 300, `${played.durationS} s`);
    assert.ok(played.soundBytes > 0);
  });

  it('is replayed across the pause without a stop', async () => {
    await viewer.page.goto(recording.replay);
    const seen: number[] = [];
    await eventually(
      'what comes after the pause',
      async () => {
        const sight = await lookBack(viewer.page);
        if (sight !== undefined) seen.push(sight.drawnAtMs);
        return (seen.at(-1) ?? 0) > resumedAtMs + 1_500;
      },
      60_000,
      200,
    );
    assert.deepEqual(
      seen.filter((atMs) => atMs > pausedAtMs + PRESS_MS && atMs < resumedAtMs),
      [],
    );
    const hasEnded = () => viewer.page.locator('video').evaluate((video: HTMLVideoElement) => video.ended);
    await eventually('the end', hasEnded, 60_000);
  });

  it('has nothing of the pause over the bar of the replay either', async () => {
    const { page } = viewer;
    const { slider, pointAt, lengthS, drawnAtMs } = await barOf(page);
    const shown: number[] = [];
    // Until the camera is there a still is shown, of which there is no picture.
    const { startedAtMs } = recording;
    const cameraS = (Math.min(...drawn.filter((atMs) => atMs >= startedAtMs)) - startedAtMs) / 1_000;
    for (let share = (cameraS + THUMBNAIL_NEAR_MS / 1_000) / (await lengthS()); share < 1; share += 0.06) {
      await pointAt(share);
      shown.push(await drawnAtMs());
    }
    assert.deepEqual(
      shown.filter((atMs) => atMs > pausedAtMs + PRESS_MS && atMs < resumedAtMs),
      [],
    );
    assert.deepEqual(
      shown.toSorted((a, b) => a - b),
      shown,
      'in their order',
    );
    assert.ok((shown[0] ?? 0) < pausedAtMs && (shown.at(-1) ?? 0) > resumedAtMs, 'of both parts');

    // By the keyboard, too, with words for those who do not see it.
    await page.mouse.move(20, 20);
    await thumbnail(page).waitFor({ state: 'detached' });
    await slider.press('ArrowLeft');
    await thumbnail(page).waitFor();
    await eventually('its chapter is told', async () =>
      (await slider.getAttribute('aria-valuetext'))?.endsWith(' · Leaves'),
    );
    await slider.blur();
    await thumbnail(page).waitFor({ state: 'detached' });
    assert.deepEqual(viewer.errors, []);
    await viewer.leave();
  });

  it('shows others what its owner leaves of it, by a link to it alone', async () => {
    const { page } = teacher;
    const video = page.locator('video');
    const lengthS = (of = video) => of.evaluate((element: HTMLVideoElement) => element.duration);
    const goTo = async (seconds: number) => {
      await video.evaluate((element: HTMLVideoElement, to) => (element.currentTime = to), seconds);
      await eventually('it is there', () =>
        video.evaluate((element: HTMLVideoElement) => !element.seeking && element.readyState >= 2),
      );
    };
    await page.goto(new URL(`/replay/${recording.id}`, lectern.url).href);
    await eventually('the replay plays', async () => (await lookBack(page)) !== undefined, 60_000);
    await video.evaluate((element: HTMLVideoElement) => element.pause());
    const wholeS = await lengthS();
    await goTo(wholeS - 1);
    await page.getByRole('button', { name: 'Hide the message of Ada in the replay' }).first().click();
    await page.getByText('Hidden from others').waitFor();

    await page.getByText('Edit and share').click();
    await goTo(wholeS - 6);
    await page.getByRole('button', { name: 'End here' }).click();
    await page.getByText('Ends at').waitFor();
    await page.getByRole('button', { name: 'Show only this part' }).click();
    await page.getByText('The replay shows only this part now').waitFor();
    await eventually('it is shorter', async () => (await lengthS()) < wholeS - 5.5, 30_000);
    const shownS = await lengthS();
    assert.ok(shownS > wholeS - 10, `${shownS} s of ${wholeS} s`);

    await page.getByText('Edit and share').click();
    await page.getByRole('button', { name: 'Share' }).click();
    const dialog = page.getByRole('dialog');
    await dialog.getByRole('button', { name: 'Create a link' }).click();
    const link = await dialog.getByRole('textbox', { name: 'Link' }).inputValue();
    const stranger = await arrive(browser);
    await stranger.page.goto(link);
    await eventually('the part plays', async () => (await lookBack(stranger.page)) !== undefined, 60_000);
    assert.ok(Math.abs((await lengthS(stranger.page.locator('video'))) - shownS) < 0.2);
    await stranger.page.locator('video').evaluate((element: HTMLVideoElement) => {
      element.currentTime = element.duration - 1;
    });
    await stranger.page.getByText('Why are leaves green?').waitFor();
    assert.equal(await stranger.page.getByText('555 0100').count(), 0, 'what is hidden');
    assert.equal(await stranger.page.getByText('Edit and share').count(), 0);
    assert.equal(await stranger.page.locator('a[download]').count(), 0);
    await dialog.getByRole('button', { name: 'End this link' }).click();
    await page.getByText(/^The link is ended/).waitFor();
    await stranger.page.reload();
    await stranger.page.getByText('This link was ended').waitFor();
    assert.deepEqual(stranger.errors, []);
    await stranger.leave();
  });

  it('is not recorded where the lesson says so, until somebody starts it, here by the API', async () => {
    const { id, links } = (await lectern.api('POST', '/lessons', {
      title: 'Quiet',
      recording: 'manual',
    })) as Lesson;
    const guest = await arrive(browser, { studio: true });
    await guest.page.goto(links.student);
    await guest.page.getByText(/not being recorded now/).waitFor();
    await teacher.page.goto(links.teacher);
    await teacher.page.getByRole('button', { name: 'Join', exact: true }).click();
    await mark(teacher, /Not recorded/).waitFor();
    await goLive(teacher);
    await mark(teacher, /Not recorded/).waitFor();
    await eventually('it is on air', async () => (await recordings({ id } as Lesson))[0]?.state === 'armed');
    await lectern.api('POST', `/lessons/${id}/recording`, { action: 'start' });
    await mark(teacher, /^REC$/).waitFor();
    await lectern.api('POST', `/lessons/${id}/recording`, { action: 'chapter', title: 'Leaves' });
    await teacher.page.getByRole('button', { name: 'Chapters' }).click();
    await teacher.page.getByRole('list', { name: 'Chapters' }).getByText('Leaves').waitFor();
    await lectern.api('POST', `/lessons/${id}/recording`, { action: 'stop' });
    await mark(teacher, /Not recorded/).waitFor();
    await lectern.api('PATCH', `/lessons/${id}`, { recording: 'always' });
    await mark(teacher, /^REC$/).waitFor();
    assert.equal(await teacher.page.locator('button.mark').count(), 0, 'there is nothing to choose');
    await assert.rejects(() => lectern.api('POST', `/lessons/${id}/recording`, { action: 'stop' }), /409/);
    await guest.leave();
  });

  it('leaves nothing to watch of a class of which nothing was recorded', async () => {
    const lesson = (await lectern.api('POST', '/lessons', { title: 'Off', recording: 'manual' })) as Lesson;
    await teacher.page.goto(lesson.links.teacher);
    await teacher.page.getByRole('button', { name: 'Join', exact: true }).click();
    await goLive(teacher);
    await endClass(teacher);
    await eventually('nothing is listed', async () => (await recordings(lesson)).length === 0);
    assert.deepEqual(teacher.errors, []);
  });
});
