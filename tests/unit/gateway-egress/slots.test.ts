// Which picture each rendition shows when layers come and go.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { formatRenditionId, parseRenditionId, RenditionId } from '../../../gateway/hls/rendition-id.ts';
import { candidateOf, countSlots, pickSlots, type SlotCandidate } from '../../../gateway/store/slots.ts';
import {
  initFile,
  parseInitFile,
  parsePartFile,
  parseSegmentFile,
  partFile,
  segmentFile,
} from '../../../gateway/store/segment-timeline.ts';

const layer = (number: number, whole = true): SlotCandidate =>
  candidateOf(formatRenditionId({ source: 'camera', layer: number }), whole);

test('every slot shows its own layer while all are there', () => {
  assert.deepEqual(pickSlots([layer(2), layer(0), layer(1)], 3), ['camera0', 'camera1', 'camera2']);
});

test('a slot without its layer shows the nearest lower, else the nearest higher', () => {
  assert.deepEqual(pickSlots([layer(0), layer(2)], 3), ['camera0', 'camera0', 'camera2']);
  assert.deepEqual(pickSlots([layer(1)], 3), ['camera1', 'camera1', 'camera1']);
});

test('the only slot of a broadcast that began with one layer shows the best there is', () => {
  assert.deepEqual(pickSlots([layer(0), layer(1), layer(2)], 1), ['camera2']);
});

test('a layer that began late is left out while another is whole', () => {
  assert.deepEqual(pickSlots([layer(0), layer(1), layer(2, false)], 3), ['camera0', 'camera1', 'camera1']);
  assert.deepEqual(pickSlots([layer(2, false)], 3), ['camera2', 'camera2', 'camera2']);
});

test('slots are as many as the camera has layers; without a camera there is room for one to come', () => {
  assert.equal(countSlots(['camera0', 'camera1']), 2);
  assert.equal(countSlots(['camera0']), 1);
  assert.equal(countSlots(['screen0']), 3);
  assert.equal(countSlots([]), 3);
});

test('a rendition id is read as it was written; the still picture and the sound have no layer', () => {
  for (const id of RenditionId.options) {
    const layer = parseRenditionId(id);
    if (layer !== undefined) assert.equal(formatRenditionId(layer), id);
  }
  assert.deepEqual(parseRenditionId('screen2'), { source: 'screen', layer: 2 });
  assert.equal(parseRenditionId('still'), undefined);
  assert.equal(parseRenditionId('audio'), undefined);
  assert.throws(() => formatRenditionId({ source: 'camera', layer: 3 }));
});

test('a still picture stands in only where nothing else is', () => {
  assert.deepEqual(pickSlots([candidateOf('still', true), layer(0, false)], 2), ['camera0', 'camera0']);
  assert.deepEqual(pickSlots([candidateOf('still', true)], 2), ['still', 'still']);
});

test('names of files are read as they are written, and others are none', () => {
  for (const label of RenditionId.options) {
    assert.deepEqual(parseSegmentFile(segmentFile(12, label)), { n: 12, label });
    const part = { n: 12, label, index: 3, run: 'a1b2c3' };
    assert.deepEqual(parsePartFile(partFile(part)), part);
    assert.equal(parseSegmentFile(partFile(part)), undefined);
    assert.equal(parsePartFile(segmentFile(12, label)), undefined);
  }
  for (const name of [
    '12-camera3.m4s',
    '12-toString.m4s',
    '-still.m4s',
    '1234567890-still.m4s',
    '../1-still.m4s',
  ]) {
    assert.equal(parseSegmentFile(name), undefined, name);
  }
  assert.equal(parseInitFile(initFile(7)), 7);
  assert.equal(parseInitFile('init-1234567.mp4'), undefined);
});
