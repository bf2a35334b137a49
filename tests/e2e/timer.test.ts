// The timer of a class: started by who teaches, seen by everyone, and the same after the SFU was killed.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { Browser, Page } from 'playwright-core';
import type { Lesson } from '#shared/contract/rest.ts';
import { findings } from '../support/axe.ts';
import { launchChromium } from '../support/chromium.ts';
import { startLectern, type Lectern } from '../support/lectern.ts';
import { reflowProblems } from '../support/reflow.ts';
import { attend, teach, type Person } from './people.ts';

/** The shortest timer, and a busy machine. */
const UP_LIMIT_MS = 90_000;
const PHONE = { width: 390, height: 844 };
/** As long as one line of a phone does not hold. */
const LABEL = 'Read page 12 and answer questions 3 to 7 by yourselves';
/** Two pages that are looked at one after the other. */
const APART_S = 4;

describe('the timer of a class', () => {
  let lectern: Lectern;
  let browser: Browser;
  let teacher: Person & { lesson: Lesson };
  let student: Person;
  const people: Person[] = [];

  before(async () => {
    lectern = await startLectern();
    browser = await launchChromium();
    teacher = await teach(browser, lectern);
    student = await attend(browser, teacher.lesson, 'Ada');
    people.push(teacher, student);
    await student.page.getByRole('button', { name: 'Leave' }).waitFor();
  });
  after(async () => {
    await browser.close();
    await lectern.stop();
  });

  const button = (page: Page, name: string) => page.getByRole('button', { name, exact: true });
  const timer = (page: Page) => page.getByRole('timer', { name: 'Timer' });
  const said = (page: Page, text: string) => page.getByRole('status').getByText(text, { exact: true });
  /** On a phone all of it is on the screen, the time at its right end too. */
  const assertOnPhone = async (page: Page) => {
    const before = page.viewportSize();
    await page.setViewportSize(PHONE);
    const box = await timer(page).boundingBox();
    assert.ok(box !== null && box.x >= 0 && box.x + box.width <= PHONE.width, JSON.stringify(box));
    if (before !== null) await page.setViewportSize(before);
  };
  const comes = async (name: string) => {
    const person = await attend(browser, teacher.lesson, name);
    people.push(person);
    return person;
  };
  /** How many seconds a page says are left. */
  const secondsLeft = async (page: Page) => {
    const [, minutes, seconds] = /(\d+):(\d\d)$/.exec((await timer(page).textContent()) ?? '') ?? [];
    return Number(minutes) * 60 + Number(seconds);
  };

  it('is started by who teaches, and seen by everyone, who comes later too', async () => {
    const { page } = teacher;
    await button(page, 'Timer').click();
    const minutes = page.getByRole('textbox', { name: 'Minutes' });
    await minutes.fill('181');
    await page.keyboard.press('Enter');
    await page.getByText('Enter whole minutes from 1 to 180.').waitFor();
    assert.deepEqual(await findings(page), [], 'dialog');
    await minutes.fill('1');
    await page.getByRole('textbox', { name: /^Label/ }).fill(LABEL);
    await page.keyboard.press('Enter');
    await timer(page).getByText(LABEL).waitFor();
    await timer(student.page).getByText(LABEL).waitFor();
    await said(student.page, `Timer started, ${LABEL}: 1 minute`).waitFor({ state: 'attached' });
    assert.equal(await button(student.page, 'Timer').count(), 0);
    assert.deepEqual(await findings(student.page), [], 'room with a timer');
    assert.deepEqual(await reflowProblems(student.page), []);
    await assertOnPhone(student.page);
    const late = await comes('Grace');
    await timer(late.page)
      .getByText(/^0:\d\d$/)
      .waitFor();
    // What ran already is no news.
    assert.equal(await late.page.getByRole('status').getByText('Timer started').count(), 0);
  });

  it('runs on while the SFU is killed and starts again', async () => {
    await lectern.kill('sfu');
    const late = await comes('Edith');
    await timer(late.page).getByText(LABEL).waitFor();
    const apart = (await secondsLeft(student.page)) - (await secondsLeft(late.page));
    assert.ok(Math.abs(apart) < APART_S, `${apart} s apart`);
  });

  it('says to everyone that time is up, aloud too', async () => {
    for (const { page } of people) {
      await timer(page).getByText('Time is up').waitFor({ timeout: UP_LIMIT_MS });
      await said(page, `Time is up: ${LABEL}`).waitFor({ state: 'attached' });
    }
    await assertOnPhone(student.page);
    assert.deepEqual(await findings(student.page), [], 'time is up');
    const late = await comes('Mary');
    await timer(late.page).getByText('Time is up').waitFor();
    assert.equal(await said(late.page, `Time is up: ${LABEL}`).count(), 0);
  });

  it('is extended and stopped by who teaches', async () => {
    const { page } = teacher;
    await button(page, 'Timer').click();
    await button(page, '+5 min').click();
    await timer(student.page)
      .getByText(/^(5:00|4:5\d)$/)
      .waitFor();
    await said(student.page, 'Timer extended: 5 minutes left').waitFor({ state: 'attached' });
    assert.deepEqual(await findings(page), [], 'dialog of a timer that runs');
    await button(page, 'Stop timer').click();
    await timer(student.page).waitFor({ state: 'detached' });
    await said(student.page, 'The timer was stopped').waitFor({ state: 'attached' });
    await page.getByRole('dialog').waitFor({ state: 'detached' });
    assert.equal(await page.evaluate(() => document.activeElement?.getAttribute('aria-label')), 'Timer');
  });

  it('raised no error in anybody’s page', () => {
    for (const person of people) assert.deepEqual(person.errors, []);
  });
});
