// A finger can press every control of every page on a phone: 44 px in both directions, and nothing hangs
// over the edge of the screen.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { Browser, BrowserContext, Page } from 'playwright-core';
import type { Lesson, Recording } from '#shared/contract/rest.ts';
import { launchChromium } from '../support/chromium.ts';
import { eventually, startLectern, type Lectern } from '../support/lectern.ts';
import { useStudio } from '../support/studio.ts';

/** What a finger needs, in CSS px (the platforms' own guidelines; WCAG 2.2 §2.5.8 asks for 24). */
const FINGER_PX = 44;

/** The controls on this page that are too small, and what is wider than the screen. */
function misfits(page: Page): Promise<string[]> {
  return page.evaluate((least) => {
    const controls = 'button, a[href], input, select, textarea, summary, [role=slider]';
    const small = [...document.querySelectorAll<HTMLElement>(controls)]
      .filter((control) => control.checkVisibility({ visibilityProperty: true }))
      // A box is pressed by its words as well.
      .map((control) => ({ control, box: (control.closest('label') ?? control).getBoundingClientRect() }))
      // The link past the header stands above the page until the keyboard comes to it.
      .filter(({ box }) => box.width > 1 && box.bottom > 0 && Math.min(box.width, box.height) < least - 0.5)
      .map(({ control, box }) => {
        const name = control.getAttribute('aria-label') ?? control.textContent.trim();
        return `${name}: ${Math.round(box.width)} × ${Math.round(box.height)}`;
      });
    const { scrollWidth } = document.documentElement;
    return scrollWidth > innerWidth ? [...small, `the page is ${scrollWidth} wide`] : small;
  }, FINGER_PX);
}

