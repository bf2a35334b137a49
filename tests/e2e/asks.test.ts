// A page that is left open asks the server for what may have changed, every few seconds, and no more.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { Browser, BrowserContext, Page } from 'playwright-core';
import type { Lesson } from '#shared/contract/rest.ts';
import { launchChromium } from '../support/chromium.ts';
import { startLectern, type Lectern } from '../support/lectern.ts';
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
        await page.getByText('Also stream to …').waitFor();
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
});
