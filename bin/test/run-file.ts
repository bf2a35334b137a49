// Runs one test file in a process of its own and tells what happened in it, as a story.
import { join, relative } from 'node:path';
import { run } from 'node:test';
import type { TestEvent } from 'node:test/reporters';
import { inspect } from 'node:util';

const ROOT = join(import.meta.dirname, '../..');
/** The end of what a file wrote, shown if it failed. */
const OUTPUT_LINES = 60;

/** One test that has something to tell. */
export interface Told {
  file: string;
  name: string;
  why: string;
}

export interface Results {
  passed: number;
  failures: readonly Told[];
  skipped: readonly Told[];
}

export const noResults = (): Results => ({ passed: 0, failures: [], skipped: [] });

export const addResults = (a: Results, b: Results): Results => ({
  passed: a.passed + b.passed,
  failures: [...a.failures, ...b.failures],
  skipped: [...a.skipped, ...b.skipped],
});

/**
 * Runs `file`; after `limitMs`, or when `signal` aborts, its process is ended and counts as failed.
 * With `live` each test is told as it ends, else all of them when the file has.
 */
export async function runFile(
  file: string,
  limitMs: number,
  signal: AbortSignal,
  live: boolean,
): Promise<Results> {
  const lines: string[] = [];
  const say = (line: string) => (live ? console.log(line) : lines.push(line));
  const results = { passed: 0, failures: [] as Told[], skipped: [] as Told[] };
  const output: string[] = [];
  const limit = AbortSignal.any([signal, AbortSignal.timeout(limitMs)]);
  say(`\n${relative(ROOT, file)}`);
  const events: AsyncIterable<TestEvent> = run({ files: [file], cwd: ROOT, timeout: limitMs, signal: limit });
  for await (const event of events) {
    if (event.type === 'test:stderr' || event.type === 'test:stdout') output.push(event.data.message);
    // An error that nobody caught, after the test that caused it: its process fails, and no test does.
    if (event.type === 'test:diagnostic' && event.data.message.startsWith('Error: '))
      output.push(`${event.data.message}\n`);
    if (event.type !== 'test:pass' && event.type !== 'test:fail') continue;
    const { name, skip, todo, details } = event.data;
    const left = skip ?? todo;
    if (left !== undefined && left !== false) {
      say(`  ! ${name}`);
      results.skipped.push({ file, name, why: left === true ? 'no reason was given' : left });
    } else if (event.type === 'test:fail') {
      if (isOnlyParent(event.data.details.error)) continue;
      say(`  ✗ ${name}`);
      results.failures.push({
        file,
        name: name === file ? relative(ROOT, file) : name,
        why: reason(event.data.details.error),
      });
    } else if (name === file) {
      results.failures.push({ file, name: relative(ROOT, file), why: 'There is no test in it.' });
    } else if (details.type !== 'suite') {
      say(`  ✓ ${name} (${Math.round(details.duration_ms)} ms)`);
      results.passed += 1;
    }
  }
  const late = limit.aborted && !signal.aborted;
  if (late)
    results.failures.push({ file, name: relative(ROOT, file), why: `It did not end within ${limitMs} ms.` });
  if (results.failures.length > 0) {
    const tail = output.join('').trimEnd().split('\n').slice(-OUTPUT_LINES);
    say(tail.map((line) => `    ${line}`).join('\n'));
  }
  if (!live) console.log(lines.join('\n'));
  return results;
}

interface Failure {
  cause?: unknown;
  failureType?: unknown;
  /** How the file's process ended, where no test of it says why. */
  exitCode?: number | null;
  signal?: string | null;
}

/** A suite, or a test with tests in it, that failed because of those: they were told already. */
const isOnlyParent = (error: Failure): boolean => error.failureType === 'subtestsFailed';

function reason(error: Error & Failure): string {
  const { cause, exitCode, signal } = error;
  if (exitCode !== undefined || signal !== undefined)
    return `Its process ended with ${signal ?? `status ${exitCode}`}, and no test in it had failed.`;
  if (cause instanceof Error) return cause.stack ?? cause.message;
  return cause === undefined ? error.message : inspect(cause);
}
