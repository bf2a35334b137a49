// A class of the list, unfolded: what is folded away in it still says how it stands, and opens by keyboard.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { Browser, Page } from 'playwright-core';
import { type Lesson, Recording } from '#shared/contract/rest.ts';
import { findings } from '../support/axe.ts';
import { launchChromium } from '../support/chromium.ts';
import { eventually, startLectern, type Lectern } from '../support/lectern.ts';
import { putOnAir, type OnAir } from '../support/on-air.ts';
import { startRtpSource, type RtpSource } from '../support/rtp-source.ts';

describe('a class in the list', () => {
  let lectern: Lectern;
  let browser: Browser;
  let source: RtpSource;
  let lesson: Lesson;
  let onAir: OnAir | undefined;

  before(async () => {
    lectern = await startLectern({ LECTERN_RELAY_PRIVATE: '1', LECTERN_RECORDINGS_MAX_DAYS: '30' });
    browser = await launchChromium();
    source = await startRtpSource();
    lesson = await lectern.startClass('Algebra');
  });
  after(async () => {
    onAir?.vanish();
    await source.close();
    await browser.close();
    await lectern.stop();
  });

  const unfold = async (options: Parameters<Browser['newContext']>[0] = {}) => {
    const context = await browser.newContext({ locale: 'en-GB', reducedMotion: 'reduce', ...options });
    const page = await context.newPage();
    await page.goto(lectern.ownerLink);
    await page.getByRole('button', { name: /^Algebra/, expanded: false }).click();
    return page;
  };
  /** What is read of a folded part: its name and how it stands. */
  const summary = (page: Page, name: string) => page.getByRole('group', { name }).locator('summary');

  it('folds away what is rarely needed, and opens it by keyboard', async () => {
    const page = await unfold();
    await page.getByLabel('Student link', { exact: true }).waitFor();
    await summary(page, 'Relays').getByText('None').waitFor();
    const server = page.getByRole('group', { name: 'Stream from OBS' }).getByLabel('Server', { exact: true });
    assert.equal(await server.isVisible(), false);
    await page.getByRole('button', { name: 'Copy: Co-teacher link' }).focus();
    await page.keyboard.press('Tab');
    await page.keyboard.press('Enter');
    await server.waitFor();
    await page.keyboard.press('Enter');
    await server.waitFor({ state: 'hidden' });
    await page.context().close();
  });

  it('says of what is folded away how it stands', async () => {
    const page = await unfold();
    const { origin } = new URL(lectern.url);
    const push = [{ url: `${origin.replace('http', 'rtmp')}/nobody/takes-this` }];
    await lectern.api('PUT', `/lessons/${lesson.id}/relays`, { push, pull: null });
    await summary(page, 'Relays').getByText('1 waiting').waitFor();
    onAir = await putOnAir(lectern, lesson, source, 'list2345678');
    await summary(page, 'Relays').getByText('1 trying again').waitFor({ timeout: 30_000 });
    await page.reload();
    await page.getByRole('button', { name: /^Algebra/, expanded: false }).click();
    await summary(page, 'Recordings').getByText('Being recorded').waitFor();
    assert.equal(await page.getByText('Also stream to…').isVisible(), false);
    await page.context().close();
  });

  for (const [colorScheme, locale] of [
    ['light', 'en-GB'],
    ['dark', 'zh-CN'],
  ] as const) {
    it(`is for everyone, in ${colorScheme} and ${locale}, on a phone`, async () => {
      const page = await unfold({ colorScheme, locale, viewport: { width: 360, height: 740 } });
      assert.deepEqual(await findings(page), [], 'folded');
      for (const one of await page.locator('summary').all()) await one.click();
      await page.locator('form.push').waitFor();
      assert.deepEqual(await findings(page), [], 'unfolded');
      const overflow = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
      assert.ok(overflow <= 0, `${overflow} px too wide`);
      await page.context().close();
    });
  }

  it('says when a recording will be deleted, and keeps it by keyboard', async () => {
    await lectern.api('POST', `/lessons/${lesson.id}/end`);
    const page = await unfold({ viewport: { width: 360, height: 740 } });
    const keep = page.getByRole('button', { name: 'Keep' });
    await keep.waitFor({ timeout: 30_000 });
    await page.getByText(/^Will be deleted/).waitFor();
    await keep.focus();
    await page.keyboard.press('Enter');
    const kept = page.getByRole('button', { name: 'Kept', pressed: true });
    await kept.waitFor();
    assert.ok(await kept.evaluate((element) => element === document.activeElement));
    assert.equal(await page.getByText(/^Will be deleted/).count(), 0);
    assert.deepEqual(await findings(page), []);
    await page.keyboard.press('Enter');
    await keep.waitFor();
    await page.goto(`${lectern.url}/console`);
    await page.getByRole('heading', { name: 'To be deleted next' }).waitFor();
    assert.deepEqual(await findings(page), []);
    await page.context().close();
  });

  it('gives a recording a name of its own and deletes it, by keyboard', async () => {
    const page = await unfold({ viewport: { width: 390, height: 740 } });
    await page.getByRole('button', { name: /^More for the recording “/ }).focus();
    await page.keyboard.press('Enter');
    await page.keyboard.press('Enter');
    const dialog = page.getByRole('dialog', { name: 'Rename this recording' });
    assert.equal(await dialog.getByLabel('Title').inputValue(), 'Algebra');
    await page.keyboard.type('Algebra, second half');
    await page.keyboard.press('Enter');
    await dialog.waitFor({ state: 'detached' });
    await page.getByText('Algebra, second half', { exact: true }).waitFor();
    const more = page.getByRole('button', { name: 'More for the recording “Algebra, second half”' });
    await more.focus();
    await page.keyboard.press('Enter');
    assert.deepEqual(await findings(page), []);
    const [recording] = Recording.array().parse(await lectern.api('GET', `/recordings?lesson=${lesson.id}`));
    assert.equal(recording?.title, 'Algebra, second half');
    await page.keyboard.press('ArrowDown');
    await page.keyboard.press('ArrowDown');
    await page.keyboard.press('Enter');
    await page.getByRole('dialog', { name: 'Delete this recording?' }).waitFor();
    assert.deepEqual(await findings(page), []);
    await page.getByRole('button', { name: 'Delete for good' }).press('Enter');
    await page.getByText('Nothing was recorded.').first().waitFor();
    await eventually('the focus is where it was', () =>
      page.evaluate(() => document.activeElement?.tagName === 'SUMMARY'),
    );
    assert.deepEqual(await lectern.api('GET', `/recordings?lesson=${lesson.id}`), []);
    await page.context().close();
  });
});
