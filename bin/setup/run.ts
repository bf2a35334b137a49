// Runs a command of set-up: its output line by line, a time limit, and an end to all that it started.
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';

/** What set-up cannot do by itself. The message is one line that tells a person what to do. */
export class SetupError extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'SetupError';
  }
}

const TAIL_LINES = 20;
const FORCE_AFTER_MS = 5_000;

export interface RunOptions {
  cwd?: string;
  env?: NodeJS.ProcessEnv;
  signal?: AbortSignal;
  limitMs?: number;
  onLine?: (line: string) => void;
}

export interface RunResult {
  /** Exit status; null if a signal, the time limit or the abort ended it, or if it could not be started. */
  status: number | null;
  /** The last lines that it wrote, of both outputs. */
  tail: string[];
}

/**
 * Runs `file` without a shell. Does not reject for a failure of the command, but with the signal's
 * reason if that aborts.
 */
export async function run(
  file: string,
  args: readonly string[],
  options: RunOptions = {},
): Promise<RunResult> {
  const { cwd, env = process.env, signal, limitMs, onLine } = options;
  signal?.throwIfAborted();
  const tail: string[] = [];
  // A group of its own, so that an end reaches compilers that a build started.
  const child = spawn(file, args, {
    env,
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true,
    ...(cwd === undefined ? {} : { cwd }),
  });
  for (const stream of [child.stdout, child.stderr]) {
    createInterface({ input: stream }).on('line', (line) => {
      tail.push(line);
      if (tail.length > TAIL_LINES) tail.shift();
      onLine?.(line);
    });
  }
  const timers: NodeJS.Timeout[] = [];
  const end = () => {
    killGroup(child.pid, 'SIGTERM');
    timers.push(setTimeout(() => killGroup(child.pid, 'SIGKILL'), FORCE_AFTER_MS));
  };
  if (limitMs !== undefined) timers.push(setTimeout(end, limitMs));
  signal?.addEventListener('abort', end, { once: true });
  const status = await new Promise<number | null>((resolve) => {
    child.once('error', (error) => {
      tail.push(error.message);
      resolve(null);
    });
    child.once('close', (code) => resolve(code));
  });
  for (const timer of timers) clearTimeout(timer);
  signal?.removeEventListener('abort', end);
  signal?.throwIfAborted();
  return { status, tail };
}

function killGroup(pid: number | undefined, signal: NodeJS.Signals): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, signal);
  } catch {
    // It is gone.
  }
}
