// Whether a broadcast is recorded: what the lesson says, and what those who teach choose while it is on.
import { z } from 'zod';

/**
 * What a lesson says: `always`, whatever anybody chooses; `automatic`, from the start until somebody pauses or
 * stops it; `manual`, once somebody starts it.
 */
export const RecordingMode = z.enum(['always', 'automatic', 'manual']);
export type RecordingMode = z.infer<typeof RecordingMode>;

/** `paused` and `off` leave out the same; `paused` says that it is to go on. */
export const RecordingChoice = z.enum(['on', 'paused', 'off']);
export type RecordingChoice = z.infer<typeof RecordingChoice>;

/** What is in force where a lesson says `mode` and somebody chose, or nobody did. */
export function recordingOf(mode: RecordingMode, chosen: RecordingChoice | undefined): RecordingChoice {
  if (mode === 'always') return 'on';
  return chosen ?? (mode === 'manual' ? 'off' : 'on');
}
