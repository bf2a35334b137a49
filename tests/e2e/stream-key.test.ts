// A class that a program broadcasts: with its stream key, and not with one that was replaced.
import assert from 'node:assert/strict';
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { after, before, describe, it } from 'node:test';
import { Lesson } from '#shared/contract/rest.ts';
import { launchChromium } from '../support/chromium.ts';
import { eventually, startLectern, type Lectern } from '../support/lectern.ts';

/** A program that is cut off notices with its next packet; the gateway is to cut it within a second. */
const CUT_OFF_MS = 1_500;

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
  let lesson: Lesson;
  const running = new Set<ChildProcess>();
  const start = (of: Lesson) => {
    const child = encode(of);
    running.add(child);
    return { child, ended: once(child, 'close') };
  };
  const isLive = () => fetch(lesson.play.hls).then(({ status }) => status === 200);
  before(async () => {
    lectern = await startLectern({ LECTERN_RESUME_MS: '60000' });
    lesson = await lectern.startClass('Photosynthesis');
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

  it('puts the class on air; replaced, it cuts the program off, and opens nothing any more', async () => {
    const first = start(lesson);
    await eventually('the class is on air', isLive, 30_000);
    const sinceMs = performance.now();
    const renewed = Lesson.parse(await lectern.api('POST', `/lessons/${lesson.id}/publish-key`));
    await first.ended;
    const tookMs = performance.now() - sinceMs;
    assert.ok(tookMs < CUT_OFF_MS, `the program went on for ${Math.round(tookMs)} ms`);

    const [code] = (await start(lesson).ended) as [number];
    assert.notEqual(code, 0, 'the old key is refused');
    const second = start(renewed);
    const early = await Promise.race([
      second.ended,
      new Promise((done) => setTimeout(() => done('on'), 3_000)),
    ]);
    assert.equal(early, 'on', 'the new key is good');
  });

  it('ends with the class', async () => {
    const { publish } = Lesson.parse(await lectern.api('POST', `/lessons/${lesson.id}/end`));
    assert.equal(publish, null);
    const [code] = (await start(lesson).ended) as [number];
    assert.notEqual(code, 0);
  });
});
