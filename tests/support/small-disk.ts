// A disk of a few megabytes that a test can fill, make read-only and free again.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, statfsSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { isErrno } from '#server/secrets.ts';

export interface SmallDisk {
  readonly dir: string;
  /** Leaves no room at all. */
  fill(): void;
  free(): void;
  /** From now on `folder`, below `dir`, can only be read. */
  lock(folder: string): void;
  unlock(folder: string): void;
  close(): void;
}

/** Mounts a disk of `megabytes`; undefined, and said so, where there is no right to mount. */
export function smallDisk(megabytes: number): SmallDisk | undefined {
  const dir = mkdtempSync(join(tmpdir(), 'lectern-disk-'));
  const mount = (...args: string[]) => execFileSync('mount', args, { stdio: 'pipe' });
  try {
    mount('-t', 'tmpfs', '-o', `size=${megabytes}m,nr_inodes=20000`, 'tmpfs', dir);
  } catch {
    rmSync(dir, { recursive: true });
    process.stderr.write('SKIPPED: tests of a full disk need the right to mount a small file system\n');
    return undefined;
  }
  const ballast = join(dir, 'ballast');
  return {
    dir,
    fill() {
      const { bavail, bsize } = statfsSync(dir);
      try {
        // More than there is: others write meanwhile.
        writeFileSync(ballast, Buffer.alloc((bavail + 1) * bsize), { flag: 'a' });
      } catch (error) {
        if (!isErrno(error, 'ENOSPC')) throw error;
      }
    },
    free: () => rmSync(ballast, { force: true }),
    lock(folder) {
      mount('--bind', folder, folder);
      mount('-o', 'remount,bind,ro', folder);
    },
    unlock: (folder) => void execFileSync('umount', [folder]),
    close() {
      // Lazily: a file that is still open keeps nobody from going on.
      execFileSync('umount', ['-l', dir]);
      rmSync(dir, { recursive: true });
    },
  };
}
