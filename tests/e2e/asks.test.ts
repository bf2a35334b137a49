// A page that is left open asks the server for what may have changed, every few seconds, and no more.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { Browser, BrowserContext, Page } from 'playwright-core';
import type { Lesson } from '#shared/contract/rest.ts';
import { launchChromium } from '../support/chromium.ts';
import { startLectern, type Lectern } from '../support/lectern.ts';
import { putOnAir } from '../support/on-air.ts';
import { startRtpSource } from '../support/rtp-source.ts';
import { useStudio } from '../support/studio.ts';

const LOOK_MS = 6_000;
/** The quickest page asks for three things, each every two seconds. */
const MOST = 12;

describe('a page that is left open', () => {
  let lectern: Lectern;
  let browser: Browser;
  let context: BrowserContext;
  let lesson: Lesson;

  before(async () => {
    lectern = await startLectern();
    browser = await launchChromium();
    context = await browser.newContext({ locale: 'en-GB' });
    await useStudio(context);
    lesson = await lectern.startClass('Quiet');
    const page = await context.newPage();
    await page.goto(lectern.ownerLink);
    await page.getByText('Quiet').waitFor();
    await page.close();
  });
  after(async () => {
    await browser.close();
    await lectern.stop();
  });

  const pages: [string, () => string, (page: Page) => Promise<unknown>][] = [
    [
      'the home page, with a class unfolded',
      () => lectern.url,
      async (page) => {
        await page.locator('button.what').click();
        await page.getByText('Relays', { exact: true }).click();
        await page.getByText('Also stream to…').waitFor();
      },
    ],
    ['the console', () => `${lectern.url}/console`, (page) => page.locator('h1').waitFor()],
    [
      'who may watch',
      () => `${lectern.url}/access/${lesson.id}`,
      (page) => page.locator('form').first().waitFor(),
    ],
    ['a viewer who waits', () => lesson.links.watch, (page) => page.locator('h1').waitFor()],
    ['the green room', () => lesson.links.student, (page) => page.locator('form').waitFor()],
  ];

  for (const [name, address, ready] of pages) {
    it(`does not ask without end: ${name}`, async () => {
      const page = await context.newPage();
      await page.goto(address());
      await ready(page);
      const asked: string[] = [];
      page.on('request', (request) => asked.push(new URL(request.url()).pathname));
      await page.waitForTimeout(LOOK_MS);
      assert.ok(asked.length <= MOST, `${asked.length} requests: ${[...new Set(asked)].join(' ')}`);
      if (name.startsWith('the home')) {
        assert.ok(
          await page.getByRole('button', { name: 'Add', exact: true }).isVisible(),
          'and stays as it is',
        );
      }
      await page.close();
    });
  }

  it('and not because a viewer’s clock is thirteen hours off, either way', async () => {
    const source = await startRtpSource();
    const air = await putOnAir(lectern, lesson, source, 'clocks234567');
    try {
      for (const aheadMs of [13 * 3_600_000, -13 * 3_600_000]) {
        const viewer = await browser.newContext({ locale: 'en-GB' });
        await viewer.addInitScript((ms) => {
          const [now, timeOrigin] = [Date.now.bind(Date), performance.timeOrigin + ms];
          Date.now = () => now() + ms;
          Object.defineProperty(performance, 'timeOrigin', { value: timeOrigin });
        }, aheadMs);
        const page = await viewer.newPage();
        await page.goto(lesson.links.watch);
        await page.locator('video[data-picture="playing"]').waitFor();
        let asked = 0;
        page.on('request', (request) => (asked += request.url().endsWith('/playback') ? 1 : 0));
        await page.waitForTimeout(LOOK_MS);
        // One may have been due from before the picture played.
        assert.ok(asked <= 1, `${asked} times in ${LOOK_MS} ms`);
        await viewer.close();
      }
    } finally {
      air.vanish();
      await source.close();
    }
  });
});
