// All of Lectern: ffmpeg publishes over RTMP, and the class is on air by itself, with its sound.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Lesson } from '#shared/contract/rest.ts';
import { publishPaths } from '#shared/contract/publish.ts';
import { makePublishKey } from '#server/publish-key.ts';
import { loadSecrets } from '#server/secrets.ts';
import { decodeErrors, median, probe, skewsMs } from '../../support/av.ts';
import { eventually, startLectern, type Lectern } from '../../support/lectern.ts';
import { watchFlv } from '../../support/watch-flv.ts';
import { flashAndBeep, withBFrames } from './films.ts';
import { pushFile } from './rig.ts';

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
