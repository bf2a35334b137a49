// A timer of the class: who teaches starts it, and everyone in the room sees it run down.
import { z } from 'zod';
import { TimerId, writtenLine } from '../ids.ts';
import { Nothing, type FeatureSpec } from './feature.ts';

/** The longest label, in characters. */
export const MAX_TIMER_LABEL = 60;
export const TimerLabel = writtenLine(MAX_TIMER_LABEL);
/** The most that a timer is started with, and that can be left of one that was extended. */
export const MAX_TIMER_MINUTES = 180;
export const TimerMinutes = z.int().min(1).max(MAX_TIMER_MINUTES);

export const ClassTimer = z.object({
  id: TimerId,
  /** What the time is for; null where nobody said. */
  label: z.string().nullable(),
  /** By the server's clock, in ms since 1970. One that has passed stays: a page says for a while that time is up. */
  endsAtMs: z.number(),
});
export type ClassTimer = z.infer<typeof ClassTimer>;

const permission = 'timer:control';
const Changed = z.object({ timer: ClassTimer.nullable() });

export const timer = {
  name: 'timer',
  permissions: { 'timer:control': { roles: ['teacher', 'assistant'], grantable: false } },
  requests: {
    /** Refused with `conflict` while one runs; a room has one at a time. */
    'timer:start': {
      in: z.object({ minutes: TimerMinutes, label: TimerLabel.nullable() }),
      out: z.object({ timer: ClassTimer }),
      permission,
    },
    /** Gives it so much more, from now on if its time is up; `MAX_TIMER_MINUTES` are left of it at most. */
    'timer:extend': {
      in: z.object({ timerId: TimerId, minutes: TimerMinutes }),
      out: z.object({ timer: ClassTimer }),
      permission,
    },
    /** Takes it away for everyone, whether or not its time is up. Idempotent. */
    'timer:stop': { in: z.object({ timerId: TimerId }), out: Nothing, permission },
  },
  facts: { 'timer:changed': Changed },
  events: { 'timer:changed': Changed },
  snapshot: { timer: ClassTimer.nullable().default(null) },
} as const satisfies FeatureSpec;
