// `npm run check`: types, lint, formatting, import boundaries and the project's own rules, all of them,
// then what was wrong.
import { join } from 'node:path';
import { ownRules } from './check/own-rules.ts';
import { duration } from './setup/progress.ts';
import { run } from './setup/run.ts';
import { onStop } from './signals.ts';

const ROOT = join(import.meta.dirname, '..');

interface Check {
  name: string;
  /** The findings, as lines to print; undefined if there are none. */
  find: (signal: AbortSignal) => Promise<string[] | undefined>;
}

/** A tool of node_modules, by the script that it runs. */
function tool(name: string, script: string, ...args: string[]): Check {
  return {
    name,
    async find(signal) {
      const lines: string[] = [];
      const { status } = await run(process.execPath, [join(ROOT, 'node_modules', script), ...args], {
        cwd: ROOT,
        env: { ...process.env, NO_COLOR: '1' },
        signal,
        onLine: (line) => lines.push(line),
      });
      return status === 0 ? undefined : lines;
    },
  };
}

const IMPORTING = ['bin', 'gateway', 'school', 'server', 'sfu', 'shared', 'tests', 'web'];

const CHECKS: readonly Check[] = [
  tool('types', 'typescript/bin/tsc', '-p', '.'),
  tool(
    'types in pages',
    'svelte-check/bin/svelte-check',
    '--tsconfig',
    './tsconfig.json',
    '--output',
    'human',
    '--threshold',
    'warning',
    '--fail-on-warnings',
  ),
  tool('lint', 'eslint/bin/eslint.js', '--max-warnings', '0', '.'),
  tool('formatting', 'prettier/bin/prettier.cjs', '--check', '--log-level', 'warn', '.'),
  tool(
    'import boundaries',
    'dependency-cruiser/bin/dependency-cruiser.mjs',
    '--config',
    '.dependency-cruiser.cjs',
    ...IMPORTING,
  ),
  { name: 'own rules', find: async () => ownRules(ROOT) },
];

async function check(): Promise<number> {
  const stopping = new AbortController();
  onStop(() => stopping.abort(new Error('stopped')));
  const broken: string[] = [];
  for (const { name, find } of CHECKS) {
    const startedMs = Date.now();
    const findings = await find(stopping.signal);
    console.log(`${findings === undefined ? '✓' : '✗'} ${name} (${duration(Date.now() - startedMs)})`);
    if (findings === undefined) continue;
    broken.push(name);
    console.log(findings.map((line) => `    ${line}`).join('\n'));
  }
  console.log(broken.length === 0 ? '\nAll checks passed.' : `\nFailed: ${broken.join(', ')}.`);
  return broken.length === 0 ? 0 : 1;
}

process.exit(await check());
