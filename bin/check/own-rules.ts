// Rules of this project that no tool knows.
import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

const MAX_LINES = 400;
const SOURCE = /\.(ts|mts|cts|js|mjs|cjs|svelte|css|sh)$/;
const NOT_OURS = ['sfu/worker/subprojects/**', 'web/dist*/**', 'tests/output/**'];

/** What is wrong, as lines; undefined if nothing is. */
export function ownRules(root: string): string[] | undefined {
  const findings = [
    ...longFiles(root),
    ...silencedFaults(root),
    ...oddWords(root),
    ...lockedAddresses(root),
    ...undocumentedSettings(root),
  ];
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
    .filter(({ lines }) => lines > MAX_LINES)
    .map(
      ({ file, lines }) =>
        `${file} has ${lines} lines; ${MAX_LINES} are allowed: give each job a file of its own.`,
    );
}

/** Failures that nobody hears of, and that have no reason why. */
function silencedFaults(root: string): string[] {
  return globSync('{bin,gateway,school,server,sfu,shared,web}/**/*.{ts,svelte}', {
    cwd: root,
    exclude: NOT_OURS,
  })
    .filter((file) =>
      /\.catch\(\(\) => (undefined|\{\s*\}|null)\)/.test(readFileSync(join(root, file), 'utf8')),
    )
    .map((file) => `${file} drops a failure: log it, or say why it is expected (shared/expected.ts).`);
}

/** Words that readers stumble over, and the usual ones for them. */
const ODD_WORDS: Readonly<Record<string, string>> = {
  anew: 'again',
  'for ever': 'forever',
  whoever: 'anyone who',
  beside: 'next to or alongside',
  inlet: 'ingress',
  outlet: 'egress',
  rubbish: 'malformed',
};

/** Words that have a plainer one, or another name in this project. */
function oddWords(root: string): string[] {
  const pattern = new RegExp(`\\b(${Object.keys(ODD_WORDS).join('|')})\\b`, 'i');
  return globSync(['*.md', '{bin,docs,gateway,school,server,sfu,shared,tests,web}/**/*.{ts,svelte,md}'], {
    cwd: root,
    exclude: [...NOT_OURS, 'CHANGELOG.md', 'bin/check/own-rules.ts'],
  }).flatMap((file) =>
    readFileSync(join(root, file), 'utf8')
      .split('\n')
      .flatMap((line, index) => {
        const word = pattern.exec(line)?.[1]?.toLowerCase();
        return word === undefined ? [] : [`${file}:${index + 1}: “${word}”: say “${ODD_WORDS[word]}”.`];
      }),
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
