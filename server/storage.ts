// What SQLite's own errors mean to a caller.
import { LecternError, type DiskTrouble } from '#shared/contract/errors.ts';

/** Primary result codes (sqlite.org/rescode.html). */
const FULL = 13;
/** PERM, READONLY, IOERR, CANTOPEN. */
const UNAVAILABLE: ReadonlySet<number> = new Set([3, 8, 10, 14]);

/** What is wrong with the disk, if `error` is SQLite's word on it; undefined if it is something else. */
export function diskTroubleOf(error: unknown): DiskTrouble | undefined {
  if (!(error instanceof Error) || !('errcode' in error) || typeof error.errcode !== 'number')
    return undefined;
  // The upper bits of an extended code tell more than is asked here.
  const primary = error.errcode & 0xff;
  if (primary === FULL) return 'disk-full';
  return UNAVAILABLE.has(primary) ? 'disk-unavailable' : undefined;
}

/** Calls `act`; throws LecternError `disk-full` or `disk-unavailable` where SQLite found the disk so. */
export function onDisk<T>(act: () => T): T {
  try {
    return act();
  } catch (error) {
    const trouble = diskTroubleOf(error);
    throw trouble === undefined ? error : new LecternError(trouble);
  }
}
