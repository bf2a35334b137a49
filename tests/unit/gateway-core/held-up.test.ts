// What comes late, and what comes seldom, is no interruption of a broadcast.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { camera, microphone, setStage } from './stage.ts';

test('what was only held up goes on where it was, in the middle of a group of pictures', () => {
  const stage = setStage();
  const program = [camera({ source: 'encoder' }), microphone({ source: 'encoder-audio' })];
  stage.feed(program);
  const both = (agoMs = 0) => {
    stage.picture('cam', false, agoMs);
    stage.sound('mic', agoMs);
  };
  stage.picture('cam', true);
  stage.sound('mic');
  stage.pass(1_000, both);
  stage.pass(8_000, () => stage.feed(program));
  assert.equal(stage.state(), 'interrupted');
  stage.log.length = 0;
  for (let agoMs = 7_900; agoMs >= 0; agoMs -= 100) both(agoMs);
  assert.equal(stage.state(), 'live');
  assert.ok(!stage.log.includes('ladder interrupted'));
  const shown = stage.log.filter((line) => line.startsWith('programme video'));
  assert.deepEqual(
    shown,
    Array.from({ length: 80 }, (_, index) => `programme video ${1_121 + index * 100}`),
  );
});

test('a program that sends a picture every two seconds, and no sound, is live', () => {
  const stage = setStage();
  const program = [camera({ source: 'encoder' })];
  stage.feed(program);
  for (let pictures = 0; pictures < 10; pictures += 1) {
    stage.picture('cam', true);
    stage.pass(2_000, () => stage.feed(program));
  }
  assert.deepEqual(stage.states(), ['starting', 'live']);
});
