// Sound and picture that begin, arrive or pause apart from each other: order comes from their timestamps.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import type { Browser } from 'playwright-core';
import type { FlvTag } from '#shared/media/flv.ts';
import { beepTimes, decodeErrors, flashTimes, median, probe, skewsMs } from '../../support/av.ts';
import {
  channelsInChromium,
  channelsInGStreamer,
  LEFT_HZ,
  RIGHT_HZ,
  type Channels,
} from '../../support/channels.ts';
import { launchChromium } from '../../support/chromium.ts';
import { startLectern, type Lectern } from '../../support/lectern.ts';
import { publishTags, recordingOf, tagsOf } from './class.ts';
import { stereoFlashAndBeep } from './films.ts';

const LENGTH_S = 16;
const folder = mkdtempSync(join(tmpdir(), 'lectern-apart-'));
/** An ffmpeg that begins late, as on a busy machine. */
const lateFfmpeg = join(folder, 'ffmpeg');
let lectern: Lectern;
/** Another, whose sound takes long to be converted at first. */
let busy: Lectern;
let browser: Browser;
let tags: readonly FlvTag[];

before(async () => {
  const ffmpeg = process.env.LECTERN_FFMPEG ?? 'ffmpeg';
  const script = `#!/bin/sh\ncase "$*" in *libopus*) sleep 2.5 ;; esac\nexec "${ffmpeg}" "$@"\n`;
  writeFileSync(lateFfmpeg, script, { mode: 0o755 });
  [lectern, busy, browser] = await Promise.all([
    startLectern(),
    startLectern({ LECTERN_FFMPEG: lateFfmpeg }),
    launchChromium(),
  ]);
  tags = tagsOf(stereoFlashAndBeep(LENGTH_S, [LEFT_HZ, RIGHT_HZ]));
});
after(async () => {
  await Promise.all([lectern.stop(), busy.stop(), browser.close()]);
  rmSync(folder, { recursive: true, force: true });
});

/** Publishes the film so, and gives the MP4 that is recorded of it. */
async function recorded(
  name: string,
  delayMs: (tag: FlvTag) => number | null,
  by = lectern,
): Promise<string> {
  const lesson = await by.startClass();
  await publishTags(by, lesson, tags, delayMs);
  const file = await recordingOf(by, lesson, join(folder, `${name}.mp4`));
  assert.equal(await decodeErrors(file), '');
  return file;
}

/** How many seconds from the end of the film have a flash, or beep, each. */
const run = (times: readonly number[]): number => {
  const back = times.toReversed();
  const broken = back.findIndex((at, index) => index > 0 && Math.abs((back[index - 1] ?? 0) - at - 1) > 0.07);
  return broken === -1 ? back.length : broken;
};

const text = (times: readonly number[]) => times.map((at) => at.toFixed(2)).join(' ');

describe('sound and picture', { concurrency: 4 }, () => {
  for (const [kind, byS] of [
    ['audio', 0.6],
    ['audio', 2.5],
    ['audio', 4.5],
    ['video', 1.5],
    ['video', 4.5],
  ] as const) {
    test(`are together where ${kind} arrives ${byS} s late`, async () => {
      const file = await recorded(`${kind}-${byS}`, ({ type }) => (type === kind ? byS * 1_000 : 0));
      const [flashes, beeps, skews] = [await flashTimes(file), await beepTimes(file), await skewsMs(file)];
      const seen = `flashes ${text(flashes)}; beeps ${text(beeps)}`;
      // What came before it was known that another kind follows was not waited for.
      const leastS = LENGTH_S - Math.ceil(byS) - 3;
      assert.ok(run(flashes) >= leastS && run(beeps) >= leastS, seen);
      assert.ok(Math.abs(median(skews)) < 60, seen);
    });
  }

  test('that are further apart than that are told of', async () => {
    const from = lectern.log.length;
    await recorded('beyond', ({ type }) => (type === 'audio' ? 8_000 : 0));
    const told = lectern.log.slice(from).filter(({ notice }) => /more than 5 s after/.test(String(notice)));
    assert.equal(told.length, 1);
  });

  for (const fromS of [0, 0.2, 1, 4]) {
    test(`are whole, on both sides, where the sound begins ${fromS} s after the picture`, async () => {
      const file = await recorded(
        `from-${fromS}`,
        ({ type, timestampMs, body }) =>
          type !== 'audio' || timestampMs >= fromS * 1_000 || isConfig(body) ? 0 : null,
        busy,
      );
      const [flashes, beeps] = [await flashTimes(file), await beepTimes(file)];
      const seen = `flashes ${text(flashes)}; beeps ${text(beeps)}`;
      assert.ok(run(flashes) >= LENGTH_S - 2, seen);
      assert.ok(run(beeps) >= LENGTH_S - Math.floor(fromS) - 1, seen);
      isStereo('GStreamer', await channelsInGStreamer(file, `${file}.raw`));
      isStereo('Chromium', await channelsInChromium(browser, file));
    });
  }

  test('need not both be there: sound alone is recorded whole', async () => {
    const file = await recorded('sound', ({ type }) => (type === 'video' ? null : 0));
    const beeps = await beepTimes(file);
    assert.ok(run(beeps) >= LENGTH_S - 1, text(beeps));
  });

  test('may pause: a picture that stands for 7 s goes on, and nobody is advised', async () => {
    const from = lectern.log.length;
    const file = await recorded('pause', ({ type, timestampMs }) =>
      type === 'video' && timestampMs > 4_000 && timestampMs < 11_000 ? null : 0,
    );
    const [flashes, beeps] = [await flashTimes(file), await beepTimes(file)];
    assert.ok(run(beeps) >= LENGTH_S - 1, text(beeps));
    assert.ok(run(flashes) >= LENGTH_S - 12, text(flashes));
    assert.ok(Math.abs((await probe(file)).durationS - LENGTH_S) < 1);
    const about = lectern.log.slice(from).map(({ notice }) => String(notice));
    assert.ok(!about.some((one) => /converts/.test(one)), 'no conversion');
  });
});

/** True for what describes the sound and is none (AAC's sequence header). */
const isConfig = (body: Uint8Array): boolean => body[1] === 0;

function isStereo(decoder: string, channels: Channels): void {
  const seen = `${decoder}: ${JSON.stringify(channels)}`;
  const [left, right] = channels;
  assert.ok(channels.length === 2 && left !== undefined && right !== undefined, seen);
  assert.ok(left[0] > 100 * left[1] && right[1] > 100 * right[0], seen);
}
