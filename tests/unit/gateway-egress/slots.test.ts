// Which picture each rendition shows when layers come and go.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { countSlots, pickSlots, type Candidate } from '../../../gateway/store/slots.ts';

const layer = (number: number, whole = true): Candidate => ({
  label: `camera${number}`,
  layer: number,
  whole,
});

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
