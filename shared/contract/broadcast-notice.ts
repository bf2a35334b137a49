// What those who teach, and the operator, should know of a broadcast; a page says it in its own language.
import { z } from 'zod';

/**
 * - `converted`: the browser sends VP8, which is converted for the audience.
 * - `no-ffmpeg`: that was needed, and ffmpeg is not there. `conversion-broken`: ffmpeg ended again and again.
 * - `unreadable`: what the teacher sends cannot be read. `broken`: an error of ours, which was logged.
 * - `gateway-away`: the broadcast service cannot be reached; it is tried on.
 */
export const BroadcastNotice = z.enum([
  'converted',
  'no-ffmpeg',
  'conversion-broken',
  'unreadable',
  'broken',
  'gateway-away',
]);
export type BroadcastNotice = z.infer<typeof BroadcastNotice>;
/** Why a broadcast failed. */
export type BroadcastFailure = Exclude<BroadcastNotice, 'converted' | 'gateway-away'>;
