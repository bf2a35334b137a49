// What is to be seen of the timer now, counted down on the page by the server's clock.
import type { ClassTimer } from '#shared/contract/features/timer.ts';
import { formatDuration } from '../../state/i18n.svelte.ts';
import type { RoomState } from '../../state/room.svelte.ts';
import { timeLeft } from '../../view/classroom/time-left.svelte.ts';
import { createTimer, timerPhase, type TimerPhase } from './engine.ts';

const SECOND_MS = 1_000;

export interface Countdown {
  /** Null while none is to be seen. */
  readonly timer: ClassTimer | null;
  readonly phase: TimerPhase;
  readonly leftMs: number;
  /** `4:59`. Its last second is 0:01: at 0:00 time is up. */
  readonly text: string;
}

/** Counts the timer of this class down. Call it while a component is made. */
export function countdown(room: () => RoomState): Countdown {
  const current = $derived(room().feature(createTimer).current);
  const left = timeLeft(() => (current === null ? null : current.endsAtMs - room().serverTime(0)));
  const phase = $derived(current === null ? 'none' : timerPhase(left.ms));
  return {
    get timer() {
      return phase === 'none' ? null : current;
    },
    get phase() {
      return phase;
    },
    get leftMs() {
      return left.ms;
    },
    get text() {
      return formatDuration(Math.ceil(left.ms / SECOND_MS) * SECOND_MS);
    },
  };
}
