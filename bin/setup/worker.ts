// The mediasoup worker: found, downloaded or built, and started once to see that it runs here.
// It lives in a cache outside node_modules, under a name made of all that it depends on.
import { createHash } from 'node:crypto';
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  chmodSync,
} from 'node:fs';
import { availableParallelism } from 'node:os';
import { dirname, join } from 'node:path';
import { hasApt, installCommand, installPackages, mayInstall, missingPackages } from './apt.ts';
import { cacheDir } from './cache.ts';
import { withLock } from './lock.ts';
import { beginStep, duration } from './progress.ts';
import { run, SetupError } from './run.ts';

const ROOT = join(import.meta.dirname, '../..');
const RECIPE = join(ROOT, 'sfu/worker');
const MEDIASOUP = join(ROOT, 'node_modules/mediasoup');
const BUILD_SCRIPT = 'build-worker.sh';

/** What sfu/worker/build-worker.sh needs, by Debian's names. */
const BUILD_PACKAGES = [
  'g++',
  'meson',
  'ninja-build',
  'pkg-config',
  'flatbuffers-compiler',
  'libflatbuffers-dev',
  'libssl-dev',
  'libuv1-dev',
  'libsrtp2-dev',
  'libabsl-dev',
];

/** Started alone, a good worker says that it wants its parent, with this status. */
const ALONE_STATUS = 41;
const VERIFY_LIMIT_MS = 10_000;
/** Where there is no internet nobody should wait for it long. */
const DOWNLOAD_LIMIT_MS = 20_000;
/** Measured: about five minutes on two cores, and it scales with them. */
const BUILD_CORE_MS = 600_000;
/** Before this much is done the time it took says little about the rest. */
const ESTIMATE_FROM = 0.1;
const TELL_EVERY_MS = 1_000;

/** How long a build of the worker usually takes on this machine, in ms. */
const usualBuildMs = (): number => BUILD_CORE_MS / availableParallelism();
/** The same for people. */
export const usualBuildTime = (ms: number = usualBuildMs()): string =>
  `about ${Math.max(1, Math.round(ms / 60_000))} min on this machine`;

/** True if `path` is a worker that runs on this machine. */
export async function isGoodWorker(path: string): Promise<boolean> {
  if (!existsSync(path)) return false;
  // Without mediasoup's variables it must not take itself for a child of one.
  return (await run(path, [], { env: {}, limitMs: VERIFY_LIMIT_MS })).status === ALONE_STATUS;
}

/**
 * Where this machine's worker belongs in the cache. Its name changes with mediasoup's version, with the
 * recipe, and with the OpenSSL that a built one is linked to.
 */
