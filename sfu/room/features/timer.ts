// The timer of the class. Only its end is kept, so that it runs on over a restart; no clock runs here: each page
// knows by itself when the time is up.
import { LecternError } from '#shared/contract/errors.ts';
import { MAX_TIMER_MINUTES, timer as spec, type ClassTimer } from '#shared/contract/features/timer.ts';
import { makeId } from '#shared/contract/ids.ts';
import type { Rate } from '#shared/token-bucket.ts';
import { feature } from './feature.ts';

const MINUTE_MS = 60_000;

/** Everyone sees each of these. */
const TIMER: Rate = { size: 10, perSecond: 0.5 };

export const timer = feature({
  spec,
  memory: (): { timer: ClassTimer | null } => ({ timer: null }),
  remember(memory, event) {
    if (event.type === 'timer:changed') memory.timer = event.timer;
  },
  rates: { 'timer:start': TIMER, 'timer:extend': TIMER, 'timer:stop': TIMER },
  open({ members, events, deps }, memory) {
    const change = (next: ClassTimer | null) => {
      events.append({ type: 'timer:changed', timer: next });
      members.notify('timer:changed', { timer: next });
    };
    return {
      requests: {
        'timer:start': (_call, { minutes, label }) => {
          const nowMs = deps.now();
          if (memory.timer !== null && memory.timer.endsAtMs > nowMs) {
            throw new LecternError('conflict', 'A timer runs in this class: stop it to start another.');
          }
          const id = makeId((bytes) => crypto.getRandomValues(bytes));
          const started = { id, label, endsAtMs: nowMs + minutes * MINUTE_MS };
          change(started);
          return { timer: started };
        },
        'timer:extend': (_call, { timerId, minutes }) => {
          const { timer: current } = memory;
          if (current?.id !== timerId) throw new LecternError('not-found', 'There is no such timer.');
          const nowMs = deps.now();
          const endsAtMs = Math.min(
            Math.max(current.endsAtMs, nowMs) + minutes * MINUTE_MS,
            nowMs + MAX_TIMER_MINUTES * MINUTE_MS,
          );
          const extended = { ...current, endsAtMs };
          change(extended);
          return { timer: extended };
        },
        'timer:stop': (_call, { timerId }) => {
          // One that is there no more, or was followed by another, needs no stop.
          if (memory.timer?.id === timerId) change(null);
          return {};
        },
      },
      snapshot: () => ({ timer: memory.timer }),
    };
  },
});
