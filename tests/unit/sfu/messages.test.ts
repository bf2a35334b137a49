// How many messages one person may send, and all of an invitation together.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { crowdMessages, Messages } from '../../../sfu/signalling/messages.ts';

const SMALL = 100;
const LARGE = 60_000;

/** How many in a row are heard at `nowMs`. */
function burst(person: Messages, nowMs: number, bytes = SMALL): number {
  let heard = 0;
  while (heard < 10_000 && person.take(nowMs, bytes)) heard += 1;
  return heard;
}

describe('messages', () => {
  test('of one person are bounded at once and in the long run', () => {
    const person = new Messages(0);
    assert.equal(burst(person, 0), 800);
    assert.equal(burst(person, 1_000), 50);
    assert.equal(burst(person, 1_000_000), 800);
  });

  test('count for more if they are large', () => {
    assert.equal(burst(new Messages(0), 0, LARGE), 13);
  });

  test('of a crowd are bounded together, and who sends little is heard all the same', () => {
    const crowd = crowdMessages(0);
    const quiet = new Messages(0, crowd);
    const crowded = Array.from({ length: 200 }, () => burst(new Messages(0, crowd), 0));
    const heard = crowded.reduce((sum, one) => sum + one, 0);
    assert.ok(heard <= 20_000 + 200 * 100, `${heard}`);
    assert.deepEqual([...new Set(crowded)].sort(), [100, 800], 'the last of them sent no more than is fair');
    assert.equal(burst(quiet, 0), 100);
    assert.equal(burst(new Messages(0, crowdMessages(0)), 0), 800, 'another crowd is another');
  });
});
