// The owner's console, as the owner meets it: on a phone, in the dark, in Chinese, by keyboard, and while a
// service is down.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { after, before, describe, it } from 'node:test';
import type { Browser, Page } from 'playwright-core';
import { launchChromium } from '../support/chromium.ts';
import { startLectern, type Lectern } from '../support/lectern.ts';
import { putOnAir, type OnAir } from '../support/on-air.ts';
import { startRtpSource, type RtpSource } from '../support/rtp-source.ts';

const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

async function findings(page: Page): Promise<string[]> {
  await page.evaluate(AXE);
  return page.evaluate(async () => {
    const { axe } = globalThis as unknown as {
      axe: {
        run(options: object): Promise<{ violations: { id: string; nodes: { html: string }[] }[] }>;
      };
    };
    const values = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa'];
    const { violations } = await axe.run({ runOnly: { type: 'tag', values } });
    return violations.flatMap(({ id, nodes }) => nodes.map(({ html }) => `${id}: ${html.slice(0, 200)}`));
  });
}

describe('the console', () => {
  let lectern: Lectern;
  let browser: Browser;
  let source: RtpSource;
  let onAir: OnAir | undefined;

  before(async () => {
    lectern = await startLectern();
    browser = await launchChromium();
    source = await startRtpSource();
  });
  after(async () => {
    onAir?.vanish();
    await source.close();
    await browser.close();
    await lectern.stop();
  });

  const open = async (options: object) => {
    const context = await browser.newContext({ locale: 'en-GB', reducedMotion: 'reduce', ...options });
    const page = await context.newPage();
    return { context, page };
  };

  it('is for the owner alone, and says so', async () => {
    const { context, page } = await open({});
    await page.goto(`${lectern.url}/console`);
    await page.getByRole('heading', { name: 'The console is for the owner' }).waitFor();
    assert.equal(await page.getByRole('meter').count(), 0);
    await context.close();
  });

  it('is one step from the home page by keyboard, and says that nothing is on air', async () => {
    const { context, page } = await open({});
    await page.goto(lectern.ownerLink);
    const link = page.getByRole('link', { name: 'Console' });
    await link.waitFor();
    for (let tabs = 0; tabs < 8 && !(await link.evaluate((el) => el === document.activeElement)); tabs += 1)
      await page.keyboard.press('Tab');
    await page.keyboard.press('Enter');
    await page.getByRole('heading', { name: 'Nothing is on air' }).waitFor();
    assert.equal(new URL(page.url()).pathname, '/console');
    assert.deepEqual(await page.title(), 'Console · Lectern');
    await context.close();
  });

  it('shows a class on air with its figures, on a phone in the dark without a finding or a scroll bar', async () => {
    const lesson = await lectern.startClass('Algebra');
    onAir = await putOnAir(lectern, lesson, source, 'console1');
    const { context, page } = await open({ colorScheme: 'dark', viewport: { width: 360, height: 740 } });
    await page.goto(lectern.ownerLink);
    await page.getByRole('link', { name: 'Console' }).click();
    await page.getByRole('heading', { name: 'Algebra' }).waitFor();
    await page
      .getByText(/\d Mb\/s/)
      .first()
      .waitFor();
    await page.getByText('of a core').first().waitFor();
    await page.getByText(/^\d+ ms (ahead|behind)$/).waitFor();
    await page.getByText('Everything is fine.').or(page.getByText('disk')).first().waitFor();
    assert.deepEqual(await findings(page), []);
    const overflow = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
    assert.ok(overflow <= 0, `${overflow} px too wide`);
    await context.close();
  });

  it('speaks Chinese, in the light', async () => {
    const { context, page } = await open({ locale: 'zh-CN', colorScheme: 'light' });
    await page.goto(lectern.ownerLink);
    await page.getByRole('link', { name: '控制台' }).click();
    await page.getByRole('heading', { name: '正在直播' }).waitFor();
    assert.deepEqual(await findings(page), []);
    await context.close();
  });

  it('goes on while the gateway hangs, and names it', async () => {
    const { context, page } = await open({});
    await page.goto(lectern.ownerLink);
    const pid = lectern.pid('gateway');
    process.kill(pid, 'SIGSTOP');
    try {
      await page.getByRole('link', { name: 'Console' }).click();
      await page.getByText('Gateway is not answering.').waitFor();
      await page.getByText('what is on air cannot be shown').waitFor();
      await page.getByText('Uptime').first().waitFor();
    } finally {
      process.kill(pid, 'SIGCONT');
    }
    await page.getByText('Gateway is not answering.').waitFor({ state: 'hidden' });
    await context.close();
  });
});
