// Ends a program that a test or a benchmark started.
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';

/** Sends `signal`, and resolves when it is gone; at once if it is. */
export async function endChild(child: ChildProcess, signal: NodeJS.Signals = 'SIGKILL'): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const gone = once(child, 'exit');
  child.kill(signal);
  await gone;
}
