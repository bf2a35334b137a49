// Lifecycles as tables. `next()` refuses an illegal move instead of guessing.

type Table<State extends string, Event extends string> = Readonly<
  Record<State, Readonly<Partial<Record<Event, State>>>>
>;

/** A move that the table does not have. The message names the state and the event. */
export class IllegalMove extends Error {
  constructor(machine: string, state: string, event: string) {
    super(`${machine}: '${event}' is not possible while '${state}'`);
    this.name = 'IllegalMove';
  }
}

function lifecycle<State extends string, Event extends string>(name: string, table: Table<State, Event>) {
  const states = Object.keys(table) as State[];
  return {
    states,
    /** Returns the state after `event`, or undefined if that move is illegal. */
    peek: (state: State, event: Event): State | undefined => table[state][event],
    /** Returns the state after `event`. Throws {@link IllegalMove} if the table has no such move. */
    next(state: State, event: Event): State {
      const to = table[state][event];
      if (to === undefined) throw new IllegalMove(name, state, event);
      return to;
    },
  };
}

export type RoomState = 'opening' | 'open' | 'closing' | 'closed';
export type RoomEvent = 'opened' | 'close' | 'closed';
export const roomLifecycle = lifecycle<RoomState, RoomEvent>('room', {
  opening: { opened: 'open', close: 'closing' },
  open: { close: 'closing' },
  closing: { closed: 'closed' },
  closed: {},
});

export type BroadcastState = 'idle' | 'starting' | 'live' | 'interrupted' | 'ended' | 'failed';
export type BroadcastEvent = 'start' | 'media' | 'gap' | 'stop' | 'fail';
export const broadcastLifecycle = lifecycle<BroadcastState, BroadcastEvent>('broadcast', {
  idle: { start: 'starting' },
  starting: { media: 'live', gap: 'interrupted', stop: 'ended', fail: 'failed' },
  live: { gap: 'interrupted', stop: 'ended', fail: 'failed' },
  interrupted: { media: 'live', stop: 'ended', fail: 'failed' },
  ended: {},
  failed: {},
});

export type RecordingState = 'armed' | 'writing' | 'paused' | 'finalizing' | 'ready' | 'failed';
export type RecordingEvent = 'media' | 'pause' | 'resume' | 'end' | 'finalized' | 'fail';
export const recordingLifecycle = lifecycle<RecordingState, RecordingEvent>('recording', {
  armed: { media: 'writing', end: 'finalizing', fail: 'failed' },
  writing: { pause: 'paused', end: 'finalizing', fail: 'failed' },
  paused: { resume: 'writing', end: 'finalizing', fail: 'failed' },
  finalizing: { finalized: 'ready', fail: 'failed' },
  ready: {},
  failed: {},
});

export type LessonState = 'scheduled' | 'open' | 'live' | 'ended';
export type LessonEvent = 'open' | 'live' | 'off-air' | 'end';
export const lessonLifecycle = lifecycle<LessonState, LessonEvent>('lesson', {
  scheduled: { open: 'open', live: 'live', end: 'ended' },
  open: { live: 'live', end: 'ended' },
  live: { 'off-air': 'open', end: 'ended' },
  ended: {},
});
