// Links to one replay, each with its own end and rules. They open nothing else of the lesson.
import { z } from 'zod';
import { ShareId } from './ids.ts';

/** What a link to a replay holds. Audience `lectern:share`. */
export const SHARE_AUDIENCE = 'lectern:share';
export const ShareToken = z.object({ share: ShareId });

/** So many of a lesson's links can be good, or have ended so lately that addresses made by them are not over. */
export const MAX_SHARES = 100;
/** Begins the `viewer` of addresses that open no files. */
const PICTURE_ONLY = 'view-';
/** The `viewer` of addresses that were signed for somebody who came by such a link, with files or without. */
export const shareViewer = (share: string, files: boolean): string =>
  `${files ? 'share-' : PICTURE_ONLY}${share}`;
/** Whether an address that was signed for this viewer opens files. */
export const opensFiles = (viewer: string | undefined): boolean => viewer?.startsWith(PICTURE_ONLY) !== true;

/** `POST /api/v1/recordings/:id/shares`. */
export const ShareCreate = z.object({
  /** When it stops being good, in ms since 1970; null for never. */
  expiresAtMs: z.number().int().positive().max(8.64e15).nullable(),
  /** Whether the MP4 and the FLV can be downloaded; not where there is a mark over the picture. */
  files: z.boolean().default(false),
  /** Whether the chat is shown. */
  chat: z.boolean().default(true),
});
export type ShareCreate = z.infer<typeof ShareCreate>;

export const Share = z.object({
  id: ShareId,
  /** What is handed out. */
  url: z.url(),
  createdAtMs: z.number(),
  expiresAtMs: z.number().nullable(),
  files: z.boolean(),
  chat: z.boolean(),
});
export type Share = z.infer<typeof Share>;

/** `DELETE /api/v1/recordings/:id/shares/:share`. */
export const ShareEnded = z.object({
  /** Whether those who watch by it are cut off by now; if not, they are as soon as the gateway answers. */
  applied: z.boolean(),
});
