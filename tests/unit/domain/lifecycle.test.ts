// Every state × every event of every lifecycle, against tables written down here a second time.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import {
  broadcastLifecycle,
  IllegalMove,
  lessonLifecycle,
  recordingLifecycle,
  roomLifecycle,
} from '#shared/domain/lifecycle.ts';

interface Machine {
  states: string[];
  peek(state: string, event: string): string | undefined;
  next(state: string, event: string): string;
}

/** `state event → state`; every pair that is not here must be refused. */
const EXPECTED: Record<string, { machine: Machine; events: string; moves: string }> = {
  room: {
    machine: roomLifecycle,
    events: 'opened close closed',
    moves: `
      opening opened open
      opening close  closing
      open    close  closing
      closing closed closed`,
  },
  broadcast: {
    machine: broadcastLifecycle,
    events: 'start media gap stop fail',
    moves: `
      idle        start starting
      starting    media live
      starting    gap   interrupted
      starting    stop  ended
      starting    fail  failed
      live        gap   interrupted
      live        stop  ended
      live        fail  failed
      interrupted media live
      interrupted stop  ended
      interrupted fail  failed`,
  },
  recording: {
    machine: recordingLifecycle,
    events: 'media pause resume end finalized fail',
    moves: `
      armed      media     writing
      armed      end       finalizing
      armed      fail      failed
      writing    pause     paused
      writing    end       finalizing
      writing    fail      failed
      paused     resume    writing
      paused     end       finalizing
      paused     fail      failed
      finalizing finalized ready
      finalizing fail      failed`,
  },
  lesson: {
    machine: lessonLifecycle,
    events: 'open live off-air end',
    moves: `
      scheduled open    open
      scheduled live    live
      scheduled end     ended
      open      live    live
      open      end     ended
      live      off-air open
      live      end     ended`,
  },
};
const FINAL: Record<string, string[]> = {
  room: ['closed'],
  broadcast: ['ended', 'failed'],
  recording: ['ready', 'failed'],
  lesson: ['ended'],
};

for (const [name, { machine, events, moves }] of Object.entries(EXPECTED)) {
  const rows = moves
    .trim()
    .split('\n')
    .map((row) => row.trim().split(/\s+/));
  const expected = new Map(rows.map(([state, event, to]) => [`${state} ${event}`, to]));

  describe(`the lifecycle of a ${name}`, () => {
    it('makes the moves of its table and refuses every other', () => {
      for (const state of machine.states) {
        for (const event of events.split(' ')) {
          const to = expected.get(`${state} ${event}`);
          assert.equal(machine.peek(state, event), to, `${state} ${event}`);
          if (to !== undefined) assert.equal(machine.next(state, event), to);
          else {
            assert.throws(
              () => machine.next(state, event),
              (error) =>
                error instanceof IllegalMove &&
                error.message === `${name}: '${event}' is not possible while '${state}'`,
            );
          }
        }
      }
    });

    it('has the states of its table, each of which can be reached, and ends where it should', () => {
      const named = new Set(rows.flatMap(([state, , to]) => [state, to]));
      assert.deepEqual(new Set(machine.states), named);
      const [first] = machine.states;
      const reached = new Set([first]);
      for (const state of reached) {
        for (const event of events.split(' ')) {
          const to = machine.peek(state ?? '', event);
          if (to !== undefined) reached.add(to);
        }
      }
      assert.deepEqual(reached, named);
      const final = machine.states.filter((state) =>
        events.split(' ').every((event) => !machine.peek(state, event)),
      );
      assert.deepEqual(final, FINAL[name]);
    });
  });
}
