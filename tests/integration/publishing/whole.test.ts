// All of Lectern: ffmpeg publishes over RTMP, and the class is on air by itself, with its sound.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { Recording, type Lesson } from '#shared/contract/rest.ts';
import { EncoderNow, publishPaths } from '#shared/contract/publish.ts';
import { makePublishKey } from '#server/publish-key.ts';
import { loadSecrets } from '#server/secrets.ts';
import { capture, decodeErrors, median, probe, skewsMs } from '../../support/av.ts';
import { findChromium, launchChromium } from '../../support/chromium.ts';
import { eventually, startLectern, type Lectern } from '../../support/lectern.ts';
import { countPictures, playInChromium } from '../../support/other-players.ts';
import { RtmpPublisherClient } from '../../support/rtmp-publisher.ts';
import { watchFlv } from '../../support/watch-flv.ts';
import { enhanced } from './enhanced.ts';
import { flashAndBeep, withBFrames } from './films.ts';
import { has, pushFile } from './rig.ts';

const folder = mkdtempSync(join(tmpdir(), 'lectern-whole-publishing-'));
let lectern: Lectern;

before(async () => {
  lectern = await startLectern();
});
after(async () => {
  await lectern.stop();
  rmSync(folder, { recursive: true, force: true });
});

function addressOf(lesson: Lesson): string {
  const key = makePublishKey(loadSecrets(lectern.dataDir).playback, lesson.channel, lesson.id, 0);
  const server = lesson.play.rtmp.split('/live/')[0] ?? '';
  return `${server}/live/${publishPaths(lesson.channel, key).rtmpStreamKey}`;
}

async function watch(address: string, name: string, lengthMs: number): Promise<string> {
  const file = join(folder, `${name}.flv`);
  await watchFlv(address, file, lengthMs);
  return file;
}

const isLive = async (lesson: Lesson) =>
  ((await lectern.api('GET', `/lessons/${lesson.id}`)) as Lesson).state === 'live';

test('a stream makes the class live, flash and beep together; a drop keeps the viewer', async (t) => {
  const lesson = await lectern.startClass();
  const url = addressOf(lesson);
  const startedAtMs = performance.now();
  let ffmpeg = pushFile(flashAndBeep(), url);
  try {
    await eventually(
      'FLV plays',
      async () => {
        const abort = new AbortController();
        const response = await fetch(lesson.play.flv, { signal: abort.signal });
        abort.abort();
        return response.ok;
      },
      20_000,
      50,
    );
    t.diagnostic(`FLV opens ${Math.round(performance.now() - startedAtMs)} ms after ffmpeg was started`);
    await eventually('HLS plays', async () => (await fetch(lesson.play.hls)).ok, 20_000, 50);
    t.diagnostic(`HLS plays ${Math.round(performance.now() - startedAtMs)} ms after ffmpeg was started`);
    // What measures it trips over a first second in which the sound is not there yet.
    await sleep(4_000);
    const file = await watch(lesson.play.flv, 'flash', 10_000);
    assert.equal(await decodeErrors(file), '');
    const skews = await skewsMs(file);
    t.diagnostic(`skew ${skews.map((skew) => skew.toFixed(0)).join(' ')} ms`);
    assert.ok(skews.length >= 6, `${skews.length} flashes`);
    assert.ok(Math.abs(median(skews)) <= 40, `flash and beep are ${median(skews)} ms apart`);
    assert.ok(await eventually('the lesson is live', () => isLive(lesson)));

    const captured = watch(lesson.play.flv, 'longer', 12_000);
    await sleep(3_000);
    await ffmpeg.stop('SIGKILL');
    await sleep(2_000);
    ffmpeg = pushFile(flashAndBeep(), url);
    const longer = await captured;
    assert.equal(await decodeErrors(longer), '');
    const after = await skewsMs(longer);
    t.diagnostic(`skew with a return ${after.map((skew) => skew.toFixed(0)).join(' ')} ms`);
    assert.ok((await probe(longer)).durationS > 9);
    assert.ok(Math.abs(median(after)) <= 40);
  } finally {
    await ffmpeg.stop();
  }
});

