// The pages around a class: links as people open them, names that cannot be read, and the owner's list.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { Browser, Page } from 'playwright-core';
import { Attendance, Lesson } from '#shared/contract/rest.ts';
import { findings } from '../support/axe.ts';
import { launchChromium } from '../support/chromium.ts';
import { startLectern, type Lectern } from '../support/lectern.ts';
import { useStudio } from '../support/studio.ts';

describe('the pages around a class', () => {
  let lectern: Lectern;
  let browser: Browser;
  let lesson: Lesson;
  before(async () => {
    lectern = await startLectern();
    browser = await launchChromium();
    lesson = await lectern.startClass('Algebra');
  });
  after(async () => {
    await browser.close();
    await lectern.stop();
  });

  const open = async (address: string): Promise<Page> => {
    const context = await browser.newContext({ locale: 'en-GB', reducedMotion: 'reduce' });
    await useStudio(context);
    const page = await context.newPage();
    await page.goto(address);
    return page;
  };
  const owner = async () => {
    const page = await open(lectern.ownerLink);
    await page.getByRole('button', { name: /^Algebra/ }).waitFor();
    return page;
  };
  const join = (page: Page) => page.getByRole('button', { name: 'Join', exact: true });
  /** What the address bar does with a link to the page that is open. */
  const paste = (page: Page, link: string) => page.evaluate((to) => location.assign(to), link);
  const focused = (page: Page) => page.evaluate(() => document.activeElement?.textContent.trim());

  it('opens a class once the whole link is put into the tab that had a part of it', async () => {
    for (const link of [lesson.links.student, lesson.links.watch]) {
      const page = await open(link.slice(0, -20));
      await page.getByRole('heading', { name: 'This link does not work' }).waitFor();
      await page.getByText('copy the whole link').waitFor();
      await paste(page, link);
      await join(page)
        .or(page.getByRole('heading', { name: 'Waiting for the teacher' }))
        .waitFor();
      await page.context().close();
    }
  });

  it('changes the role with the link that is put into an open page', async () => {
    const page = await open(lesson.links.student);
    await page.getByRole('heading', { name: 'Ready to join?' }).waitFor();
    await paste(page, lesson.links.assistant);
    await page.getByLabel('Camera', { exact: true }).waitFor();
    await page.context().close();
  });

  it('understands a link without its #, with %23, and with the end of a sentence', async () => {
    const { student } = lesson.links;
    for (const link of [student.replace('#', ''), student.replace('#', '%23'), `${student}).`]) {
      const page = await open(link);
      await join(page).waitFor();
      await page.context().close();
    }
  });

  it('gets a student in by itself who came with too many others', async () => {
    const page = await open(lectern.url);
    // The refusal as the school gives it; that it gives it is shown in tests/integration/school.
    const error = { code: 'rate-limited', message: 'Too many requests; wait a moment and try again.' };
    await page.route('**/tickets', (route) => route.fulfill({ status: 429, json: { error } }), { times: 2 });
    await page.goto(lesson.links.student);
    await page.getByRole('heading', { name: 'Too many requests' }).waitFor();
    await join(page).waitFor();
    await page.context().close();
  });

  it('shows the invitation of who teaches to nobody, and still has it after a reload', async () => {
    const page = await open(lesson.links.teacher);
    await page.getByRole('heading', { name: 'Ready to teach?' }).waitFor();
    assert.equal(page.url(), `${lectern.url}/room/${lesson.id}`);
    await page.reload();
    await page.getByRole('heading', { name: 'Ready to teach?' }).waitFor();
    await page.context().close();
  });

  it('refuses a name that nobody can read at its field, and lets it be changed', async () => {
    const page = await open(lesson.links.student);
    const name = page.getByLabel(/name/i);
    for (const nothing of ['\u200b', '\u3164', '\u202e', '\u2800']) {
      await name.fill(nothing);
      await join(page).click();
      await page.getByText('Enter the name others will see.').waitFor();
      assert.equal(await name.evaluate((field) => field === document.activeElement), true);
    }
    await name.fill('Ada');
    await join(page).click();
    await page
      .getByRole('textbox', { name: 'Message' })
      .or(page.getByRole('button', { name: 'Chat' }))
      .first()
      .waitFor();
    await page.context().close();
  });

  it('asks a student first, where the class wants it, and keeps when they agreed', async () => {
    // Somebody is about to join when the owner asks for it.
    const page = await open(lesson.links.student);
    await join(page).waitFor();
    const own = await owner();
    await own.getByRole('button', { name: /^Algebra/, expanded: false }).click();
    await own.getByRole('group', { name: 'Recording', exact: true }).locator('summary').click();
    await own.getByLabel('Ask students to agree to be recorded before they join').check();
    await own.getByText('Saved.').waitFor();
    await own.context().close();

    const agree = page.getByRole('checkbox', { name: /^I agree to be recorded/ });
    await page.getByLabel(/name/i).fill('Edith');
    await join(page).click();
    await agree.waitFor();
    assert.equal(await page.getByLabel(/name/i).inputValue(), 'Edith');
    await join(page).click();
    await page.getByText('Agree to join, or ask your teacher').waitFor();
    assert.equal(await agree.evaluate((box) => box === document.activeElement), true);
    assert.deepEqual(await findings(page), []);
    await agree.press('Space');
    await join(page).click();
    const inside = () =>
      page
        .getByRole('textbox', { name: 'Message' })
        .or(page.getByRole('button', { name: 'Chat' }))
        .first()
        .waitFor();
    await inside();
    await page.reload();
    await inside();
    const list = Attendance.parse(await lectern.api('GET', `/lessons/${lesson.id}/attendance`));
    const edith = list.find(({ name }) => name === 'Edith');
    assert.ok(edith?.consentedAtMs != null && edith.consentedAtMs <= Date.now());
    await page.context().close();

    const teacher = await open(lesson.links.teacher);
    await join(teacher).waitFor();
    assert.equal(await teacher.getByRole('checkbox', { name: /^I agree/ }).count(), 0);
    await teacher.context().close();
    await lectern.api('PATCH', `/lessons/${lesson.id}`, { asksConsent: false });
  });

  it('keeps the focus when the page changes: at its heading', async () => {
    const page = await owner();
    await page.getByRole('link', { name: 'Console' }).press('Enter');
    await page.getByRole('heading', { level: 1, name: 'Console' }).waitFor();
    await page.waitForFunction(() => document.activeElement?.tagName === 'H1');
    assert.equal(await focused(page), 'Console');
    await page.goBack();
    await page.waitForFunction(() => document.activeElement?.textContent === 'Your classes');
    await page.context().close();
  });

  it('signs out, here and everywhere, and the owner’s other pages notice', async () => {
    const page = await owner();
    const console = await page.context().newPage();
    await console.goto(`${lectern.url}/console`);
    await console.getByRole('heading', { name: 'Services' }).waitFor();
    const copied = (await page.context().cookies()).map(({ name, value }) => `${name}=${value}`).join('; ');
    const list = async () =>
      (await fetch(`${lectern.url}/api/v1/lessons`, { headers: { cookie: copied } })).status;
    const signOut = (name: string) => page.getByRole('dialog').getByRole('button', { name, exact: true });

    assert.equal(await list(), 200);
    await page.getByRole('button', { name: 'Sign out' }).click();
    await signOut('Sign out').click();
    await page.getByText('Signed out.').waitFor();
    await page.waitForFunction(() => document.activeElement?.tagName === 'H1');
    assert.equal(await focused(page), 'A classroom that starts in a browser tab');
    assert.equal(await list(), 401);
    await console.getByRole('heading', { name: 'The console is for the owner' }).waitFor();

    const elsewhere = await owner();
    await page.goto(lectern.ownerLink);
    await page.getByRole('button', { name: /^Algebra/ }).waitFor();
    await page.getByRole('button', { name: 'Sign out' }).click();
    await signOut('Sign out everywhere').click();
    await page.getByText(/^Signed out everywhere: \d sign-ins ended\.$/).waitFor();
    await elsewhere.getByRole('button', { name: 'Refresh the list' }).click();
    await elsewhere.getByRole('heading', { name: 'Running this Lectern?' }).waitFor();
    assert.equal(await elsewhere.getByText('Algebra').count(), 0);
    await page.context().close();
    await elsewhere.context().close();
  });

  it('finds, renames and marks a class, and gives out the link of a co-teacher', async () => {
    await lectern.startClass('Music');
    const page = await owner();
    await page.getByRole('textbox', { name: 'Search' }).fill('musi');
    await page.getByRole('button', { name: /^Algebra/ }).waitFor({ state: 'hidden' });
    await page.getByRole('textbox', { name: 'Search' }).fill('chess');
    await page.getByText('No class has this title').waitFor();
    await page.getByRole('textbox', { name: 'Search' }).fill('');
    await page.getByRole('button', { name: /^Algebra/ }).waitFor();

    await page.getByRole('button', { name: 'More for Music' }).click();
    await page.getByRole('menuitem', { name: 'Rename' }).click();
    const title = page.getByRole('dialog').getByLabel('Title');
    await title.fill('\u3164');
    await title.press('Enter');
    await page.getByText('Enter a title that can be read.').waitFor();
    await title.fill('Singing');
    await title.press('Enter');
    await page.getByRole('button', { name: /^Singing/, expanded: false }).click();
    const { links, id } = Lesson.array()
      .parse(await lectern.api('GET', '/lessons'))
      .find((one) => one.title === 'Singing')!;
    assert.equal(await page.getByLabel('Co-teacher link', { exact: true }).inputValue(), links.assistant);

    await page.getByText('Watermark').click();
    await page.getByLabel('Text over the picture').fill('Springfield {viewer}');
    await page.getByRole('button', { name: 'Save' }).click();
    await page.getByText('Viewers see it within a minute').waitFor();
    assert.deepEqual(await lectern.api('GET', `/lessons/${id}/watermark`), {
      text: 'Springfield {viewer}',
      viewer: null,
    });

    await page.getByRole('button', { name: 'More for Singing' }).click();
    await page.getByRole('menuitem', { name: 'Delete' }).click();
    await page.getByRole('button', { name: 'Delete for good' }).click();
    await page.getByRole('button', { name: /^Singing/ }).waitFor({ state: 'hidden' });
    await page.waitForFunction(() => document.activeElement?.textContent === 'Classes');
    await page.context().close();
  });
});
