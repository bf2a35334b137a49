// What comes late is there all the same: uplinks that stand still, few pictures, many interruptions.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { Recording } from '#shared/contract/rest.ts';
import { beepTimes, decodeErrors, flashTimes, probe } from '../../support/av.ts';
import { eventually, startLectern, type Lectern } from '../../support/lectern.ts';
import { mediaFile } from '../../support/media-file.ts';
import { startStallingProxy } from '../../support/stalling-proxy.ts';
import { placeOf, recordingOf } from './class.ts';
import { flashAndBeep } from './films.ts';
import { pushFile } from './rig.ts';

const folder = mkdtempSync(join(tmpdir(), 'lectern-stall-'));
let lectern: Lectern;

before(async () => {
  lectern = await startLectern();
});
after(async () => {
  await lectern.stop();
  rmSync(folder, { recursive: true, force: true });
});

const LENGTH_S = 22;

/** True if one comes each second, as in the film; returns what is wrong otherwise. */
function isWhole(what: string, times: readonly number[]): void {
  const gaps = times.slice(1).map((at, index) => at - (times[index] ?? 0));
  const text = `${what}: ${times.map((at) => at.toFixed(2)).join(' ')}`;
  // The first flash may be the first picture, which is no change from dark to bright; the last may be on its way.
  assert.ok(times.length >= LENGTH_S - 2, text);
  assert.ok(
    gaps.every((gap) => Math.abs(gap - 1) < 0.07),
    text,
  );
}

describe('an uplink that stands still', () => {
  for (const stallS of [3, 8]) {
    test(`for ${stallS} s loses no flash and no beep of the recording`, async () => {
      const lesson = await lectern.startClass();
      const { port, path } = placeOf(lectern, lesson);
      const proxy = await startStallingProxy(port);
      const ffmpeg = pushFile(flashAndBeep(LENGTH_S), `rtmp://127.0.0.1:${proxy.port}${path}`);
      try {
        await eventually('HLS plays', async () => (await fetch(lesson.play.hls)).ok, 20_000);
        await sleep(2_000);
        proxy.hold();
        await sleep(stallS * 1_000);
        proxy.release();
        await ffmpeg.ended;
      } finally {
        await ffmpeg.stop();
        proxy.close();
      }
      const file = await recordingOf(lectern, lesson, join(folder, `stall${stallS}.mp4`));
      assert.equal(await decodeErrors(file), '');
      isWhole('flashes', await flashTimes(file));
      isWhole('beeps', await beepTimes(file));
    });
  }
});

test('one picture every two seconds, without sound, is a class that is live, and recorded whole', async () => {
  const film = mediaFile(
    'publish-few-pictures',
    `-f lavfi -i testsrc2=size=320x180:rate=1/2 -t 24 -c:v libx264 -preset ultrafast -bf 0 -g 3 -pix_fmt yuv420p`,
  );
  const before = lectern.log.length;
  const lesson = await lectern.startClass();
  const { port, path } = placeOf(lectern, lesson);
  await pushFile(film, `rtmp://127.0.0.1:${port}${path}`).ended;
  const file = await recordingOf(lectern, lesson, join(folder, 'few.mp4'));
  assert.equal(await decodeErrors(file), '');
  const { durationS } = await probe(file);
  assert.ok(durationS > 19 && durationS < 26, `${durationS} s`);
  const interrupted = lectern.log
    .slice(before)
    .filter(({ msg, state }) => msg === 'broadcast changed' && state === 'interrupted');
  assert.ok(interrupted.length <= 1, `${interrupted.length} interruptions`);
});

test('a recording with many interruptions is as long in every form', async () => {
  const lesson = await lectern.startClass();
  const { port, path } = placeOf(lectern, lesson);
  for (let times = 0; times < 5; times += 1) {
    const ffmpeg = pushFile(flashAndBeep(LENGTH_S), `rtmp://127.0.0.1:${port}${path}`);
    await sleep(4_000);
    await ffmpeg.stop('SIGKILL');
    await sleep(1_500 + 500 * times);
  }
  await recordingOf(lectern, lesson, join(folder, 'interrupted.mp4'));
  const [recording] = Recording.array().parse(await lectern.api('GET', `/recordings?lesson=${lesson.id}`));
  assert.ok(recording !== undefined);
  const files = recording.files.map(({ format, durationMs }) => [format, durationMs / 1_000] as const);
  const played = await Promise.all(
    [recording.hls, ...recording.files.map(({ url }) => url)].map(
      async (url) => (await probe(url)).durationS,
    ),
  );
  const all = [recording.durationMs / 1_000, ...files.map(([, s]) => s), ...played];
  assert.ok(Math.max(...all) - Math.min(...all) < 0.5, all.map((s) => s.toFixed(2)).join(' '));
});
