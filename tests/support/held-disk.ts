// Holds up everything that this process asks of its files, until it is let go: as a disk that is busy does.
import { execFileSync } from 'node:child_process';
import { closeSync, mkdtempSync, openSync, rmSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** Node asks so many files at a time. */
const AT_ONCE = Number(process.env.UV_THREADPOOL_SIZE ?? 4);

/** What is asked synchronously is not held up. To let go twice is once. */
export function holdDisk(): { letGo(): Promise<void> } {
  const dir = mkdtempSync(join(tmpdir(), 'lectern-held-'));
  const pipe = join(dir, 'pipe');
  execFileSync('mkfifo', [pipe]);
  // To open a pipe for reading takes until somebody writes to it.
  const opened = Array.from({ length: AT_ONCE }, () => open(pipe));
  let done: Promise<void> | undefined;
  const letGo = async () => {
    closeSync(openSync(pipe, 'r+'));
    for (const file of await Promise.all(opened)) await file.close();
    rmSync(dir, { recursive: true });
  };
  return { letGo: () => (done ??= letGo()) };
}