describe('a phone', () => {
  let lectern: Lectern;
  let browser: Browser;
  let context: BrowserContext;

  before(async () => {
    lectern = await startLectern();
    browser = await launchChromium();
    context = await browser.newContext({
      viewport: { width: 390, height: 844 },
      hasTouch: true,
      isMobile: true,
      locale: 'en-GB',
      reducedMotion: 'reduce',
    });
    await useStudio(context);
  });
  after(async () => {
    await browser.close();
    await lectern.stop();
  });

  /** A finger that is drawn over the bar sees what is there before it is lifted. */
  async function drags(page: Page): Promise<void> {
    const bar = page.getByRole('slider', { name: 'Position' });
    const { x, y, width, height } = (await bar.boundingBox()) ?? assert.fail('no bar');
    const finger = await context.newCDPSession(page);
    const touch = (type: 'touchStart' | 'touchMove' | 'touchEnd' | 'touchCancel', ...shares: number[]) =>
      finger.send('Input.dispatchTouchEvent', {
        type,
        touchPoints: shares.map((share) => ({ x: x + share * width, y: y + height / 2 })),
      });
    const thumbnail = page.locator('.pointed img');
    const video = (await page.locator('video').boundingBox()) ?? assert.fail('no video');
    const places: number[] = [];
    await touch('touchStart', 0.9);
    for (const share of [0.6, 0.01]) {
      await touch('touchMove', share);
      await thumbnail.waitFor();
      const box = (await thumbnail.boundingBox()) ?? assert.fail('not there');
      const isWithin = box.x >= 0 && box.x + box.width <= 390 && box.y >= video.y;
      assert.ok(isWithin, `${JSON.stringify(box)} is not within ${JSON.stringify(video)}`);
      assert.ok(box.y + box.height < y + height / 2, 'it is above the finger');
      places.push(box.x);
    }
    assert.ok((places[0] ?? 0) > (places[1] ?? 0), 'it goes along');
    await touch('touchEnd');
    await thumbnail.waitFor({ state: 'detached' });
    await eventually('it plays from there', () =>
      page.locator('video').evaluate((video: HTMLVideoElement) => video.currentTime < 0.5 * video.duration),
    );
    // The system takes the finger away, as for a call.
    await touch('touchStart', 0.9);
    await touch('touchMove', 0.6);
    await thumbnail.waitFor();
    await touch('touchCancel');
    await thumbnail.waitFor({ state: 'detached' });
    await finger.detach();
  }

  it('has room for a finger on every control, from the home page to the replay', async () => {
    const page = await context.newPage();
    const assertFits = async (at: Page, what: string) => {
      assert.deepEqual(await misfits(at), [], what);
    };
    await page.goto(lectern.url);
    await page.getByRole('heading').first().waitFor();
    await assertFits(page, 'welcome');
    await page.goto(lectern.ownerLink);
    await page.getByRole('button', { name: 'Start a class' }).tap();
    await page.getByRole('button', { name: 'Join', exact: true }).waitFor();
    await assertFits(page, 'green room');
    const id = /\/room\/([a-z0-9]+)/.exec(page.url())?.[1] ?? '';
    const lesson = (await lectern.api('GET', `/lessons/${id}`)) as Lesson;
    await page.getByRole('button', { name: 'Join', exact: true }).tap();
    await page.getByRole('button', { name: 'Go live' }).tap();
    // What is said before the first picture is not part of the replay.
    await page
      .getByText(/LIVE\s+\d/)
      .first()
      .waitFor();
    await page.getByRole('textbox').fill('Is everyone here?');
    await page.getByRole('button', { name: 'Send' }).tap();
    await page.getByRole('button', { name: /^Delete/ }).waitFor();
    await assertFits(page, 'room with chat');
    await page.getByRole('button', { name: 'Chapters' }).tap();
    await page.getByRole('textbox').fill('A title that is as long as a title of a chapter can be on a phone');
    await page.getByRole('button', { name: 'Mark chapter' }).tap();
    await page.getByRole('button', { name: /^Remove/ }).waitFor();
    await assertFits(page, 'room with chapters');
    await page.getByRole('button', { name: 'Timer', exact: true }).tap();
    await page.getByRole('button', { name: 'Start timer' }).waitFor();
    await assertFits(page, 'timer to start');
    await page.getByRole('button', { name: 'Start timer' }).tap();
    await page.getByRole('dialog').waitFor({ state: 'detached' });
    await page.getByRole('button', { name: 'Timer', exact: true }).tap();
    await page.getByRole('button', { name: '+1 min' }).waitFor();
    await assertFits(page, 'timer that runs');
    await page.getByRole('button', { name: 'Close' }).tap();
    await page.getByRole('button', { name: 'People', exact: true }).tap();
    await page.getByRole('button', { name: 'Invite' }).first().tap();
    await page.getByRole('dialog').waitFor();
    await assertFits(page, 'room with people, and the links');

    const watching = await context.newPage();
    await watching.goto(lesson.links.watch);
    await watching.locator('video[data-picture="playing"]').waitFor();
    const about = watching.getByRole('region', { name: 'About this class' });
    await about.getByText(/^With /).waitFor();
    await about.getByText(/^Started today/).waitFor();
    await assertFits(watching, 'watch page');
    await watching.getByRole('list', { name: 'Chapters' }).getByRole('button').tap();
    await watching.locator('video[data-mode="rewound"]').waitFor();
    await watching.getByRole('slider', { name: 'Position' }).waitFor();
    await assertFits(watching, 'watch page, behind live');

    await lectern.api('POST', `/lessons/${id}/end`);
    const recording = await eventually('the recording is ready', async () => {
      const [first] = (await lectern.api('GET', `/recordings?lesson=${id}`)) as Recording[];
      return first?.state === 'ready' && first;
    });
    await page.getByRole('link', { name: 'Watch the replay' }).waitFor();
    await assertFits(page, 'ended class');
    await watching.goto(recording.replay);
    await watching.getByRole('slider', { name: 'Position' }).waitFor();
    // To the end, where all of the chat is written.
    await watching.keyboard.press('End');
    await watching.getByRole('button', { name: /^Go to/ }).waitFor();
    await watching.getByRole('list', { name: 'Chapters' }).getByRole('button').waitFor();
    await assertFits(watching, 'replay');
    await drags(watching);
    await page.goto(`${lectern.url}/replay/${recording.id}`);
    await page.getByText('Edit and share').tap();
    await page.getByRole('slider', { name: 'Position' }).waitFor();
    await page.keyboard.press('End');
    await page.getByRole('button', { name: /^Hide the message/ }).tap();
    await page.getByRole('button', { name: 'End here' }).tap();
    await assertFits(page, 'replay for its owner');
    await page.getByRole('button', { name: 'Share' }).tap();
    await page.getByRole('button', { name: 'Create a link' }).tap();
    await page.getByRole('button', { name: 'End this link' }).waitFor();
    await assertFits(page, 'links to the replay');
    await page.goto(lectern.url);
    await page.getByRole('button', { expanded: false }).first().waitFor();
    await page.locator('button.what').first().tap();
    await page.getByText('MP4').waitFor();
    await assertFits(page, 'home');
  });
});
