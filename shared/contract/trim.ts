// What of a finished recording is shown. Its media stay as they are.
import { z } from 'zod';

/** The last time that a `Date` can be of, in ms since 1970 (ECMA-262 §21.4.1.1). */
export const MAX_MOMENT_MS = 8.64e15;
const Moment = z.number().min(0).max(MAX_MOMENT_MS);

/** What lies between two moments of the class, in ms since 1970. */
export const TrimSpan = z
  .object({ fromMs: Moment, toMs: Moment })
  .refine(({ fromMs, toMs }) => fromMs < toMs, { error: 'ends before it begins' });
export type TrimSpan = z.infer<typeof TrimSpan>;

/** The same as it turned out, on whole segments, and what that plays and takes. */
export const Trim = TrimSpan.safeExtend({ durationMs: z.number(), bytes: z.number() });
export type Trim = z.infer<typeof Trim>;
