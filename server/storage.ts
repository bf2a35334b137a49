// What errors of the disk mean to a caller: their paths and texts stay in the log.
import { LecternError, type DiskTrouble } from '#shared/contract/errors.ts';
import { isErrno } from './secrets.ts';

/** Primary result codes (sqlite.org/rescode.html). */
const FULL = 13;
/** PERM, READONLY, IOERR, CANTOPEN. */
const UNAVAILABLE: ReadonlySet<number> = new Set([3, 8, 10, 14]);

/** What is wrong with the disk, if the system or SQLite says so in `error`; undefined if it is something else. */
export function diskTroubleOf(error: unknown): DiskTrouble | undefined {
  if (isErrno(error, 'ENOSPC') || isErrno(error, 'EDQUOT')) return 'disk-full';
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
