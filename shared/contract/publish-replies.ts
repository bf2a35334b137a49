// What the gateway says over the WebSocket `/publish/<channel>?key=` to an encoder in a browser, as text.
// What comes the other way is in shared/media/publish-frames.ts.
import { z } from 'zod';
import { PublisherNotice } from './publisher-notice.ts';
import { ErrorCode, ERRORS, type LecternError } from './errors.ts';

export const PublishReply = z.discriminatedUnion('type', [
  /** Media may come now. Nothing is taken before. */
  z.object({ type: z.literal('accepted') }),
  /** Somebody needs a key frame, as soon as it can be made. */
  z.object({ type: z.literal('keyframe-wanted') }),
  /** What should be changed in the encoder. */
  z.object({ type: z.literal('notice'), notice: PublisherNotice }),
  /** It is over; the connection closes with `publishCloseCode` and the code as its reason. */
  z.object({ type: z.literal('refused'), code: ErrorCode, message: z.string().max(1_000) }),
]);
export type PublishReply = z.infer<typeof PublishReply>;

/** What a publisher may be called, from the query's `name`. */
export const PublisherName = z.string().trim().min(1).max(60);

/** With which code (RFC 6455 §7.4.2, for private use) a connection closes that is refused: 4000 + HTTP status. */
export const publishCloseCode = (error: Pick<LecternError, 'code'>): number =>
  4_000 + ERRORS[error.code].status;
