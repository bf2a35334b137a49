// A class that an encoder gives: it publishes by WHIP or RTMP, and everybody sees it by whatever they watch with.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { Browser } from 'playwright-core';
import type { Lesson } from '#shared/contract/rest.ts';
import { makePublishKey } from '#server/publish-key.ts';
import { loadSecrets } from '#server/secrets.ts';
import { launchChromium } from '../support/chromium.ts';
import { eventually, startLectern, type Lectern } from '../support/lectern.ts';
import { installed, Program } from '../support/programs.ts';
import { playWhep, publishWhip } from '../support/whip-whep.ts';
import { withBFrames } from '../integration/publishing/films.ts';
import { arrive, attend, seesLive, watch } from './people.ts';

let lectern: Lectern;
let browser: Browser;
before(async () => {
  lectern = await startLectern({ LECTERN_RESUME_MS: '6000' });
  browser = await launchChromium();
});
after(async () => {
  await browser.close();
  await lectern.stop();
});

test('an encoder publishes by WHIP; the room, WHEP and FLV viewers see it, and it ends', async () => {
  const lesson = await lectern.startClass('Volcanoes');
  const key = makePublishKey(loadSecrets(lectern.dataDir).playback, lesson.channel, lesson.id, 0);
  const whip = `${lectern.url}/whip/${lesson.channel}`;
  const whep = `${lectern.url}/whep/${lesson.channel}${new URL(lesson.play.flv).search}`;

  const stranger = await arrive(browser, { studio: true });
  // Any page of a secure origin will do.
  await stranger.page.goto(`${lectern.url}/healthz`);
  await assert.rejects(playWhep(stranger.page, whep), /404/, 'not live yet');
  await assert.rejects(publishWhip(stranger.page, whip, `${key.slice(0, -4)}AAAA`), /403/);
  await assert.rejects(playWhep(stranger.page, `${lectern.url}/whep/${lesson.channel}`), /403/);

  const encoder = await arrive(browser, { studio: true });
  await encoder.page.goto(`${lectern.url}/healthz`);
  await publishWhip(encoder.page, whip, key);

  const student = await attend(browser, lesson, 'Ada');
  const { source } = await seesLive(student, 'the student sees the encoder');
  assert.equal(source, 'camera');
  await student.page.getByText('WHIP').first().waitFor();

  await eventually('it is on air by itself', async () => {
    const now = (await lectern.api('GET', `/lessons/${lesson.id}`)) as Lesson;
    return now.state === 'live';
  });
  await playWhep(stranger.page, whep);
  // On a busy machine a browser begins with a small picture.
  await eventually(
    'a WHEP player sees it in full',
    async () => {
      const { width } = await seesLive(stranger, 'a WHEP player sees it');
      if (width >= 640) return true;
      throw new Error(`${width} px wide`);
    },
    60_000,
  );
  const viewer = await watch(browser, lesson);
  await seesLive(viewer, 'the watch page shows it', 45_000, 8_000);

  await encoder.leave();
  await eventually(
    'without it the class goes off air',
    async () => {
      const now = (await lectern.api('GET', `/lessons/${lesson.id}`)) as Lesson;
      return now.state === 'open';
    },
    60_000,
  );
  assert.deepEqual(student.errors, []);
  for (const person of [stranger, student, viewer]) await person.leave();
});

const missing = installed('ffmpeg') ? false : 'ffmpeg is not installed';

test(
  'what an encoder should change is told to the teacher, until it is read',
  { skip: missing },
  async () => {
    const lesson = await lectern.startClass('Rivers');
    const { url, key } = lesson.publish?.rtmp ?? assert.fail('nowhere to publish to');
    const teacher = await arrive(browser);
    await teacher.page.goto(lesson.links.teacher);
    await teacher.page.getByRole('button', { name: 'Join', exact: true }).click();
    const student = await attend(browser, lesson, 'Ada');
    const args = ['-v', 'error', '-re', '-i', withBFrames(), '-c', 'copy', '-f', 'flv', `${url}/${key}`];
    const ffmpeg = new Program('ffmpeg', args);
    try {
      const advice = teacher.page.getByText(/^Encoder: The server converts this stream.* set B-frames/);
      await advice.waitFor();
      await student.page.getByText('Encoder').first().waitFor();
      assert.equal(await student.page.getByText('The server converts').count(), 0);
      await teacher.page.locator('#content').getByRole('button', { name: 'Dismiss' }).click();
      await advice.waitFor({ state: 'hidden' });
    } finally {
      await ffmpeg.stop();
    }
    for (const person of [teacher, student]) await person.leave();
  },
);
