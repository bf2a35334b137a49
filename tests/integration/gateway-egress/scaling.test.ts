// Smaller renditions as ffmpeg makes them, in real time, and what comes of it when it cannot.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { before, test } from 'node:test';
import { Registry } from 'prom-client';
import type { VideoFrame } from '#shared/media/frame.ts';
import type { SourceVideoFrame } from '../../../gateway/channel/sources.ts';
import { openScaling } from '../../../gateway/ffmpeg/scaling.ts';
import { family } from '../../support/cost.ts';
import { eventually } from '../../support/lectern.ts';
import { shoot } from './film.ts';

const SIZES = [
  { width: 320, height: 180 },
  { width: 640, height: 360 },
];
const FILM_S = 4;
let film: readonly VideoFrame[];
before(async () => (film = (await shoot(FILM_S)).layers.at(-1) ?? []));

/** A source of 1280×720, its film over and over, and all that is made of it. */
function play(ffmpeg = 'ffmpeg') {
  const warnings: string[] = [];
  const metrics = new Registry();
  const scaling = openScaling({
    ffmpeg,
    most: 1,
    log: { info: () => undefined, warn: (what: { why?: string }) => void warnings.push(what.why ?? '') },
    metrics,
  });
  const made: SourceVideoFrame[][] = SIZES.map(() => []);
  const scaler = scaling.open({
    channel: 'channel123',
    sizes: SIZES,
    onFrame: (size, picture) => made[size]?.push(picture),
  });
  assert.ok(scaler !== undefined);
  const sent: SourceVideoFrame[] = [];
  const startMs = performance.now();
  const timer = setInterval(() => {
    for (;;) {
      const frame = film[sent.length % film.length];
      const round = Math.floor(sent.length / film.length);
      const captureMs = startMs + round * FILM_S * 1_000 + (frame?.ptsUs ?? 0) / 1_000;
      if (frame === undefined || captureMs > performance.now()) return;
      const { key, data, config } = frame;
      const picture: SourceVideoFrame = { kind: 'video', captureMs, key, data, config };
      sent.push(picture);
      scaler.scaleFrame(picture);
    }
  }, 10);
  return {
    scaling,
    made,
    sent,
    warnings,
    number: async (name: string) => Number((await metrics.getSingleMetric(name)?.get())?.values[0]?.value),
    close() {
      clearInterval(timer);
      scaler.close();
    },
  };
}

/** The ffmpeg at work. */
const maker = (): number | undefined =>
  family(process.pid).find((pid) => {
    try {
      return readFileSync(`/proc/${pid}/cmdline`, 'latin1').includes('force_key_frames\0source');
    } catch {
      return false;
    }
  });

test('each picture has the time of its source, and is a key frame where that is one', async () => {
  const { scaling, made, sent, number, close } = play();
  try {
    await eventually('both sizes', () => made.every((pictures) => pictures.length >= 50), 30_000);
    SIZES.forEach(({ width, height }, size) => {
      const pictures = made[size] ?? [];
      const { config } = pictures[0] ?? {};
      assert.deepEqual([config?.width, config?.height], [width, height]);
      assert.equal(new Set(pictures.map((picture) => picture.config)).size, 1);
      // What the audience is told of the renditions comes from the first second.
      assert.ok(
        Math.abs((pictures[0]?.captureMs ?? 0) - (sent[0]?.captureMs ?? 0)) <= 1,
        'from the first on',
      );
      for (const { captureMs, key } of pictures) {
        const of = sent.find((source) => Math.abs(source.captureMs - captureMs) <= 1);
        assert.equal(of?.key, key, `the picture at ${captureMs} ms`);
      }
    });
    assert.equal(await number('lectern_made_renditions'), 2);
    const another = { channel: 'channel456', sizes: SIZES, onFrame: () => undefined };
    assert.equal(scaling.open(another), undefined, 'there is room for one source');
    close();
    assert.equal(await number('lectern_made_renditions'), 0);
    const next = scaling.open(another);
    assert.ok(next !== undefined, 'there is room again');
    next.close();
  } finally {
    close();
  }
});

test('an ffmpeg that falls behind is given up, and another tried after a while', async () => {
  const { made, sent, warnings, number, close } = play();
  try {
    await eventually('it works', () => made.every((pictures) => pictures.length > 0), 30_000);
    const pid = maker() ?? 0;
    process.kill(pid, 'SIGSTOP');
    await eventually('it is given up', () => warnings.includes('it does not keep up'), 30_000);
    assert.ok((await number('lectern_made_renditions_dropped_total')) >= 1);
    const counts = made.map((pictures) => pictures.length);
    await eventually(
      'another works',
      () => made.every(({ length }, size) => length > (counts[size] ?? 0)),
      60_000,
    );
    assert.notEqual(maker(), pid);
    // What came of it begins with a key frame, and never before the source was there.
    made.forEach((pictures, size) => {
      const again = pictures[counts[size] ?? 0];
      assert.equal(again?.key, true);
      assert.ok(sent.some(({ captureMs }) => Math.abs(captureMs - again.captureMs) <= 1));
    });
  } finally {
    close();
  }
});

test('without ffmpeg nothing is made, and it is said what to install', async () => {
  const { made, warnings, close } = play('/nowhere/ffmpeg');
  try {
    await eventually('it is said', () => warnings.some((why) => why.includes('apt-get install ffmpeg')));
    assert.deepEqual(made, [[], []]);
  } finally {
    close();
  }
});
