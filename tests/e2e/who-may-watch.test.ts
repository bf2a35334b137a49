// The owner says who may watch, tries it, and hands OBS its key: in the pages, with the real gateway behind.
import assert from 'node:assert/strict';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import type { Browser, Page } from 'playwright-core';
import { ErrorBody } from '#shared/contract/errors.ts';
import { Lesson } from '#shared/contract/rest.ts';
import { findings } from '../support/axe.ts';
import { launchChromium } from '../support/chromium.ts';
import { eventually, startLectern, type Lectern } from '../support/lectern.ts';

/** Where pictures of the pages are kept, for people to look at; none are taken without it. */
const SHOTS = process.env.LECTERN_TEST_SHOTS;

describe('who may watch, in the pages', () => {
  let lectern: Lectern;
  let browser: Browser;
  let lesson: Lesson;
  before(async () => {
    lectern = await startLectern();
    browser = await launchChromium();
    lesson = await lectern.startClass('Photosynthesis');
  });
  after(async () => {
    await browser.close();
    await lectern.stop();
  });

  const signIn = async (options: Parameters<Browser['newContext']>[0] = {}) => {
    const context = await browser.newContext({ locale: 'en-GB', reducedMotion: 'reduce', ...options });
    const page = await context.newPage();
    await page.goto(lectern.ownerLink);
    await page.waitForURL(`${lectern.url}/`);
    return page;
  };
  const shoot = async (page: Page, name: string) => {
    if (SHOTS === undefined) return;
    mkdirSync(SHOTS, { recursive: true });
    await page.screenshot({ path: join(SHOTS, `${name}.png`), fullPage: true });
  };
  /** What the gateway says to somebody who asks for the class; `not-live` comes after all rules. */
  const says = async (address: string) => ErrorBody.parse(await (await fetch(address)).json()).error.code;
  const renewed = async () => Lesson.parse(await lectern.api('GET', `/lessons/${lesson.id}`));

  it('lets a rule be tried before it is saved, and is in force once it is', async () => {
    const page = await signIn();
    await page.getByRole('button', { name: 'More for Photosynthesis' }).click();
    await page.getByRole('menuitem', { name: 'Who may watch' }).click();
    await page.getByRole('heading', { level: 1, name: 'Who may watch' }).waitFor();

    const result = page.getByRole('region', { name: 'Test the rules' }).getByRole('status');
    await page.getByRole('button', { name: 'Test the rules' }).click();
    await result.getByText('May watch', { exact: true }).waitFor();

    await page.getByLabel('Which rule: Addresses').selectOption('own');
    await page.getByLabel('Block these').fill('127.0.0.1\n192.0.2.0/24');
    await page.getByRole('button', { name: 'Test the rules' }).click();
    await result.getByText('May not watch').waitFor();
    await result.getByText('Decided by: Addresses').waitFor();
    await result.getByText('This address is blocked.').waitFor();
    await page.getByLabel('Viewer’s address').fill('198.51.100.7');
    await page.getByRole('button', { name: 'Test the rules' }).click();
    await result.getByText('May watch', { exact: true }).waitFor();
    assert.equal(await says(lesson.play.flv), 'not-live', 'nothing is saved yet');
    await shoot(page, 'access-lesson');

    await page.getByRole('button', { name: 'Save' }).click();
    await page.getByText('Saved. The rules apply now.').waitFor();
    assert.equal(await says(lesson.play.flv), 'forbidden');
    await page.reload();
    const kept = page.getByLabel('Block these');
    await kept.waitFor();
    assert.equal(await kept.inputValue(), '127.0.0.1\n192.0.2.0/24');
    await page.getByLabel('Which rule: Addresses').selectOption('school');
    await page.getByRole('button', { name: 'Save' }).click();
    await eventually('the rule is gone', async () => (await says(lesson.play.flv)) === 'not-live');
    await page.context().close();
  });

  it('names the entry that is no address, and saves nothing', async () => {
    const page = await signIn();
    await page.goto(`${lectern.url}/access/${lesson.id}`);
    await page.getByLabel('Which rule: Addresses').selectOption('own');
    await page.getByLabel('Allow only these').fill('192.0.2.0/24\n10.0.0.0/99');
    await page.getByRole('button', { name: 'Save' }).click();
    await page.getByText('“10.0.0.0/99” is not an address or a network.').waitFor();
    assert.equal(await says(lesson.play.flv), 'not-live');
    await page.context().close();
  });

  it('revokes what was handed out, by keyboard', async () => {
    const page = await signIn();
    await page.goto(`${lectern.url}/access/${lesson.id}`);
    const button = page.getByRole('button', { name: 'Revoke addresses' });
    await button.focus();
    await page.keyboard.press('Enter');
    const dialog = page.getByRole('dialog');
    await dialog.getByText('Revoke all playback addresses?').waitFor();
    await dialog.getByRole('button', { name: 'Revoke addresses' }).press('Enter');
    await page.getByText('Addresses revoked.').waitFor();
    assert.equal(await says(lesson.play.flv), 'signature-invalid');
    assert.equal(await says((await renewed()).play.flv), 'not-live');
    await page.context().close();
  });

  it('sets rules for all classes, on a page of its own', async () => {
    const page = await signIn();
    await page.getByRole('link', { name: 'Who may watch' }).click();
    await page.getByRole('heading', { level: 1, name: 'Who may watch, by default' }).waitFor();
    await page.getByLabel('Require a signed address').uncheck();
    await page.getByRole('button', { name: 'Save' }).click();
    await page.getByText('Saved. The rules apply now.').waitFor();
    const bare = lesson.play.flv.replace(/\?.*/, '');
    assert.equal(await says(bare), 'not-live');
    await page.getByLabel('Require a signed address').check();
    await page.getByRole('button', { name: 'Save' }).click();
    await eventually('it is in force', async () => (await says(bare)) === 'signature-missing');
    await page.context().close();
  });

  it('shows OBS its server and key, and makes a new one', async () => {
    const page = await signIn();
    await page
      .getByRole('button', { name: /Photosynthesis/, expanded: false })
      .first()
      .click();
    const { publish } = await renewed();
    const panel = page.getByRole('group', { name: 'Stream from OBS' });
    await panel.getByText('Stream from OBS').click();
    assert.equal(await panel.getByLabel('Server', { exact: true }).inputValue(), publish?.rtmp.url);
    const key = panel.getByLabel('Stream key', { exact: true });
    assert.equal(await key.inputValue(), publish?.rtmp.key);
    assert.equal(await key.getAttribute('type'), 'password', 'not for anyone who sees the screen');
    await shoot(page, 'stream-from-obs');
    await page.getByRole('button', { name: 'New key' }).click();
    await page.getByRole('dialog').getByRole('button', { name: 'New key' }).click();
    await page.getByText('Copy the new key into your program.').waitFor();
    assert.notEqual(await key.inputValue(), publish?.rtmp.key);
    assert.equal(await key.inputValue(), (await renewed()).publish?.rtmp.key);
    await page.context().close();
  });

  for (const [colorScheme, locale] of [
    ['light', 'en-GB'],
    ['dark', 'zh-CN'],
  ] as const) {
    it(`is for everyone, in ${colorScheme} and ${locale}, on a phone`, async () => {
      const page = await signIn({ colorScheme, locale, viewport: { width: 360, height: 740 } });
      for (const path of ['/access', `/access/${lesson.id}`]) {
        await page.goto(`${lectern.url}${path}`);
        const first = page.locator('form select').first();
        await first.waitFor().catch(async (cause: unknown) => {
          throw new Error(`${path} shows: ${await page.locator('body').innerText()}`, { cause });
        });
        // With all that a rule can show.
        for (const select of await page.locator('form select').all()) {
          const values = await select
            .locator('option')
            .evaluateAll((all) => all.map((option) => (option as HTMLOptionElement).value));
          await select.selectOption(values.includes('own') ? 'own' : 'allow');
        }
        for (const select of await page.locator('form select').all()) {
          if ((await select.locator('option[value=allow]').count()) > 0) await select.selectOption('allow');
        }
        await page.locator('section form button[type=submit]').click();
        await page.locator('section li').first().waitFor();
        assert.deepEqual(await findings(page), [], path);
        const overflow = await page.evaluate(
          () => document.documentElement.scrollWidth - document.documentElement.clientWidth,
        );
        assert.equal(overflow, 0, `${path} is wider than the phone`);
        await shoot(page, `access-${colorScheme}${path.length > 8 ? '-lesson' : ''}-phone`);
      }
      await page.context().close();
    });
  }
});
