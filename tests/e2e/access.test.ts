// Everyone sees only what they may: zero media bytes before a verdict, on every protocol alike.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { statSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { promisify } from 'node:util';
import type { Browser } from 'playwright-core';
import { ErrorBody } from '#shared/contract/errors.ts';
import type { Lesson } from '#shared/contract/rest.ts';
import { launchChromium } from '../support/chromium.ts';
import { startLectern, type Lectern } from '../support/lectern.ts';
import { goLive, teach, type Person } from './people.ts';

const run = promisify(execFile);

describe('who may watch', () => {
  let lectern: Lectern;
  let browser: Browser;
  let teacher: Person & { lesson: Lesson };

  before(async () => {
    lectern = await startLectern();
    browser = await launchChromium();
    teacher = await teach(browser, lectern);
    await goLive(teacher);
  });
  after(async () => {
    await browser.close();
    await lectern.stop();
  });

  const refusals: [string, (url: URL, other: Lesson) => void, string][] = [
    ['without a signature', (url) => (url.search = ''), 'signature-missing'],
    ['with a forged signature', (url) => url.searchParams.set('sign', 'A'.repeat(43)), 'signature-invalid'],
    [
      'with a later expiry than was signed',
      (url) => url.searchParams.set('expires', '9999999999'),
      'signature-invalid',
    ],
    [
      "with another class's signature",
      (url, other) => (url.search = new URL(other.play.flv).search),
      'signature-invalid',
    ],
  ];
  for (const [how, alter, code] of refusals) {
    it(`refuses FLV, HLS and the time-shift ${how}, in so many words`, async () => {
      const other = await lectern.startClass('Another class');
      for (const address of [teacher.lesson.play.flv, teacher.lesson.play.hls, teacher.lesson.play.dvr]) {
        const url = new URL(address);
        alter(url, other);
        const response = await fetch(url);
        const body = ErrorBody.parse(await response.json());
        assert.equal(response.status, 403);
        assert.equal(body.error.code, code);
      }
    });
  }

  it('refuses segments like playlists', async () => {
    const playlist = await (await fetch(teacher.lesson.play.hls)).text();
    const variant = playlist.split('\n').find((line) => line.includes('.m3u8') && !line.startsWith('#'));
    assert.ok(variant !== undefined);
    const media = new URL(variant, teacher.lesson.play.hls);
    const segment = (await (await fetch(media)).text())
      .split('\n')
      .find((line) => line !== '' && !line.startsWith('#'));
    assert.ok(segment !== undefined);
    const signed = new URL(segment, media);
    assert.equal((await fetch(signed)).status, 200);
    const bare = new URL(signed);
    bare.search = '';
    assert.equal((await fetch(bare)).status, 403);
  });

  it('refuses RTMP without a signature before any media', async () => {
    const bare = teacher.lesson.play.rtmp.replace(/\?.*/, '');
    await assert.rejects(run('ffprobe', ['-v', 'error', bare], { timeout: 15_000 }));
    await run('ffprobe', ['-v', 'error', teacher.lesson.play.rtmp], { timeout: 15_000 });
  });

  it('keeps its secrets to itself', () => {
    assert.equal(statSync(join(lectern.dataDir, 'secrets.json')).mode & 0o777, 0o600);
    const spoken = JSON.stringify(lectern.log.filter((line) => line.msg !== 'ready'));
    const owner = new URL(lectern.ownerLink).hash.replace('#key=', '');
    assert.ok(!spoken.includes(owner), 'the log names the owner key');
    assert.ok(!spoken.includes(lectern.apiKey), 'the log names the API key');
  });

  it('deletes the media with the lesson', async () => {
    await lectern.api('DELETE', `/lessons/${teacher.lesson.id}`);
    assert.ok((await fetch(teacher.lesson.play.hls)).status >= 400);
  });
});
