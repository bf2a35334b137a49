// A class that a program broadcasts with its stream key, as the owner sees it.
import assert from 'node:assert/strict';
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { after, before, describe, it } from 'node:test';
import type { Lesson } from '#shared/contract/rest.ts';
import { launchChromium } from '../support/chromium.ts';
import { startLectern, type Lectern } from '../support/lectern.ts';

/** ffmpeg, as an encoder in a rack, publishing for at most a minute. */
function encode({ publish }: Lesson): ChildProcess {
  return spawn(
    'ffmpeg',
    [
      ...['-v', 'error', '-re', '-f', 'lavfi', '-i', 'testsrc=size=640x360:rate=25'],
      ...['-f', 'lavfi', '-i', 'sine=frequency=440:sample_rate=48000', '-t', '60'],
      ...[
        '-c:v',
        'libx264',
        '-preset',
        'ultrafast',
        '-tune',
        'zerolatency',
        '-g',
        '25',
        '-pix_fmt',
        'yuv420p',
      ],
      ...['-c:a', 'aac', '-f', 'flv', `${publish?.rtmp.url}/${publish?.rtmp.key}`],
    ],
    { stdio: 'ignore' },
  );
}

describe('the stream key', () => {
  let lectern: Lectern;
  const running = new Set<ChildProcess>();
  const start = (of: Lesson) => {
    const child = encode(of);
    running.add(child);
    return { child, ended: once(child, 'close') };
  };
  before(async () => {
    lectern = await startLectern();
  });
  after(async () => {
    for (const child of running) child.kill('SIGKILL');
    await lectern.stop();
  });

  it('is seen at work by the owner, in REST and on the page', async () => {
    const other = await lectern.startClass('Algebra');
    const encoder = () => lectern.api('GET', `/lessons/${other.id}/encoder`);
    assert.deepEqual(await encoder(), { encoder: null });
    const { child, ended } = start(other);
    const browser = await launchChromium();
    try {
      const page = await browser.newPage({ locale: 'en-GB' });
      await page.goto(lectern.ownerLink);
      await page.getByRole('button', { name: /^Algebra/ }).click();
      const summary = page.getByRole('group', { name: 'Stream from OBS' }).locator('summary');
      await summary.getByText('Sending now').waitFor({ timeout: 30_000 });
      assert.deepEqual(await encoder(), {
        encoder: { kind: 'rtmp', name: 'Encoder', state: 'sending', notices: [] },
      });
      child.kill('SIGKILL');
      await ended;
      await summary.getByText('Connected, but sending nothing').or(summary.getByText('Sending now')).waitFor({
        state: 'hidden',
        timeout: 40_000,
      });
      assert.deepEqual(await encoder(), { encoder: null });
    } finally {
      await browser.close();
    }
  });
});
