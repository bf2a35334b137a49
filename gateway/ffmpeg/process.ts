// The one way to start ffmpeg and to end it: pipes that may break, words that are logged line by line, an end that
// says how. It gets nothing of our environment but what every program needs.
import { spawn } from 'node:child_process';
import { constants, setPriority } from 'node:os';
import { createInterface } from 'node:readline';
import type { Readable, Writable } from 'node:stream';
import { plainEnv } from '#server/process-env.ts';

/** Of ffmpeg's pipes: 0 is its input, 1 the first output, 2 its log. */
const MORE_OUTPUTS = 3;
/** The most of a line that is passed on, in characters. */
const MAX_LINE = 500;

export interface ProcessOptions {
  readonly ffmpeg: string;
  readonly args: readonly string[];
  /** How many outputs it writes: to `outputPipe(0)`, `outputPipe(1)` … */
  readonly outputs?: number;
  readonly env?: Readonly<Record<string, string>>;
  /** `spare`: it takes what the machine has over. */
  readonly priority?: 'normal' | 'spare';
  readonly onLine?: (line: string) => void;
}

/** `missing`: there is no such program, or it may not be run. */
export type ProcessEnd =
  | { readonly how: 'finished' }
  | { readonly how: 'missing' }
  /** By which code or signal it ended; or why it could not be started. */
  | { readonly how: 'failed'; readonly by: string };

export interface FfmpegProcess {
  /** Breaks without an error when ffmpeg ends. */
  readonly stdin: Writable;
  readonly outputs: readonly Readable[];
  /** Never rejects; resolves when the process is gone and all that it wrote was read. */
  readonly ended: Promise<ProcessEnd>;
  /** Ends it at once. Idempotent. */
  kill(): void;
}

/** ffmpeg's name of the output of this number. */
export const outputPipe = (index: number): string => `pipe:${index === 0 ? 1 : MORE_OUTPUTS + index - 1}`;

/** Starts ffmpeg; that there is none is how it ends. */
export function startProcess(options: ProcessOptions): FfmpegProcess {
  const { ffmpeg, args, outputs = 1, env = {}, priority, onLine } = options;
  const more = Array.from({ length: outputs - 1 }, () => 'pipe' as const);
  const child = spawn(ffmpeg, ['-hide_banner', '-nostdin', ...args], {
    env: { ...plainEnv(), ...env },
    stdio: ['pipe', 'pipe', 'pipe', ...more],
  });
  const [stdin, stdout, stderr, ...others] = child.stdio;
  if (!stdin || !stdout || !stderr) throw new Error('ffmpeg could not be started');
  // The others are open in both directions, whatever their type says.
  const outs = [stdout, ...(others as Readable[])];
  // A pipe breaks when ffmpeg ends; `ended` says so.
  for (const pipe of [stdin, ...outs]) pipe.on('error', () => undefined);
  createInterface({ input: stderr }).on('line', (line) => onLine?.(line.slice(0, MAX_LINE)));
  if (priority === 'spare' && child.pid !== undefined) giveWay(child.pid);
  const ended = new Promise<ProcessEnd>((resolve) => {
    child.once('error', (error: NodeJS.ErrnoException) => {
      const isMissing = error.code === 'ENOENT' || error.code === 'EACCES';
      resolve(isMissing ? { how: 'missing' } : { how: 'failed', by: error.message });
    });
    child.once('close', (code, signal) => {
      resolve(code === 0 ? { how: 'finished' } : { how: 'failed', by: String(signal ?? code) });
    });
  });
  return {
    stdin,
    outputs: outs,
    ended,
    kill() {
      child.kill('SIGKILL');
      // A pipe that somebody paused keeps what is in it, and the end would wait for that forever.
      for (const out of outs) out.destroy();
    },
  };
}

function giveWay(pid: number): void {
  try {
    setPriority(pid, constants.priority.PRIORITY_BELOW_NORMAL);
  } catch {
    // It has ended already; `ended` says so.
  }
}
