// Writes that outlast a full disk: what SQLite does not take now is kept in memory, in its order, and
// tried again. A class goes on meanwhile; only a crash before there is room again loses what waits. What
// somebody is told to be kept is not taken like that: it is refused.
import { LecternError, type DiskTrouble } from '#shared/contract/errors.ts';
import type { Log } from './log.ts';
import { isErrno } from './secrets.ts';
import { diskTroubleOf, onDisk } from './storage.ts';

const RETRY_MS = 1_000;
/** What waits is bounded: beyond this many the oldest are given up. */
const MAX_WAITING = 20_000;

export interface DiskFullTolerantWriter<T> {
  /** Writes `item`, now or as soon as there is room. Throws what `store` throws but SQLite's own errors. */
  write(item: T): void;
  /** Writes `item` now, or throws LecternError `disk-full` or `disk-unavailable` and keeps nothing of it. */
  writeNow(item: T): void;
  /** What is not written yet, oldest first. */
  waiting(): readonly T[];
  /** Tries once more and gives up the rest. */
  close(): void;
}

/** Makes a writer; `store` writes one item or throws, `name` is what the log calls it. */
export function createDiskFullTolerantWriter<T>(
  name: string,
  store: (item: T) => void,
  log: Log,
): DiskFullTolerantWriter<T> {
  const waiting: T[] = [];
  let timer: NodeJS.Timeout | undefined;
  let trouble: DiskTrouble = 'disk-unavailable';

  const stored = (item: T): boolean => {
    try {
      store(item);
      return true;
    } catch (error) {
      if (!isErrno(error, 'ERR_SQLITE_ERROR')) throw error;
      trouble = diskTroubleOf(error) ?? 'disk-unavailable';
      if (waiting.length === 0) log.error({ err: error, name }, 'the disk takes no more, kept in memory');
      return false;
    }
  };
  const flush = () => {
    timer = undefined;
    for (let [next] = waiting; next !== undefined; [next] = waiting) {
      if (!stored(next)) {
        timer = setTimeout(flush, RETRY_MS);
        return;
      }
      waiting.shift();
    }
    log.info({ name }, 'the disk takes all again');
  };

  return {
    write(item) {
      if (waiting.length === 0 && stored(item)) return;
      waiting.push(item);
      if (waiting.length > MAX_WAITING) waiting.shift();
      timer ??= setTimeout(flush, RETRY_MS);
    },
    writeNow(item) {
      // After what waits, or the order would be another.
      if (waiting.length > 0) throw new LecternError(trouble);
      onDisk(() => store(item));
    },
    waiting: () => waiting,
    close() {
      clearTimeout(timer);
      if (waiting.length > 0) flush();
      clearTimeout(timer);
    },
  };
}
