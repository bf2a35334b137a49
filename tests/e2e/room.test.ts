// What happens in a room besides teaching: other tabs, permissions, sound alone, a teacher who is gone.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { Browser, Page } from 'playwright-core';
import type { Lesson, Recording } from '#shared/contract/rest.ts';
import { probe } from '../support/av.ts';
import { launchChromium } from '../support/chromium.ts';
import { eventually, startLectern, type Lectern } from '../support/lectern.ts';
import { look } from '../support/studio.ts';
import { attend, goLive, seesLive, teach, watch, type Person } from './people.ts';

const RESUME_MS = 5_000;
/** For each step; a machine that tests is busy. */
const PATIENCE_MS = 15_000;

describe('a room', () => {
  let lectern: Lectern;
  let browser: Browser;
  let teacher: Person & { lesson: Lesson };
  let student: Person;
  const people: Person[] = [];

  before(async () => {
    lectern = await startLectern({ LECTERN_RESUME_MS: String(RESUME_MS) });
    browser = await launchChromium();
    teacher = await teach(browser, lectern);
    student = await attend(browser, teacher.lesson, 'Ada <b>Lovelace</b>');
    people.push(teacher, student);
    for (const { context } of people) context.setDefaultTimeout(PATIENCE_MS);
    await seesLive(student, 'the teacher');
  });
  after(async () => {
    await browser.close();
    await lectern.stop();
  });

  const recordings = () =>
    lectern.api('GET', `/recordings?lesson=${teacher.lesson.id}`) as Promise<Recording[]>;
  const button = (page: Page, name: string) => page.getByRole('button', { name, exact: true });
  const focused = (page: Page) =>
    page.evaluate(() => document.activeElement?.textContent.trim() ?? document.activeElement?.tagName);
  const isOn = async (page: Page, panel: string, inside: string) => {
    const there = page.getByRole('list', { name: inside });
    if (!(await there.isVisible())) await page.getByRole('button', { name: panel }).first().click();
    await there.waitFor();
  };
  /** Teacher: opens the menu of the student and chooses from it. */
  const act = async (item: string, role: 'menuitem' | 'menuitemcheckbox') => {
    await isOn(teacher.page, 'People', 'People in the room');
    await teacher.page.getByRole('button', { name: /^Actions for Ada/ }).click();
    await teacher.page.getByRole(role, { name: item, exact: true }).click();
    if (role === 'menuitemcheckbox') await teacher.page.keyboard.press('Escape');
  };

  it('takes a name with markup for a name', async () => {
    await isOn(teacher.page, 'People', 'People in the room');
    await teacher.page.getByText('Ada <b>Lovelace</b>', { exact: true }).first().waitFor();
    assert.equal(await teacher.page.locator('b', { hasText: 'Lovelace' }).count(), 0);
  });

  it('moves to a second tab of the same person, and back again', async () => {
    const [second] = await Promise.all([
      teacher.context.waitForEvent('page'),
      // A tab that is duplicated takes along what the first remembers: its ticket.
      teacher.page.evaluate(() => void window.open(location.href)),
    ]);
    await teacher.page.getByText('You are in this class in another tab').waitFor();
    await button(second, 'Go live').waitFor();
    await seesLive(student, 'the second tab');
    await button(teacher.page, 'Continue here').click();
    await button(teacher.page, 'Join').click();
    await second.getByText('You are in this class in another tab').waitFor();
    await button(teacher.page, 'Go live').waitFor();
    await second.close();
    await seesLive(student, 'the first tab again');
  });

  it('has the owner twice who opens the room again next to it, and neither is in the other’s way', async () => {
    const second = await teacher.context.newPage();
    await second.goto(teacher.page.url());
    await button(second, 'Join').click();
    await button(second, 'Go live').waitFor();
    await teacher.page.getByText('3 here').first().waitFor();
    await button(teacher.page, 'Go live').waitFor();
    await button(second, 'End class').click();
    await second.getByRole('dialog').getByRole('button', { name: 'Leave' }).click();
    await teacher.page.getByText('2 here').first().waitFor();
    await second.close();
  });

  it('lets a student show a camera, and takes that back', async () => {
    assert.equal(await button(student.page, 'Start camera').count(), 0);
    await act('Camera', 'menuitemcheckbox');
    await button(student.page, 'Start camera').click();
    await teacher.page.getByLabel('Camera on').nth(1).waitFor();
    await act('Camera', 'menuitemcheckbox');
    await button(student.page, 'Stop camera').waitFor({ state: 'detached' });
    await eventually(
      'the camera is off for the teacher',
      async () => (await teacher.page.getByLabel('Camera on').count()) === 1,
    );
  });

  it('shows a raised hand to the teacher, who lowers it, and keeps it over a reload', async () => {
    const { page } = student;
    await button(page, 'Raise hand').click();
    await button(page, 'Lower hand').first().waitFor();
    await isOn(teacher.page, 'People', 'People in the room');
    const list = teacher.page.getByRole('list', { name: 'Raised hands' });
    await list.getByText('Ada <b>Lovelace</b>', { exact: true }).waitFor();
    await page.reload();
    await button(page, 'Lower hand').first().waitFor();
    await button(teacher.page, 'Lower the hand of Ada <b>Lovelace</b>').click();
    await list.waitFor({ state: 'detached' });
    await button(page, 'Raise hand').waitFor();
    // By its key, while nothing is being written.
    await page.locator('body').press('h');
    await list.waitFor();
    await page.locator('body').press('h');
    await list.waitFor({ state: 'detached' });
    assert.equal(await button(teacher.page, 'Raise hand').count(), 0);
  });

  it('tells once who asks for too much', async () => {
    const { page, errors } = student;
    const refused = page.getByRole('status').getByText('Too many requests');
    while ((await refused.count()) === 0) await page.locator('body').press('h');
    await page.locator('body').press('h');
    assert.equal(await refused.count(), 1);
    assert.deepEqual(errors, []);
    await refused.waitFor({ state: 'detached' });
    // Enough is allowed again to take the hand down, if the last that went through raised it.
    const lower = button(page, 'Lower hand').first();
    if (await lower.isVisible()) await lower.click();
    await button(page, 'Raise hand').waitFor();
  });

  it('tells a teacher whose screen is not shared any more after a reload, and shares it again', async () => {
    const { page } = teacher;
    const said = page.getByText('Your screen is no longer shared');
    await button(page, 'Share screen').click();
    await button(page, 'Stop sharing').first().waitFor();
    // Twice: who reloads once more has still not been helped.
    for (let reload = 0; reload < 2; reload += 1) {
      await page.reload();
      await said.waitFor();
    }
    await button(page, 'Share screen again').click();
    await button(page, 'Stop sharing').first().waitFor();
    await said.waitFor({ state: 'detached' });
    await eventually('the student sees the screen', async () => {
      return (await look(student.page))?.source === 'screen';
    });
    await button(page, 'Stop sharing').first().click();
    await button(page, 'Share screen').waitFor();
    await page.reload();
    await button(page, 'Share screen').waitFor();
    assert.equal(await said.count(), 0);
    await seesLive(student, 'the teacher without a screen');
  });

  it('stays live through a break, with words for the audience, and asks what an end means', async () => {
    const { page } = teacher;
    await button(page, 'Go live').press('Enter');
    await page
      .getByText(/LIVE\s+\d/)
      .first()
      .waitFor();
    assert.equal(await focused(page), 'Stop broadcast', 'the focus stays where it was');
    assert.deepEqual(await page.getByRole('status').filter({ hasText: 'You are live.' }).count(), 1);

    await button(page, 'Mute').click();
    await button(page, 'Stop camera').click();
    await page.getByText('The audience sees “Back in a moment”').waitFor();
    const startedMs = Date.now();
    await eventually(
      'longer than the wait has passed on the clock of the broadcast',
      async () => {
        const [running] = await recordings();
        assert.equal(running?.state, 'writing');
        return Date.now() - startedMs > 1.5 * RESUME_MS;
      },
      30_000,
      500,
    );
    assert.equal(await page.getByText(/LIVE\s+\d/).count(), 1);
    const { streams } = await probe(teacher.lesson.play.flv);
    assert.deepEqual(streams.map(({ codec }) => codec).sort(), ['aac', 'h264']);
    await button(page, 'Unmute').click();
    await button(page, 'Start camera').click();
    await page.getByText('The audience sees “Back in a moment”').waitFor({ state: 'detached' });

    await page.goBack();
    const question = page.getByRole('dialog', { name: 'What do you want to end?' });
    await question.getByText('This cannot be undone').waitFor();
    assert.match(page.url(), /\/room\//, 'going back leaves nobody alone');
    await page.keyboard.press('Escape');
    await button(page, 'End class').click();
    await question.getByRole('button', { name: 'Stop broadcast' }).click();
    await page
      .getByText(/Broadcast stopped, \d+ (second|minute)s? recorded/)
      .first()
      .waitFor();
    await page.getByText('In the room only').waitFor();
    await seesLive(student, 'the class that goes on in the room');
  });

  it('makes two recordings of a class that stops and goes live again at once', async () => {
    await goLive(teacher);
    const viewer = await watch(browser, teacher.lesson);
    people.push(viewer);
    await seesLive(viewer, 'the first broadcast', 45_000, 8_000);
    await button(teacher.page, 'Stop broadcast').click();
    await goLive(teacher);
    const againMs = Date.now();
    await eventually(
      'the second is seen on the same page',
      async () => ((await look(viewer.page))?.drawnAtMs ?? 0) > againMs,
      45_000,
      250,
    );
    const all = await eventually('one is ready, one is written', async () => {
      const found = await recordings();
      return found.map(({ state }) => state).join() === 'writing,ready,ready' && found;
    });
    assert.ok(all.every(({ durationMs }) => durationMs > 0));
    await viewer.leave();
  });

  it('goes on as sound when the camera is off', async () => {
    await button(teacher.page, 'Stop camera').click();
    await button(teacher.page, 'Stop broadcast').click();
    await goLive(teacher);
    await eventually('HLS plays', async () => (await fetch(teacher.lesson.play.hls)).ok, 20_000);
    for (const address of [teacher.lesson.play.hls, teacher.lesson.play.flv]) {
      const { streams } = await probe(address);
      assert.ok(
        streams.some(({ codec }) => codec === 'aac'),
        address,
      );
    }
    await button(teacher.page, 'Start camera').click();
    await seesLive(student, 'the camera again');
  });

  it('keeps out whom the teacher removed, also with the same ticket', async () => {
    await act('Remove from class', 'menuitem');
    await button(teacher.page, 'Remove from class').last().click();
    await student.page.getByText('You were removed from this class').waitFor();
    await student.page.reload();
    await student.page.getByText('You were removed from this class').waitFor();
    assert.equal(await button(student.page, 'Join').count(), 0);
    await teacher.page.getByText('1 here').first().waitFor();
    // The row that had the focus is gone; the focus is near it, not at the top of the page.
    await teacher.page.waitForFunction(() => document.activeElement?.getAttribute('role') === 'tab');
  });

  it('ends the broadcast by itself when the teacher is gone for long, and the replay is there', async () => {
    const viewer = await watch(browser, teacher.lesson);
    people.push(viewer);
    await seesLive(viewer, 'the class', 45_000, 8_000);
    await teacher.page.close();
    await eventually(
      'all that was broadcast is ready',
      async () => (await recordings()).every(({ state }) => state === 'ready'),
      60_000,
      500,
    );
    assert.equal((await recordings()).length, 4);
    const lesson = (await lectern.api('GET', `/lessons/${teacher.lesson.id}`)) as Lesson;
    assert.equal(lesson.state, 'open', 'the teacher may come back and go live again');
    const [last] = await recordings();
    assert.ok(last !== undefined);
    await viewer.page.goto(last.replay);
    await eventually('the replay plays', () =>
      viewer.page.locator('video').evaluate((video: HTMLVideoElement) => video.currentTime > 0.5),
    );
  });

  it('says to the teacher who is back why the broadcast ended, until it is live again', async () => {
    const page = await teacher.context.newPage();
    await page.goto(teacher.lesson.links.teacher);
    await button(page, 'Join').click();
    await page
      .getByText(/ended because nobody who teaches was connected\.\s+\d+ (second|minute)s? recorded/)
      .waitFor();
    assert.equal(await button(page, 'Go live').count(), 0);
    await button(page, 'Go live again').press('Enter');
    await page
      .getByText(/LIVE\s+\d/)
      .first()
      .waitFor();
    assert.equal(await focused(page), 'Stop broadcast');
    assert.equal(await page.getByText('nobody who teaches was connected').count(), 0);
    await page.close();
  });

  it('promises no replay of a class that was never live', async () => {
    const quiet = await lectern.startClass('Office hour');
    const guest = await attend(browser, quiet, 'Grace');
    const viewer = await watch(browser, quiet);
    await button(guest.page, 'Leave').waitFor();
    await viewer.page.getByText('Waiting for the teacher').waitFor();
    await lectern.api('POST', `/lessons/${quiet.id}/end`);
    for (const { page } of [guest, viewer]) {
      await page.getByText('Nothing was recorded, so there is no replay.').waitFor();
      assert.equal(await page.getByRole('link', { name: /replay/i }).count(), 0);
    }
    const { page } = viewer;
    await page.goto(lectern.ownerLink);
    const row = page.getByRole('listitem').filter({ hasText: 'Office hour' });
    await row.getByText('Nothing was recorded.').waitFor();
    assert.equal(await row.getByRole('link', { name: /replay/i }).count(), 0);
    await row.getByRole('button', { expanded: false }).first().click();
    await row.getByRole('heading', { name: 'Recordings' }).waitFor();
    assert.equal(await row.getByText('as soon as you go live').count(), 0);
    people.push(guest, viewer);
  });

  it('raised no error in anybody’s page', () => {
    for (const person of people) assert.deepEqual(person.errors, []);
  });
});
