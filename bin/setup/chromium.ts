// A browser for the tests: one that is installed, else Playwright's own, else Debian's.
import { accessSync, constants } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { chromium } from 'playwright-core';
import { hasApt, installCommand, installPackages, mayInstall, missingPackages } from './apt.ts';
import { SetupError } from './run.ts';

/** With the fonts that Chinese pages need on screenshots. */
const PACKAGES = ['chromium', 'fonts-noto-cjk'];

const MAC_APPS = ['Google Chrome', 'Chromium', 'Microsoft Edge'].flatMap((app) =>
  ['/Applications', join(homedir(), 'Applications')].map((dir) => `${dir}/${app}.app/Contents/MacOS/${app}`),
);
const CANDIDATES = [
  '/usr/bin/chromium',
  '/usr/bin/chromium-browser',
  '/usr/bin/google-chrome-stable',
  '/usr/bin/google-chrome',
  '/opt/google/chrome/chrome',
  '/usr/bin/microsoft-edge-stable',
  '/usr/bin/microsoft-edge',
  '/snap/bin/chromium',
  ...MAC_APPS,
];

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/** The browser that is there: LECTERN_CHROMIUM, an installed one, or Playwright's own. */
export function findChromium(env: NodeJS.ProcessEnv = process.env): string | undefined {
  const given = env.LECTERN_CHROMIUM;
  if (given !== undefined && given !== '') {
    if (isExecutable(given)) return given;
    throw new SetupError(`LECTERN_CHROMIUM names ${given}, which cannot be run: correct it or unset it.`);
  }
  return [...CANDIDATES, chromium.executablePath()].find(isExecutable);
}

/** Says how a person gets a browser for the tests. */
export const chromiumHint = (): string =>
  hasApt()
    ? `No Chromium for the tests: run "${installCommand(PACKAGES)}".`
    : 'No Chromium for the tests: install Chrome, or run "npx playwright install chromium".';

/** Finds or installs a browser. Throws SetupError where it cannot be had. */
export async function ensureChromium(signal?: AbortSignal): Promise<string> {
  const found = findChromium();
  if (mayInstall() && (found === undefined || (await missingPackages(PACKAGES)).length === 1)) {
    await installPackages('Chromium and fonts, for the tests', PACKAGES, signal);
  }
  const path = findChromium();
  if (path === undefined) throw new SetupError(chromiumHint());
  return path;
}
