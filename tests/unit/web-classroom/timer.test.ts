// The timer of a class in one tab: what the room says of it, what is asked of it, and what there is to see.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { FeatureHost } from '../../../web/engine/feature.ts';
import { createTimer, timerPhase, UP_SHOWN_MS } from '../../../web/features/timer/engine.ts';

/** The room's end: it takes down what is asked, and `tell` is what it says. */
function room() {
  const asked: unknown[] = [];
  const handlers = new Map<string, (fact: never) => void>();
  const host = {
    request: (name: string, data: object) => Promise.resolve(void asked.push([name, data])),
    on: (name: string, handle: (fact: never) => void) => void handlers.set(name, handle),
    onJoined: (handle: (joined: never) => void) => void handlers.set('joined', handle),
  };
  const timer = createTimer(host as unknown as FeatureHost);
  const tell = (name: string, fact: unknown) => handlers.get(name)?.(fact as never);
  return { timer, asked, tell };
}

const five = { id: 'timer001', label: 'Read page 12', endsAtMs: 300_000 };

describe('the timer of a class', () => {
  it('is that of the join, and what the room says of it after it', () => {
    const { timer, tell } = room();
    assert.equal(timer.current, null);
    tell('joined', { timer: five });
    assert.deepEqual(timer.current, five);
    const longer = { ...five, endsAtMs: 360_000 };
    tell('timer:changed', { timer: longer });
    assert.deepEqual(timer.current, longer);
    tell('timer:changed', { timer: null });
    assert.equal(timer.current, null);
  });

  it('is asked of the room, and shown once it says so', async () => {
    const { timer, asked } = room();
    await timer.start(5, null);
    await timer.extend('timer001', 1);
    await timer.stop('timer001');
    assert.deepEqual(asked, [
      ['timer:start', { minutes: 5, label: null }],
      ['timer:extend', { timerId: 'timer001', minutes: 1 }],
      ['timer:stop', { timerId: 'timer001' }],
    ]);
    assert.equal(timer.current, null);
  });

  it('runs to zero, is up for a while, and is not seen any more', () => {
    assert.equal(timerPhase(1), 'running');
    assert.equal(timerPhase(0), 'up');
    assert.equal(timerPhase(1 - UP_SHOWN_MS), 'up');
    assert.equal(timerPhase(-UP_SHOWN_MS), 'none');
  });
});
