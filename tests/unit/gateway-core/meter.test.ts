// What is measured of the programme: key frames, how sound and picture keep together, and what is forgotten.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Frame } from '#shared/media/frame.ts';
import { MeteredProgramme } from '../../../gateway/channel/meter.ts';

const picture = (ms: number, key = false) =>
  ({ kind: 'video', ptsUs: ms * 1_000, dtsUs: ms * 1_000, key, data: new Uint8Array(1) }) as Frame;
const sound = (ms: number, codec = 'aac') =>
  ({ kind: 'audio', ptsUs: ms * 1_000, data: new Uint8Array(1), config: { codec } }) as Frame;

function meter() {
  let nowMs = 0;
  const passed: string[] = [];
  const metered = new MeteredProgramme(
    {
      writeFrame: ({ kind }) => passed.push(kind),
      end: () => passed.push('end'),
    },
    () => nowMs,
    'aac',
  );
  return { metered, passed, at: (ms: number) => (nowMs = ms) };
}

test('the interval of key frames is that of the last two', () => {
  const { metered } = meter();
  assert.equal(metered.flow.keyframeIntervalMs, null);
  for (const [ms, key] of [
    [0, true],
    [500, false],
    [2_000, true],
    [2_033, false],
    [6_000, true],
  ] as const)
    metered.writeFrame(picture(ms, key));
  assert.equal(metered.flow.keyframeIntervalMs, 4_000);
  assert.deepEqual([metered.flow.videoFrames, metered.flow.keyframes], [5, 3]);
});

test('sound that is handed on later than its picture shows as skew, in ms', () => {
  const { metered, at } = meter();
  assert.equal(metered.flow.skewMs, null);
  for (let ms = 0; ms < 10_000; ms += 20) {
    at(ms);
    metered.writeFrame(picture(ms));
    if (ms >= 80) metered.writeFrame(sound(ms - 80));
  }
  const { skewMs } = metered.flow;
  assert.ok(skewMs !== null && Math.abs(skewMs - 80) < 2, `${skewMs} ms`);
});

test('an interruption is no interval and no skew, and everything passes on', () => {
  const { metered, passed } = meter();
  metered.writeFrame(picture(0, true));
  metered.writeFrame(sound(0));
  metered.interrupt();
  assert.equal(metered.flow.skewMs, null);
  metered.writeFrame(picture(90_000, true));
  assert.equal(metered.flow.keyframeIntervalMs, null);
  metered.end();
  assert.deepEqual(passed, ['video', 'audio', 'video', 'end']);
});
