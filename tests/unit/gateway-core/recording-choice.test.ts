// Whether a broadcast is recorded: what was chosen in class, or else what its lesson says; and what the disk lets.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { RecordingChoice, RecordingMode } from '#shared/domain/recording.ts';
import { camera, microphone, setStage } from './stage.ts';

const SIMPLE = [camera(), microphone()];

test('what is recorded is what was chosen, or else what the lesson says', () => {
  const chosen = (choice: RecordingChoice) => ({ recording: { choice, atMs: 5 } });
  const ladderAfter = (mode: RecordingMode, ...choices: (RecordingChoice | undefined)[]) => {
    const stage = setStage({ recordingMode: mode });
    const said = choices.map(
      (choice) => stage.feed(SIMPLE, choice === undefined ? {} : chosen(choice)).recording,
    );
    return [said.join(' '), stage.log.filter((line) => line.includes('recorded')).join(', ')];
  };
  assert.deepEqual(ladderAfter('automatic', undefined), ['on', '']);
  assert.deepEqual(ladderAfter('manual', undefined), ['off', 'ladder not recorded']);
  assert.deepEqual(ladderAfter('manual', undefined, 'on', 'paused'), [
    'off on paused',
    'ladder not recorded, ladder recorded, ladder not recorded',
  ]);
  assert.deepEqual(ladderAfter('always', 'off', 'paused'), ['on on', '']);
});

test('what keeps a class from being recorded is told as a code, and goes away when it is over', () => {
  const stage = setStage();
  stage.feed(SIMPLE);
  stage.diskTrouble('disk-full');
  assert.partialDeepStrictEqual(stage.feed(SIMPLE), { diskTrouble: 'disk-full', notice: null });
  stage.diskTrouble(null);
  assert.equal(stage.feed(SIMPLE).diskTrouble, null);
});
