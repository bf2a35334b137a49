// Everyone can use every page: no serious finding of axe-core (WCAG 2.2 AA), in light and in dark, and at a zoom
// of 400 % one column in which every control can be pressed.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { Browser, Page } from 'playwright-core';
import type { Lesson, Recording } from '#shared/contract/rest.ts';
import { findings } from '../support/axe.ts';
import { launchChromium } from '../support/chromium.ts';
import { eventually, startLectern, type Lectern } from '../support/lectern.ts';
import { reflowProblems } from '../support/reflow.ts';
import { useStudio } from '../support/studio.ts';

describe('pages that everyone can use', () => {
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

  for (const colorScheme of ['light', 'dark'] as const) {
    it(`has no serious finding from the home page to the replay, in ${colorScheme}`, async () => {
      const context = await browser.newContext({ colorScheme, locale: 'en-GB', reducedMotion: 'reduce' });
      await useStudio(context);
      const page = await context.newPage();
      const assertClean = async (what: string) => {
        assert.deepEqual(await findings(page), [], what);
      };
      // Colours do not change what has room.
      const assertReflows = async (at: Page, what: string) => {
        if (colorScheme === 'light') assert.deepEqual(await reflowProblems(at), [], what);
      };
      await page.goto(lectern.ownerLink);
      await page.getByRole('button', { name: 'Start a class' }).waitFor();
      await assertClean('home');
      await assertReflows(page, 'home');
      await page.getByRole('button', { name: 'Start a class' }).click();
      await page.getByRole('button', { name: 'Join', exact: true }).waitFor();
      await assertClean('green room');
      await page.getByRole('button', { name: 'Join', exact: true }).click();
      await page.getByRole('button', { name: 'Go live' }).click();
      await page
        .getByText(/LIVE\s+\d/)
        .first()
        .waitFor();
      await assertClean('room');
      await page.getByRole('button', { name: 'Chapters' }).click();
      await page.getByRole('button', { name: 'Mark chapter' }).click();
      await page.getByRole('button', { name: /^Remove/ }).waitFor();
      await assertClean('room with chapters');
      await assertReflows(page, 'room with chapters');
      const id = /\/room\/([a-z0-9]+)/.exec(page.url())?.[1] ?? '';
      const lesson = (await lectern.api('GET', `/lessons/${id}`)) as Lesson;
      const watching = await context.newPage();
      await watching.goto(lesson.links.watch);
      await watching.locator('video[data-picture="playing"]').waitFor();
      assert.deepEqual(await findings(watching), [], 'watch page');
      await assertReflows(watching, 'watch page');
      if (colorScheme === 'light') {
        const owner = await context.newPage();
        for (const path of [`/access/${id}`, '/console']) {
          await owner.goto(`${lectern.url}${path}`);
          await owner.getByRole('heading', { level: 1 }).waitFor();
          await assertReflows(owner, path);
        }
        await owner.close();
      }
      await lectern.api('POST', `/lessons/${id}/end`);
      const recording = await eventually('the recording is ready', async () => {
        const [first] = (await lectern.api('GET', `/recordings?lesson=${id}`)) as Recording[];
        return first?.state === 'ready' && first;
      });
      await page.getByText(/ended/i).first().waitFor();
      await assertClean('ended class');
      await assertReflows(page, 'ended class');
      await watching.goto(recording.replay);
      await watching.getByRole('list', { name: 'Chapters' }).getByRole('button').waitFor();
      assert.deepEqual(await findings(watching), [], 'replay');
      await assertReflows(watching, 'replay');
      await page.goto(`${lectern.url}/replay/${recording.id}`);
      await page.getByText('Edit and share').click();
      await page.getByRole('button', { name: 'Begin here' }).click();
      await assertClean('replay for its owner');
      await assertReflows(page, 'replay for its owner');
      await page.getByRole('button', { name: 'Share' }).click();
      await page.getByRole('button', { name: 'Create a link' }).click();
      await page.getByRole('button', { name: 'End this link' }).waitFor();
      await assertClean('links to the replay');
      await context.close();
    });
  }
});
