// The people of the stories: what each does, by the names that the controls carry.
import assert from 'node:assert/strict';
import type { Browser, BrowserContext, Page } from 'playwright-core';
import type { Lesson } from '#shared/contract/rest.ts';
import { eventually, type Lectern } from '../support/lectern.ts';
import { look, useStudio, type Sight } from '../support/studio.ts';

/** A picture older than this, in ms, is not live on a student's screen, even on a busy machine. */
const LIVE_AGE_MS = 3_000;

export interface Person {
  readonly page: Page;
  readonly context: BrowserContext;
  /** What went wrong in the page so far: uncaught errors and failed assertions of its own. */
  readonly errors: string[];
  leave(): Promise<void>;
}

/** Opens a browser context of one's own, as another person at another machine has. */
export async function arrive(
  browser: Browser,
  { studio = false, width = 1280, height = 800 }: { studio?: boolean; width?: number; height?: number } = {},
): Promise<Person> {
  const context = await browser.newContext({ viewport: { width, height }, locale: 'en-GB' });
  if (studio) await useStudio(context);
  const page = await context.newPage();
  const errors: string[] = [];
  page.on('pageerror', (error) => errors.push(String(error)));
  return { page, context, errors, leave: () => context.close() };
}

/** The owner opens the owner link and starts a class: three clicks to the room. `prepare` is done before. */
export async function teach(
  browser: Browser,
  lectern: Lectern,
  prepare: (context: BrowserContext) => Promise<void> = () => Promise.resolve(),
): Promise<Person & { lesson: Lesson }> {
  const person = await arrive(browser, { studio: true });
  await prepare(person.context);
  const { page } = person;
  await page.goto(lectern.ownerLink);
  await page.getByRole('button', { name: 'Start a class' }).click();
  await page.waitForURL(/\/room\//);
  await page.getByRole('button', { name: 'Join', exact: true }).click();
  await page.getByRole('button', { name: 'Go live' }).waitFor();
  const id = /\/room\/([a-z0-9]+)/.exec(page.url())?.[1];
  assert.ok(id !== undefined, 'the room has an address of its own');
  const lesson = (await lectern.api('GET', `/lessons/${id}`)) as Lesson;
  return { ...person, lesson };
}

/** A student opens the link, types a name and joins. */
export async function attend(browser: Browser, lesson: Lesson, name: string): Promise<Person> {
  const person = await arrive(browser, { studio: true });
  await person.page.goto(lesson.links.student);
  await person.page.getByLabel(/name/i).fill(name);
  await person.page.getByRole('button', { name: 'Join', exact: true }).click();
  return person;
}

const MEDIA = { flv: /\.flv/, hls: /\.m3u8/ };

/** Somebody of the audience opens the watch link. `without` is a protocol their network does not carry. */
export async function watch(browser: Browser, lesson: Lesson, without?: keyof typeof MEDIA): Promise<Person> {
  const person = await arrive(browser, { width: 1000, height: 700 });
  if (without !== undefined) await person.context.route(MEDIA[without], (route) => route.abort());
  await person.page.goto(lesson.links.watch);
  return person;
}

/** Resolves with what is seen once the person's picture is live and moving. */
export function seesLive(
  person: Person,
  what: string,
  limitMs = 30_000,
  maxAgeMs = LIVE_AGE_MS,
): Promise<Sight> {
  let earlier: Sight | undefined;
  return eventually(
    what,
    async () => {
      const sight = await look(person.page);
      if (sight === undefined || sight.ageMs > maxAgeMs) return undefined;
      const moving = earlier !== undefined && sight.time > earlier.time;
      earlier = sight;
      return moving && sight;
    },
    limitMs,
    250,
  );
}

/** Teacher: puts the class on air and resolves when it is live. */
export async function goLive({ page }: Person): Promise<void> {
  await page.getByRole('button', { name: 'Go live' }).click();
  await page.getByRole('button', { name: 'Stop broadcast' }).waitFor({ timeout: 20_000 });
  await page
    .getByText(/LIVE\s+\d/)
    .first()
    .waitFor({ timeout: 20_000 });
}

/** Teacher: ends the class and confirms. */
export async function endClass({ page }: Person): Promise<void> {
  await page.getByRole('button', { name: 'End class' }).first().click();
  await page.getByRole('dialog').getByRole('button', { name: 'End class' }).click();
  await page.getByText(/ended/i).first().waitFor();
}

/** Opens the chat where it is not open. */
export async function openChat({ page }: Person): Promise<void> {
  await page.getByRole('navigation', { name: 'Controls' }).waitFor();
  const box = page.getByRole('textbox', { name: /message/i });
  if (!(await box.isVisible())) await page.getByRole('button', { name: /^chat/i }).first().click();
  await box.waitFor();
}

/** Writes into the chat that is open. */
export async function say({ page }: Person, text: string): Promise<void> {
  const box = page.getByRole('textbox', { name: /message/i });
  await box.fill(text);
  await box.press('Enter');
}
