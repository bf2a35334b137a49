// `npm test [-- part of a path …]`: brings what the tests need, runs them file by file, says loudly what
// was skipped, and ends with the line `N passed, N failed`.
import { globSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join, relative } from 'node:path';
import { readSettings } from '#server/settings.ts';
import { prepareForTests } from './setup/for-tests.ts';
import { duration } from './setup/progress.ts';
import { SetupError } from './setup/run.ts';
import { onStop } from './signals.ts';
import { addResults, noResults, runFile, type Results } from './test/run-file.ts';

const ROOT = join(import.meta.dirname, '..');

/** In this order, so that the simplest failure is told first. */
const GROUPS = [
  { dir: 'tests/unit', together: availableParallelism(), fileLimitMs: 300_000 },
  // Those below measure time and use both cores of a small machine: one at a time.
  { dir: 'tests/integration', together: 1, fileLimitMs: 300_000 },
  { dir: 'tests/e2e', together: 1, fileLimitMs: 600_000 },
] as const;

const stopping = new AbortController();
onStop(() => stopping.abort(new Error('stopped')));

async function runGroup(group: (typeof GROUPS)[number], filters: readonly string[]): Promise<Results> {
  const files = globSync(`${group.dir}/**/*.test.ts`, { cwd: ROOT })
    .filter((file) => filters.length === 0 || filters.some((filter) => file.includes(filter)))
    .sort();
  let results = noResults();
  const lane = async () => {
    for (let file = files.shift(); file !== undefined; file = files.shift()) {
      if (stopping.signal.aborted) return;
      const live = group.together === 1;
      const one = await runFile(join(ROOT, file), group.fileLimitMs, stopping.signal, live);
      results = addResults(results, one);
    }
  };
  await Promise.all(Array.from({ length: group.together }, lane));
  return results;
}

function summarize(results: Results, startedMs: number): number {
  const { passed, failures, skipped } = results;
  if (failures.length > 0) {
    console.log('\nFailed:');
    for (const { file, name, why } of failures) {
      console.log(`\n✗ ${name}\n  ${relative(ROOT, file)}\n${why.replace(/^/gm, '    ')}`);
    }
  }
  if (skipped.length > 0) {
    console.log('\n!!! NOT TESTED:');
    for (const { file, name, why } of skipped) console.log(`!!! ${name}: ${why} (${relative(ROOT, file)})`);
  }
  console.log(`\nin ${duration(Date.now() - startedMs)}`);
  console.log(`${passed} passed, ${failures.length} failed`);
  return failures.length === 0 && passed > 0 && !stopping.signal.aborted ? 0 : 1;
}

async function test(filters: readonly string[]): Promise<number> {
  const startedMs = Date.now();
  let results = noResults();
  try {
    await prepareForTests(readSettings().gateway.ffmpeg, stopping.signal);
    for (const group of GROUPS) results = addResults(results, await runGroup(group, filters));
  } catch (error) {
    const why = error instanceof SetupError ? error.message : String(error);
    const failure = { file: ROOT, name: 'set-up for the tests', why };
    results = addResults(results, { ...noResults(), failures: [failure] });
  }
  if (results.passed + results.failures.length === 0) console.log('No test ran.');
  return summarize(results, startedMs);
}

process.exit(await test(process.argv.slice(2)));
