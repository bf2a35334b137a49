// The links of a lesson, each replaced on its own.
import { z } from 'zod';

/** Counts up with each *New link*; the first is 0. */
export const LinkVersion = z.number().int().min(0).max(999_999);

/** The links of a lesson. */
export const LinkName = z.enum(['teacher', 'assistant', 'student', 'watch']);
export type LinkName = z.infer<typeof LinkName>;

/** The version of each link that is good now; lower ones were replaced. */
export const LinkVersions = z.object({
  teacher: LinkVersion,
  assistant: LinkVersion,
  student: LinkVersion,
  watch: LinkVersion,
});
export type LinkVersions = z.infer<typeof LinkVersions>;
