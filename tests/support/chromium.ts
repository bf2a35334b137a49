// Launches an installed Chromium with cameras and microphones that a test knows.
import { existsSync } from 'node:fs';
import { chromium, type Browser } from 'playwright-core';

const INSTALLED = [
  '/usr/bin/chromium',
  '/usr/bin/chromium-browser',
  '/usr/bin/google-chrome',
  '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome',
];

export interface ChromiumOptions {
  /** A .y4m or .mjpeg file as the camera's picture; by default Chromium's own moving pattern. */
  fakeVideo?: string;
  /** A .wav file as the microphone; by default Chromium's own beeps. */
  fakeAudio?: string;
  /** More command line switches. */
  args?: string[];
}

/** The browser to test with: `LECTERN_CHROMIUM`, an installed one, or Playwright's own. */
export function findChromium(): string | undefined {
  const given = process.env.LECTERN_CHROMIUM;
  return given ?? [...INSTALLED, chromium.executablePath()].find((path) => path !== '' && existsSync(path));
}

/**
 * Starts a headless browser whose camera and microphone are fake and always allowed.
 * Rejects if no browser is installed. The caller closes it.
 */
export async function launchChromium({
  fakeVideo,
  fakeAudio,
  args = [],
}: ChromiumOptions = {}): Promise<Browser> {
  const executablePath = findChromium();
  if (executablePath === undefined)
    throw new Error('No Chromium found: install one, or set LECTERN_CHROMIUM.');
  return chromium.launch({
    executablePath,
    args: [
      '--no-sandbox',
      '--use-fake-device-for-media-stream',
      '--use-fake-ui-for-media-stream',
      '--autoplay-policy=no-user-gesture-required',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
      ...(fakeVideo === undefined ? [] : [`--use-file-for-fake-video-capture=${fakeVideo}`]),
      ...(fakeAudio === undefined ? [] : [`--use-file-for-fake-audio-capture=${fakeAudio}`]),
      ...args,
    ],
  });
}
