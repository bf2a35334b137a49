// What must still be done at other services, as it is written down.
import { z } from 'zod';
import { ChannelId, LessonId, RecordingId } from '#shared/contract/ids.ts';
import type { Database } from '../database/database.ts';

export const Job = z.discriminatedUnion('type', [
  z.object({ type: z.literal('end-lesson'), lesson: LessonId, channel: ChannelId }),
  z.object({ type: z.literal('erase-lesson'), lesson: LessonId, channel: ChannelId }),
  z.object({ type: z.literal('erase-recording'), recording: RecordingId }),
  /** What is said is what is set when it is done, so several of one lesson are as good as one. */
  z.object({ type: z.literal('push-settings'), lesson: LessonId }),
  z.object({ type: z.literal('push-defaults') }),
  /** Tell the room, which asks the gateway: again if that one had not been told yet. */
  z.object({ type: z.literal('push-room'), lesson: LessonId }),
  z.object({ type: z.literal('recheck-rooms') }),
  z.object({ type: z.literal('tell-ready'), recording: RecordingId, atMs: z.number() }),
]);
export type Job = z.infer<typeof Job>;

/** Writes the job down in the caller's transaction; resolves with its id. It is done once `Jobs` runs. */
export async function addJob(transaction: Database, job: Job): Promise<number> {
  const { id } = await transaction
    .insertInto('errand')
    .values({ body: JSON.stringify(job) })
    .returning('id')
    .executeTakeFirstOrThrow();
  return id;
}
