// Which picture the audience sees, and which rungs the ladder has.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { VideoTrack } from '../../../gateway/channel/ports.ts';
import { Rungs } from '../../../gateway/channel/rungs.ts';
import { ProgrammeSelector } from '../../../gateway/channel/selector.ts';
import { TrackHealth } from '../../../gateway/channel/track-health.ts';

const LOW: VideoTrack = { id: 'low', layer: 0, source: 'camera' };
const MID: VideoTrack = { id: 'mid', layer: 1, source: 'camera' };
const TOP: VideoTrack = { id: 'top', layer: 2, source: 'camera' };
const SCREEN: VideoTrack = { id: 'screen', layer: 0, source: 'screen' };
const LAYERS = [LOW, MID, TOP];

/** A selector with a stopwatch; each step is one picture of each named track, `!` for a key frame. */
function stage() {
  const asked: string[] = [];
  const health = new TrackHealth();
  const selector = new ProgrammeSelector(health, (track) => asked.push(track));
  let nowMs = 0;
  const step = (pictures: string, stepMs = 33): string[] => {
    nowMs += stepMs;
    const ids = pictures.split(' ');
    return ids.filter((one) => {
      const id = one.replace('!', '');
      health.note(id, nowMs);
      return selector.admit(id, one.endsWith('!'), nowMs);
    });
  };
  const run = (pictures: string, forMs: number): string[] => {
    const shown: string[] = [];
    for (let atMs = 0; atMs < forMs; atMs += 33) shown.push(...step(pictures));
    return shown;
  };
  return { selector, asked, step, run };
}

test('the largest layer is shown from its first key frame, although a smaller one came first', () => {
  const { selector, step } = stage();
  selector.want(LAYERS);
  assert.deepEqual(step('low! mid!'), []);
  assert.deepEqual(step('low mid top!'), ['top!']);
  assert.deepEqual(step('low mid top'), ['top']);
});

test('if the largest does not come, the next is asked for a key frame and shown', () => {
  const { selector, step, run, asked } = stage();
  selector.want(LAYERS);
  step('low! mid!');
  assert.deepEqual(run('low mid', 600), []);
  assert.deepEqual(asked.at(-1), 'mid');
  assert.deepEqual(step('low mid!'), ['mid!']);
});

test('when the largest stalls, the next takes over at its own key frame', () => {
  const { selector, step, run, asked } = stage();
  selector.want(LAYERS);
  step('low! mid! top!');
  assert.deepEqual(new Set(run('low mid', 1_200)), new Set());
  assert.equal(asked.at(-1), 'mid');
  assert.deepEqual(step('low mid!'), ['mid!']);
  assert.deepEqual(step('low mid'), ['mid']);
});

test('the largest comes back only once it has been steady, and again at a key frame', () => {
  const { selector, step, run, asked } = stage();
  selector.want(LAYERS);
  step('low! mid! top!');
  run('low mid', 1_200);
  step('low! mid!');
  assert.deepEqual(step('low mid top!'), ['mid'], 'its first key frame is too soon');
  asked.length = 0;
  assert.ok(run('low mid top', 1_500).every((id) => id === 'mid'));
  assert.equal(asked.length, 0);
  run('low mid top', 1_000);
  assert.equal(asked.at(-1), 'top');
  assert.deepEqual(step('low mid top!'), ['mid', 'top!']);
  assert.deepEqual(step('low mid top'), ['top']);
});

test('a layer that comes and goes does not make the picture flutter', () => {
  const { selector, step, run } = stage();
  selector.want(LAYERS);
  step('mid! top!');
  run('mid', 1_200);
  step('mid!');
  for (let round = 0; round < 5; round += 1) {
    assert.ok(run('mid top!', 1_000).every((id) => id === 'mid'));
    assert.ok(run('mid', 1_200).every((id) => id === 'mid'));
  }
});

test('a screen whose picture stands still is no stall', () => {
  const { selector, step } = stage();
  selector.want([SCREEN]);
  step('screen!');
  for (let round = 0; round < 5; round += 1) assert.deepEqual(step('screen', 5_000), ['screen']);
});

test('the camera goes on until the screen has its first key frame', () => {
  const { selector, step, asked } = stage();
  selector.want(LAYERS);
  step('top!');
  selector.want([SCREEN]);
  assert.deepEqual(step('top screen'), ['top']);
  assert.equal(asked.at(-1), 'screen');
  assert.deepEqual(step('top screen!'), ['top', 'screen!']);
  assert.deepEqual(step('top screen'), ['screen']);
});

test('after an interruption even the same layer begins with a key frame', () => {
  const { selector, step } = stage();
  selector.want([TOP]);
  step('top!');
  selector.interrupt();
  assert.deepEqual(step('top'), []);
  assert.deepEqual(step('top!'), ['top!']);
});

function ladder() {
  const told: string[] = [];
  const health = new TrackHealth();
  const made = new Rungs({ health, onTracks: (tracks) => told.push(tracks.map(({ id }) => id).join(' ')) });
  const rungs = {
    want: (tracks: readonly VideoTrack[]) => made.want(tracks),
    interrupt: () => made.interrupt(),
    admit(id: string, key: boolean, nowMs: number) {
      health.note(id, nowMs);
      return made.admit(id, key, nowMs);
    },
  };
  return { rungs, told };
}

test('a rung is there from its first key frame, in the order of size', () => {
  const { rungs, told } = ladder();
  rungs.want(LAYERS);
  assert.equal(rungs.admit('top', false, 0), undefined);
  assert.equal(rungs.admit('top', true, 10), TOP);
  assert.equal(rungs.admit('low', true, 20), LOW);
  assert.equal(rungs.admit('low', false, 30), LOW);
  assert.deepEqual(told, ['top', 'low top']);
});

test('a rung that stops while others go on is taken out until its next key frame', () => {
  const { rungs, told } = ladder();
  rungs.want(LAYERS);
  rungs.admit('low', true, 0);
  rungs.admit('top', true, 0);
  for (let atMs = 33; atMs < 2_500; atMs += 33) rungs.admit('low', false, atMs);
  assert.deepEqual(told, ['low', 'low top', 'low']);
  assert.equal(rungs.admit('top', false, 2_600), undefined);
  assert.equal(rungs.admit('top', true, 2_633), TOP);
  assert.deepEqual(told.at(-1), 'low top');
});

test('the camera’s rungs stay until the screen has begun, and go then', () => {
  const { rungs, told } = ladder();
  rungs.want([LOW, TOP]);
  rungs.admit('low', true, 0);
  rungs.admit('top', true, 0);
  rungs.want([SCREEN]);
  assert.equal(rungs.admit('top', false, 33), TOP);
  assert.equal(rungs.admit('screen', true, 40), SCREEN);
  assert.equal(rungs.admit('top', false, 66), undefined);
  assert.deepEqual(told, ['low', 'low top', 'screen']);
});

test('without a camera the ladder has no rungs', () => {
  const { rungs, told } = ladder();
  rungs.want([TOP]);
  rungs.admit('top', true, 0);
  rungs.want([]);
  assert.deepEqual(told, ['top', '']);
});