test('B-frames reach no viewer', async () => {
  const lesson = await lectern.startClass();
  const ffmpeg = pushFile(withBFrames(), addressOf(lesson));
  try {
    await eventually('HLS plays', async () => (await fetch(lesson.play.hls)).ok, 30_000);
    const file = await watch(lesson.play.flv, 'bframes', 4_000);
    assert.equal(await decodeErrors(file), '');
    assert.deepEqual((await probe(file)).streams.map(({ codec }) => codec).sort(), ['aac', 'h264']);
  } finally {
    await ffmpeg.stop();
  }
});

for (const fourCc of ['av01', 'vp09'] as const) {
  test(`${fourCc} by enhanced RTMP reaches every viewer as H.264`, async () => {
    const lesson = await lectern.startClass();
    const url = new URL(addressOf(lesson).replace('rtmp:', 'http:'));
    const client = await RtmpPublisherClient.open(Number(url.port));
    await client.publish(url.pathname.replace('/live/', '') + url.search);
    const startedMs = performance.now();
    const sent = (async () => {
      for (const { ms, body } of enhanced(fourCc)) {
        const waitMs = ms - (performance.now() - startedMs);
        if (waitMs > 10) await sleep(waitMs);
        client.send('video', ms, body);
      }
    })();
    await eventually('HLS plays', async () => (await fetch(lesson.play.hls)).ok, 20_000, 50);
    const kept = join(folder, `${fourCc}.mkv`);
    const [flv] = await Promise.all([
      watch(lesson.play.flv, fourCc, 1_500),
      capture(lesson.play.hls, kept, 1),
    ]);
    for (const file of [flv, kept]) {
      assert.equal(await decodeErrors(file), '');
      const picture = (await probe(file)).streams.find(({ type }) => type === 'video');
      assert.deepEqual([picture?.codec, picture?.width, picture?.height], ['h264', 640, 360]);
    }
    await sent;
    client.finish();
    assert.ok(client.statuses.some(({ description }) => /choose H\.264 as the encoder/.test(description)));
    // What the converter holds is taught still.
    await eventually('the publisher is gone', async () => {
      const now = EncoderNow.parse(await lectern.api('GET', `/lessons/${lesson.id}/encoder`));
      return now.encoder === null;
    });
    await assertDownloads(lesson, 150, { width: 640, height: 360 });
  });
}

/** Ends the class; what can be downloaded of it is whole to ffmpeg, GStreamer and Chromium. */
async function assertDownloads(lesson: Lesson, least: number, size: object): Promise<void> {
  await lectern.api('POST', `/lessons/${lesson.id}/end`);
  const { files } = await eventually('the recording', async () => {
    const [recording] = Recording.array().parse(await lectern.api('GET', `/recordings?lesson=${lesson.id}`));
    return recording?.state === 'ready' && recording;
  });
  assert.deepEqual(files.map(({ format }) => format).sort(), ['flv', 'mp4']);
  for (const { format, url } of files) {
    const file = join(folder, `${lesson.id}.${format}`);
    writeFileSync(file, Buffer.from(await (await fetch(url)).arrayBuffer()));
    assert.equal(await decodeErrors(file), '', format);
    if (!has('gst-inspect-1.0', 'avdec_h264')) continue;
    const { ffprobe, gstreamer } = await countPictures(file, folder);
    assert.equal(gstreamer, ffprobe, format);
    assert.ok(ffprobe >= least, `${ffprobe} pictures in ${format}`);
  }
  const mp4 = files.find(({ format }) => format === 'mp4');
  if (findChromium() === undefined || mp4 === undefined) return;
  const browser = await launchChromium();
  try {
    const { durationS, soundBytes, ...shown } = await playInChromium(browser, mp4.url);
    assert.deepEqual(shown, size);
    assert.ok(Math.abs(durationS * 1_000 - mp4.durationMs) < 200, `${durationS} s of ${mp4.durationMs} ms`);
    assert.ok(soundBytes > 0);
  } finally {
    await browser.close();
  }
}
