// How the MP4 and FLV files of a recording are cut, where one would be too long or too large.
import { z } from 'zod';

/** Each file plays at most so long, in ms, and takes at most so many bytes; null for no limit. */
export const Split = z.object({
  splitMs: z.number().int().min(60_000).max(86_400_000).nullable(),
  splitBytes: z.number().int().min(10_000_000).max(1e13).nullable(),
});
export type Split = z.infer<typeof Split>;
export const NO_SPLIT: Split = { splitMs: null, splitBytes: null };

/** The last piece takes what there is beyond so many. */
export const MAX_PIECES = 1_000;
/** One of the files that a recording was cut into: it begins with this row. */
export const Piece = z.object({ row: z.number().int().min(1), durationMs: z.number(), bytes: z.number() });
export type Piece = z.infer<typeof Piece>;
