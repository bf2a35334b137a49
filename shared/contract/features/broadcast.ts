// The class on air, and the program outside that may publish to it.
import { z } from 'zod';
import { RecordingChoice, RecordingMode } from '../../domain/recording.ts';
import { BroadcastNotice } from '../broadcast-notice.ts';
import { DiskTrouble } from '../errors.ts';
import { BroadcastId } from '../ids.ts';
import { Nothing, type FeatureSpec } from './feature.ts';

export const BroadcastView = z.object({
  id: BroadcastId.nullable(),
  state: z.enum(['idle', 'starting', 'live', 'interrupted', 'ended', 'failed']),
  /** When the first frame went out, in ms since 1970; null until then. */
  startedAtMs: z.number().nullable(),
  /** Why it `failed`, or what else needs saying. */
  notice: BroadcastNotice.nullable(),
  audience: z.number().int(),
  /** True while it is recorded. */
  recording: z.boolean(),
  /** Whether it is to be recorded now; while nothing is on air, whether the next one is, from its start. */
  recordingChoice: RecordingChoice.default('on'),
  /** What the lesson says of that. */
  recordingMode: RecordingMode.default('automatic'),
  /** True while it is live and nobody sends anything on purpose: the audience sees that it is a break. */
  onBreak: z.boolean().default(false),
  /** How long it waits while nobody who teaches is connected, in ms; null until the gateway said so. */
  waitMs: z.number().nullable().default(null),
  /** When this wait ends, and with it the broadcast, in ms since 1970; null while none runs. */
  waitEndsAtMs: z.number().nullable().default(null),
  /** Why it ended: somebody stopped it, or nobody who teaches was connected for too long. */
  end: z.enum(['stopped', 'absent']).nullable().default(null),
  /** How much of it was recorded, in ms; null until it is over, and where nothing was or nobody knows. */
  recordedMs: z.number().nullable().default(null),
  /** Why it is on air but not recorded now; it will be again by itself. Null if nothing is wrong. */
  diskTrouble: DiskTrouble.nullable(),
});
export type BroadcastView = z.infer<typeof BroadcastView>;

/** One run of the room's channel. */
export const BroadcastRun = z.object({
  id: BroadcastId,
  channel: z.string(),
  title: z.string(),
  /** The peer who started it: its picture is the programme while there is one. */
  startedBy: z.string(),
});
export type BroadcastRun = z.infer<typeof BroadcastRun>;

/** A broadcast that ended without anybody having wanted it; they are told when they come back. */
export const AbsentEnd = z.object({
  broadcast: BroadcastId,
  /** As in the view. */
  durationMs: z.number().nullable(),
});
export type AbsentEnd = z.infer<typeof AbsentEnd>;

/** What somebody chose of the recording of one broadcast, and when, in ms since 1970. */
export const RecordingChosen = z.object({ choice: RecordingChoice, atMs: z.number() });
export type RecordingChosen = z.infer<typeof RecordingChosen>;

const Answer = z.object({ broadcast: BroadcastView });

export const broadcast = {
  name: 'broadcast',
  permissions: { 'broadcast:control': { roles: ['teacher', 'assistant'], grantable: false } },
  requests: {
    'broadcast:start': { in: Nothing, out: Answer, permission: 'broadcast:control' },
    'broadcast:stop': { in: Nothing, out: Answer, permission: 'broadcast:control' },
    /** Of the broadcast on air, or of the next one. Refused with `conflict` where the lesson says `always`. */
    'recording:choose': {
      in: z.object({ choice: RecordingChoice }),
      out: Answer,
      permission: 'broadcast:control',
    },
  },
  facts: { 'broadcast:changed': BroadcastView },
  events: {
    'broadcast:started': z.object({ run: BroadcastRun }),
    /** `absent` if it ended because nobody who teaches was there for too long. */
    'broadcast:stopped': z.object({ absent: AbsentEnd.optional() }),
    'recording:chosen': z.object({ chosen: RecordingChosen }),
    /** This publication put the room on air by itself: it does so once. */
    'encoder:aired': z.object({ publication: z.string() }),
  },
  /** The view is part of the room's own. */
  snapshot: {},
} as const satisfies FeatureSpec;
