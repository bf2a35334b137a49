// When parts are spoken of.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { LiveEdge } from '../../../gateway/hls/live-edge.ts';
import { AUDIO } from '../../../gateway/hls/rendition-id.ts';
import { SegmentTimeline } from '../../../gateway/store/segment-timeline.ts';

const PART = { startUs: 0, durationUs: 320_000, independent: true };

test('a part that comes right behind another is kept back for a moment, each rendition by itself', async () => {
  const edge = new LiveEdge(new SegmentTimeline());
  edge.begin(1, AUDIO, 0);
  edge.begin(1, 'camera0', 1);
  assert.equal(edge.restMs(AUDIO), 0);
  edge.appendPart(1, AUDIO, PART);
  assert.equal(edge.restMs(AUDIO), 0, 'the first waits for nothing');
  edge.appendPart(1, AUDIO, PART);
  const restMs = edge.restMs(AUDIO);
  assert.ok(restMs > 100 && restMs <= 200, `${restMs} ms`);
  edge.appendPart(1, 'camera0', PART);
  assert.equal(edge.restMs('camera0'), 0);
  await sleep(restMs + 5);
  assert.equal(edge.restMs(AUDIO), 0);
  edge.appendPart(1, AUDIO, PART);
  assert.equal(edge.restMs(AUDIO), 0, 'what is far enough behind the one before waits for nothing');
});
