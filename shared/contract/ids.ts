// Identifiers and small value shapes that every service and the browser agree on.
import { z } from 'zod';

const slug = (length: { min: number; max: number }) =>
  z.string().regex(new RegExp(`^[a-z0-9]{${length.min},${length.max}}$`));

/** One scheduled class. Also the id of its room. */
export const LessonId = slug({ min: 8, max: 24 });
/** The standing playback address of a lesson; appears in URLs given to CDNs and players. */
export const ChannelId = slug({ min: 8, max: 24 });
/** One run of a channel. The recording made of it carries the same id. */
export const BroadcastId = slug({ min: 8, max: 24 });
export const RecordingId = BroadcastId;
/** A link to one replay. */
export const ShareId = slug({ min: 8, max: 24 });
/** A member of a room; stable over reconnects and reloads of the same tab. */
export const PeerId = z.string().regex(/^[A-Za-z0-9_-]{8,40}$/);
/** An id that mediasoup hands out. */
export const MediaId = z.string().regex(/^[A-Za-z0-9_-]{1,64}$/);
export const ChapterId = slug({ min: 8, max: 24 });
export const TimerId = slug({ min: 8, max: 24 });
export const MessageId = z.string().regex(/^[A-Za-z0-9_-]{1,40}$/);
/** Control characters, halves of a character that UTF-8 cannot carry, and what turns the text around it. */
const UNWRITABLE = /[\p{Cc}\p{Cs}\u202a-\u202e\u2066-\u2069]/gu;
/** A character that leaves a mark by itself: no space, no width of nothing, no empty braille cell, no lone accent. */
const VISIBLE = /[^\p{Z}\p{Cc}\p{Cs}\p{M}\p{Default_Ignorable_Code_Point}\u2800]/u;

/** Text of at most `max` characters of which something can be seen. */
export const visibleText = (max: number) =>
  z.string().min(1).max(max).regex(VISIBLE, { error: 'there is nothing in it that can be seen' });

/** What a person writes on one line, without what no line can show: at most `max` characters. */
export const writtenLine = (max: number) =>
  z
    .string()
    .transform((text) => text.replace(UNWRITABLE, '').trim())
    .pipe(visibleText(max));

export const DisplayName = writtenLine(60);
export const LessonTitle = z.string().min(1).max(200).pipe(writtenLine(200));

const ALPHABET = 'abcdefghijkmnpqrstuvwxyz23456789';

/**
 * Makes an id of `length` characters from an alphabet without look-alikes.
 * `random` fills the array it is given with random bytes (`crypto.getRandomValues`).
 */
export function makeId(random: (bytes: Uint8Array<ArrayBuffer>) => void, length = 12): string {
  const bytes = new Uint8Array(length);
  random(bytes);
  return Array.from(bytes, (byte) => ALPHABET.charAt(byte % ALPHABET.length)).join('');
}
