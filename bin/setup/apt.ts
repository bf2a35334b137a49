// Debian's packages: which are missing, and getting them where root can.
import { existsSync } from 'node:fs';
import { beginStep } from './progress.ts';
import { run, SetupError } from './run.ts';

const APT = '/usr/bin/apt-get';

/** True on Debian and its relatives. */
export const hasApt = (): boolean => existsSync(APT);

/** True where this process may install packages. */
export const mayInstall = (): boolean => hasApt() && process.getuid?.() === 0;

/** Those of `packages` that are not installed. */
export async function missingPackages(packages: readonly string[]): Promise<string[]> {
  const installed = new Set<string>();
  await run('dpkg-query', ['-W', '-f', '${Package} ${db:Status-Status}\\n', ...packages], {
    onLine(line) {
      const [name, status] = line.split(' ');
      if (name !== undefined && status === 'installed') installed.add(name);
    },
  });
  return packages.filter((name) => !installed.has(name));
}

/** The line that a person types to get `packages`. */
export const installCommand = (packages: readonly string[]): string =>
  `sudo apt-get install ${packages.join(' ')}`;

/** Installs what is missing of `packages`. Throws SetupError if it cannot. */
export async function installPackages(
  what: string,
  packages: readonly string[],
  signal?: AbortSignal,
): Promise<void> {
  const missing = await missingPackages(packages);
  if (missing.length === 0) return;
  if (!mayInstall())
    throw new SetupError(`${what} is missing: run "${installCommand(missing)}", then try again.`);
  const step = beginStep(`Installing ${what} with apt-get`);
  const options = {
    env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' },
    onLine: (line: string) => step.update(line),
    ...(signal === undefined ? {} : { signal }),
  };
  // Another apt-get may be at work: wait for it rather than fail.
  const wait = ['-o', 'DPkg::Lock::Timeout=600'];
  await run(APT, [...wait, '-q', 'update'], options);
  const install = [...wait, '-q', '-y', '--no-install-recommends', 'install', ...missing];
  const { status, tail } = await run(APT, install, options);
  if (status === 0) {
    step.end();
    return;
  }
  step.end('failed');
  const why = tail.findLast((line) => line.startsWith('E:')) ?? tail.at(-1) ?? 'no output';
  throw new SetupError(
    `apt-get could not install ${what} (${why}): run "${installCommand(missing)}" by hand.`,
  );
}
