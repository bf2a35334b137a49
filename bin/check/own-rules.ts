// Rules of this project that no tool knows.
import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

const MOST_LINES = 400;
const SOURCE = /\.(ts|mts|cts|js|mjs|cjs|svelte|css|sh)$/;
const NOT_OURS = ['sfu/worker/subprojects/**', 'web/dist*/**', 'tests/output/**'];

/** What is wrong, as lines; undefined if nothing is. */
export function ownRules(root: string): string[] | undefined {
  const findings = [...longFiles(root), ...lockedAddresses(root), ...undocumentedSettings(root)];
  return findings.length === 0 ? undefined : findings;
}

/** Files that do more than one job. */
function longFiles(root: string): string[] {
  return globSync(['*', '{bin,gateway,school,server,sfu,shared,tests,web,.ci}/**'], {
    cwd: root,
    exclude: NOT_OURS,
  })
    .filter((file) => SOURCE.test(file))
    .map((file) => ({ file, lines: readFileSync(join(root, file), 'utf8').split('\n').length - 1 }))
    .filter(({ lines }) => lines > MOST_LINES)
    .map(
      ({ file, lines }) =>
        `${file} has ${lines} lines; ${MOST_LINES} are allowed: give each job a file of its own.`,
    );
}

/** Download addresses in the lock file tie everyone to one machine's registry. */
function lockedAddresses(root: string): string[] {
  const count = readFileSync(join(root, 'package-lock.json'), 'utf8').match(/"resolved":/g)?.length ?? 0;
  return count === 0
    ? []
    : [`package-lock.json names ${count} download addresses: .npmrc says not to; run "npm install" with it.`];
}

/** docs/operations.md lists every setting, and none that is not there. */
function undocumentedSettings(root: string): string[] {
  const names = (file: string, pattern: RegExp) =>
    new Set([...readFileSync(join(root, file), 'utf8').matchAll(pattern)].map((match) => match[1] ?? ''));
  const known = names('server/settings.ts', /^ {2}(LECTERN_[A-Z_]+):/gm);
  const listed = names('docs/operations.md', /^\| `(LECTERN_[A-Z_]+)` \|/gm);
  const setup = new Set(['LECTERN_CACHE', 'LECTERN_CHROMIUM']);
  return [
    ...[...known]
      .filter((name) => !listed.has(name))
      .map((name) => `docs/operations.md does not list ${name}.`),
    ...[...listed]
      .filter((name) => !known.has(name) && !setup.has(name))
      .map((name) => `docs/operations.md lists ${name}, which is no setting.`),
  ];
}
