// What the audience of a lesson is told besides its addresses: the mark over the picture, and whether the
// teacher's picture is there.
import { createHmac } from 'node:crypto';
import type { Database } from '../database/database.ts';

export interface Watching {
  /** The text over the picture; `{viewer}` stands for who watches. Null for none. */
  readonly watermark: string | null;
  /** The broadcast waits for its teacher. */
  readonly interrupted: boolean;
}

/** Letters of a viewer's mark: enough to tell the viewers of one class apart. */
const VIEWER_LETTERS = 8;

export async function findWatching(db: Database, lesson: string): Promise<Watching> {
  const row = await db.selectFrom('watching').selectAll().where('lesson', '=', lesson).executeTakeFirst();
  return { watermark: row?.watermark ?? null, interrupted: row?.interrupted === 1 };
}

export async function setWatermark(db: Database, lesson: string, watermark: string | null): Promise<void> {
  await db
    .insertInto('watching')
    .values({ lesson, watermark, interrupted: 0 })
    .onConflict((conflict) => conflict.column('lesson').doUpdateSet({ watermark }))
    .execute();
}

export async function noteInterrupted(db: Database, lesson: string, interrupted: boolean): Promise<void> {
  const value = interrupted ? 1 : 0;
  await db
    .insertInto('watching')
    .values({ lesson, watermark: null, interrupted: value })
    .onConflict((conflict) => conflict.column('lesson').doUpdateSet({ interrupted: value }))
    .execute();
}

/** The text of the mark over the picture with `viewer` in its place; null for none. */
export const watermarkFor = ({ watermark }: Watching, viewer: () => string): string | null =>
  watermark?.replaceAll('{viewer}', viewer) ?? null;

/**
 * Who watches, as the mark shows it: the same for one address and one lesson, and no way back to the address
 * but to try it, which only the school can.
 */
export function viewerMark(secret: string, lesson: string, ip: string): string {
  return createHmac('sha256', secret)
    .update(`viewer\n${lesson}\n${ip}`)
    .digest('hex')
    .slice(0, VIEWER_LETTERS)
    .toUpperCase();
}