export async function workerPath(cache: string = cacheDir()): Promise<string> {
  const { version } = JSON.parse(readFileSync(join(MEDIASOUP, 'package.json'), 'utf8')) as {
    version: string;
  };
  const hash = createHash('sha256').update(await opensslVersion());
  const files = readdirSync(RECIPE, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .sort();
  for (const file of files) hash.update(file.slice(RECIPE.length)).update(readFileSync(file));
  const key = `${version}-${process.platform}-${process.arch}-${hash.digest('hex').slice(0, 12)}`;
  return join(cache, 'mediasoup-worker', key, 'mediasoup-worker');
}

async function opensslVersion(): Promise<string> {
  const asked = hasApt()
    ? await run('dpkg-query', ['-W', '-f', '${Package} ${Version}\\n', 'libssl[0-9]*'])
    : await run('openssl', ['version']);
  return asked.status === 0 ? asked.tail.join('\n') : 'unknown';
}

/** The worker that is there already, or undefined. Throws SetupError if the one that was set is no good. */
export async function findWorker(env: NodeJS.ProcessEnv = process.env): Promise<string | undefined> {
  const given = env.MEDIASOUP_WORKER_BIN;
  if (given !== undefined && given !== '') {
    if (await isGoodWorker(given)) return given;
    throw new SetupError(
      `MEDIASOUP_WORKER_BIN names ${given}, which is no worker for this machine: unset it.`,
    );
  }
  const cached = await workerPath(cacheDir(env));
  return (await isGoodWorker(cached)) ? cached : undefined;
}

/**
 * Finds, downloads or builds the worker and returns its path.
 * Throws SetupError, in one line for a person, where none can be had.
 */
export async function ensureWorker(signal?: AbortSignal): Promise<string> {
  const found = await findWorker();
  if (found !== undefined) return found;
  const lock = join(cacheDir(), 'mediasoup-worker', 'lock');
  const onWait = () =>
    process.stderr.write('Another start is bringing the mediasoup worker; waiting for it …\n');
  return withLock(
    lock,
    async () => {
      const meanwhile = await findWorker();
      if (meanwhile !== undefined) return meanwhile;
      return (await download(signal)) ?? (await build(signal));
    },
    { signal, onWait },
  );
}

/** mediasoup's own download of a prebuilt worker, by its own script, which knows the names. */
async function download(signal?: AbortSignal): Promise<string | undefined> {
  const step = beginStep('Downloading the mediasoup worker');
  await run(process.execPath, ['npm-scripts.mjs', 'postinstall'], {
    cwd: MEDIASOUP,
    // When it finds nothing it would go on to build with pip: no Python, no such build.
    env: { ...process.env, PYTHON: 'false', MEDIASOUP_WORKER_BIN: '' },
    limitMs: DOWNLOAD_LIMIT_MS,
    ...(signal === undefined ? {} : { signal }),
  });
  const downloaded = join(MEDIASOUP, 'worker/out/Release/mediasoup-worker');
  if (!(await isGoodWorker(downloaded))) {
    step.end('there is none to be had from here');
    return undefined;
  }
  const path = await workerPath();
  mkdirSync(dirname(path), { recursive: true });
  copyFileSync(downloaded, `${path}.new`);
  chmodSync(`${path}.new`, 0o755);
  renameSync(`${path}.new`, path);
  step.end();
  return path;
}

async function build(signal?: AbortSignal): Promise<string> {
  if (!hasApt()) {
    throw new SetupError(
      'There is no mediasoup worker for this system: connect it to the internet, or set MEDIASOUP_WORKER_BIN to one.',
    );
  }
  const missing = await missingPackages(BUILD_PACKAGES);
  if (missing.length > 0 && !mayInstall()) {
    throw new SetupError(
      `The mediasoup worker has to be built, and that needs a compiler: run "${installCommand(missing)}", then try again.`,
    );
  }
  await installPackages('what the mediasoup worker is built with', BUILD_PACKAGES, signal);
  // Installing may have brought a newer OpenSSL, and with it another name.
  const path = await workerPath();
  const step = beginStep('Building the mediasoup worker');
  const startedMs = Date.now();
  const usualMs = usualBuildMs();
  let steps: BuildSteps | undefined;
  const tell = () => step.update(buildProgress(steps, Date.now() - startedMs, usualMs));
  tell();
  // Also between two lines: while one long step keeps the build busy, the rest takes ever longer.
  const timer = setInterval(tell, TELL_EVERY_MS);
  const { status, tail } = await run('bash', [join(RECIPE, BUILD_SCRIPT), MEDIASOUP, path], {
    onLine(line) {
      steps = readSteps(line) ?? steps;
    },
    ...(signal === undefined ? {} : { signal }),
  }).finally(() => clearInterval(timer));
  if (status === 0 && (await isGoodWorker(path))) {
    step.end();
    return path;
  }
  step.end('failed');
  process.stderr.write(`${tail.map((line) => `  ${line}`).join('\n')}\n`);
  throw new SetupError('The mediasoup worker could not be built: the lines above say why.');
}

/** How many of its steps a build has done. */
export interface BuildSteps {
  done: number;
  total: number;
}

/** Reads ninja's `[done/total]`; undefined for other lines. */
export function readSteps(line: string): BuildSteps | undefined {
  const [, done, total] = /^\[(\d+)\/(\d+)\]/.exec(line) ?? [];
  return Number(total) > 0 ? { done: Number(done), total: Number(total) } : undefined;
}

/**
 * Says how far a build is and how long it will take: what is usual on a machine with these cores until
 * enough steps are done, then by the time that those took. What is usual is no countdown: a build that
 * takes longer is said to. `steps` is undefined before the first of them.
 */
export function buildProgress(steps: BuildSteps | undefined, elapsedMs: number, usualMs: number): string {
  const fraction = steps === undefined ? 0 : steps.done / steps.total;
  if (fraction === 1) return 'almost there';
  const percent = `${Math.floor(fraction * 100)} %`;
  if (fraction >= ESTIMATE_FROM) {
    return `${percent}, about ${duration((elapsedMs / fraction) * (1 - fraction))} left`;
  }
  const late = elapsedMs < usualMs ? '' : `, but ${duration(elapsedMs)} so far`;
  return `${percent}, usually ${usualBuildTime(usualMs)}${late}`;
}
