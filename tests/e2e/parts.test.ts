// A class that stops for a break and goes live again: its audience has one replay, with a mark where it went on.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { Browser } from 'playwright-core';
import { type Lesson, Recording } from '#shared/contract/rest.ts';
import { findings } from '../support/axe.ts';
import { launchChromium } from '../support/chromium.ts';
import { eventually, startLectern, type Lectern } from '../support/lectern.ts';
import { lookBack } from '../support/studio.ts';
import { arrive, attend, endClass, goLive, openChat, say, teach, watch, type Person } from './people.ts';

/** Each part is at least so long, in ms. */
const PART_MS = 12_000;
/** Sound may begin so much before the picture, in ms; the length of a recording is that of its sound. */
const PICTURE_LATE_MS = 1_500;
/** How far what is shown may be from where it is looked for, in ms: a segment, and a look at the page. */
const NEAR_MS = 3_000;

describe('a class that went on after a break', () => {
  let lectern: Lectern;
  let browser: Browser;
  let teacher: Person & { lesson: Lesson };
  let student: Person;
  let viewer: Person;
  let parts: Recording[];
  /** When the message of the second part was written. */
  let writtenAtMs = 0;

  before(async () => {
    lectern = await startLectern();
    browser = await launchChromium();
  });
  after(async () => {
    await browser.close();
    await lectern.stop();
  });

  /** Its recordings, the oldest first. */
  const recordings = async () => {
    const list = await lectern.api('GET', `/recordings?lesson=${teacher.lesson.id}`);
    return Recording.array().parse(list).toReversed();
  };
  const isRecorded = (index: number, ms: number) =>
    eventually(
      `${ms} ms of part ${index + 1}`,
      async () => ((await recordings())[index]?.durationMs ?? 0) > ms,
      60_000,
    );
  const video = () => viewer.page.locator('video');
  const positionS = () => video().evaluate((element: HTMLVideoElement) => element.currentTime);
  const goTo = (toS: number) =>
    video().evaluate((element: HTMLVideoElement, atS) => void (element.currentTime = atS), toS);
  /** Resolves with where the picture is, in s, once it is one that was drawn in this time. */
  const sees = (what: string, fromMs: number, toMs: number) =>
    eventually(
      what,
      async () => {
        const sight = await lookBack(viewer.page);
        return sight !== undefined && sight.drawnAtMs >= fromMs && sight.drawnAtMs < toMs && sight.time;
      },
      30_000,
      200,
    );

  it('leaves two recordings, of which each says with which one the class began', async () => {
    teacher = await teach(browser, lectern);
    student = await attend(browser, teacher.lesson, 'Ada');
    await openChat(student);
    await goLive(teacher);
    await say(student, 'In the first part');
    await isRecorded(0, PART_MS);
    await teacher.page.getByRole('button', { name: 'Stop broadcast' }).click();
    await teacher.page.getByText('In the room only').waitFor();
    await say(student, 'In the break');
    await eventually('the first is ready', async () => (await recordings())[0]?.state === 'ready');
    await goLive(teacher);
    await isRecorded(1, PART_MS / 2);
    writtenAtMs = Date.now();
    await say(student, 'In the second part');
    await isRecorded(1, PART_MS);
    await endClass(teacher);
    parts = await eventually('both are ready', async () => {
      const all = await recordings();
      return all.length === 2 && all.every(({ state }) => state === 'ready') && all;
    });
    assert.deepEqual(
      parts.map(({ firstPart }) => firstPart),
      [parts[0]!.id, parts[0]!.id],
    );
  });

  it('is one replay for its audience, as long as both together', async () => {
    viewer = await watch(browser, teacher.lesson);
    const { page } = viewer;
    const links = page.getByRole('link', { name: /^Watch the replay/ });
    await links.waitFor();
    assert.equal(await links.count(), 1);
    await links.click();
    await sees('its first pictures', 0, parts[0]!.startedAtMs + NEAR_MS);
    const sumMs = parts.reduce((sum, { durationMs }) => sum + durationMs, 0);
    const shownMs = await video().evaluate((element: HTMLVideoElement) => element.duration * 1_000);
    assert.ok(Math.abs(shownMs - sumMs) < PICTURE_LATE_MS, `${shownMs} of ${sumMs} ms`);
  });

  it('has a mark where the second part begins, and plays over it', async () => {
    const { page } = viewer;
    const [first, second] = parts as [Recording, Recording];
    assert.equal(await page.locator('.tick').count(), 1);
    await page.getByRole('list', { name: 'Parts' }).getByRole('button', { name: 'Part 2' }).click();
    const seamS = await sees(
      'the second part from its beginning',
      second.startedAtMs,
      second.startedAtMs + NEAR_MS,
    );
    const share = await page
      .locator('.tick')
      .evaluate((tick: HTMLElement) => Number.parseFloat(tick.style.left) / 100);
    const lengthS = await video().evaluate((element: HTMLVideoElement) => element.duration);
    const markMs = share * lengthS * 1_000;
    assert.ok(Math.abs(markMs - first.durationMs) < PICTURE_LATE_MS, `marked at ${markMs} ms`);
    assert.ok(Math.abs(seamS * 1_000 - markMs) < NEAR_MS, `seen at ${seamS} s, marked at ${markMs} ms`);

    await goTo(share * lengthS - 3);
    await sees('the end of the first part', second.startedAtMs - 60_000, second.startedAtMs);
    await page.getByText(/^Part 1 · /).waitFor();
    await page.getByText(/^Part 2 · /).waitFor();
    await sees('the second part', second.startedAtMs, Date.now());
    await eventually('it goes on', async () => (await positionS()) > share * lengthS + 2);
    await page.getByText(/^Part 2 · /).waitFor({ state: 'detached' });
    assert.deepEqual(await findings(page), []);
  });

  it('has the chat of both parts, each message in its place', async () => {
    const { page } = viewer;
    const [first, second] = parts as [Recording, Recording];
    const message = (text: string) => page.getByRole('article').filter({ hasText: text });
    await page.keyboard.press('Home');
    await message('In the second part').waitFor({ state: 'detached' });
    await goTo(first.durationMs / 1_000 - 4);
    await message('In the first part').waitFor();
    assert.equal(await message('In the break').count(), 0);
    await message('In the break').waitFor();
    await message('In the second part').waitFor({ timeout: 60_000 });
    const at = (await message('In the second part').getByRole('button').textContent()) ?? '';
    const [minutes = 0, seconds = 0] = at.split(':').map(Number);
    const expectedS = (first.durationMs + writtenAtMs - second.startedAtMs) / 1_000;
    assert.ok(Math.abs(minutes * 60 + seconds - expectedS) < 4, `${at}, written at ${expectedS} s`);
    await page.getByRole('textbox', { name: 'Search chat and chapters' }).fill('second part');
    await page
      .getByRole('list', { name: 'What was found' })
      .getByRole('button', { name: /In the second part/ })
      .click();
    await sees('what was shown then', writtenAtMs - NEAR_MS, writtenAtMs + NEAR_MS);
  });

  it('offers the files of each part, and the page of the second begins with it', async () => {
    const { page } = viewer;
    const [, second] = parts as [Recording, Recording];
    await page.goto(second.replay);
    await sees('the second part', second.startedAtMs, second.startedAtMs + 2 * NEAR_MS);
    await page.keyboard.press('Home');
    await sees('the first part', 0, second.startedAtMs);
    const files = page.getByRole('region', { name: 'Download' }).getByRole('link');
    const names = await files.evaluateAll((links) => links.map((link) => link.getAttribute('aria-label')));
    assert.deepEqual(
      names.map((name) => name?.replace(/,.*/, '')),
      ['Part 1 · MP4', 'Part 1 · FLV', 'Part 2 · MP4', 'Part 2 · FLV'].map((name) => `Download: ${name}`),
    );
    assert.deepEqual(viewer.errors, []);
    await viewer.leave();
  });

  it('is in the list of classes once, with its parts below it', async () => {
    const owner = await arrive(browser);
    const { page } = owner;
    await page.goto(lectern.ownerLink);
    await page.getByRole('button', { name: new RegExp(`^${teacher.lesson.title}`), expanded: false }).click();
    const list = page.getByRole('group', { name: 'Recordings' });
    await list.getByText('Part 2', { exact: true }).waitFor();
    assert.equal(await list.getByRole('link', { name: 'Watch the replay' }).count(), 1);
    assert.equal(await list.locator('a[download]').count(), 4);
    assert.deepEqual(await findings(page), []);
    // One of them can be deleted; the other stays.
    await list
      .getByRole('button', { name: /^More for the recording/ })
      .last()
      .click();
    await page.getByRole('menuitem', { name: 'Delete' }).click();
    await page
      .getByRole('dialog')
      .getByRole('button', { name: /Delete/ })
      .click();
    await list.getByText('Part 2', { exact: true }).waitFor({ state: 'detached' });
    assert.equal(await list.locator('a[download]').count(), 2);
    await owner.leave();
  });
});
