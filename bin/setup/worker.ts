// Brings the mediasoup worker: finds it in the cache, downloads it, or builds it, and starts it once to see
// that it runs here.
import { chmodSync, copyFileSync, mkdirSync, renameSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { dirname, join } from 'node:path';
import type { Log } from '#server/log.ts';
import { hasApt, installCommand, installPackages, mayInstall, missingPackages } from './apt.ts';
import { withLock } from './lock.ts';
import { beginStep, duration, type Step } from './progress.ts';
import { run, SetupError } from './run.ts';
import {
  findWorker,
  isGoodWorker,
  MEDIASOUP,
  RECIPE,
  workerPath,
  workersDir,
  type FoundWorker,
} from './worker-cache.ts';

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

interface Work {
  readonly signal?: AbortSignal | undefined;
  /** Where a person reads how far it is. */
  readonly begin: (title: string) => Step;
  /** True next to a Lectern that runs: classes come first, and nothing is installed. */
  readonly aside: boolean;
}

/**
 * Finds, downloads or builds the worker.
 * Throws SetupError, in one line for a person, where none can be had.
 */
export async function ensureWorker(signal?: AbortSignal): Promise<FoundWorker> {
  const found = await findWorker();
  if (found !== undefined) return found;
  const onWait = () =>
    process.stderr.write('Another start is bringing the mediasoup worker; waiting for it …\n');
  const work: Work = { signal, begin: beginStep, aside: false };
  return withLock(
    join(workersDir(), 'lock'),
    async () => (await findWorker()) ?? { path: await make(work), current: true },
    { signal, onWait },
  );
}

/**
 * Makes the worker of this recipe while one of another recipe serves, for the next start. Resolves in any
 * case: what fails is logged, and tried again by the next start.
 */
export async function renewWorker(log: Log, signal: AbortSignal): Promise<void> {
  const silent: Step = { update: () => undefined, end: () => undefined };
  try {
    await withLock(
      join(workersDir(), 'lock'),
      async () => {
        if ((await findWorker())?.current === true) return;
        const path = await make({ signal, begin: () => silent, aside: true });
        log.info({ path }, 'a new media worker is ready for the next start');
      },
      { signal },
    );
  } catch (error) {
    if (!signal.aborted)
      log.warn({ err: error }, 'the media worker was not renewed; the present one goes on');
  }
}

const make = async (work: Work): Promise<string> => (await download(work)) ?? (await build(work));

/** mediasoup's own download of a prebuilt worker, by its own script, which knows the names. */
async function download({ signal, begin }: Work): Promise<string | undefined> {
  const step = begin('Downloading the mediasoup worker');
  await run(process.execPath, ['npm-scripts.mjs', 'postinstall'], {
    cwd: MEDIASOUP,
    // When it finds nothing it would go on to build with pip: no Python, no such build.
    env: { ...process.env, PYTHON: 'false', MEDIASOUP_WORKER_BIN: '' },
    limitMs: DOWNLOAD_LIMIT_MS,
    ...(signal === undefined ? {} : { signal }),
  });
  const downloaded = join(MEDIASOUP, 'worker/out/Release/mediasoup-worker');
  if (!(await isGoodWorker(downloaded))) {
    step.end('not offered for this machine or network; it is built here instead');
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

async function build({ signal, begin, aside }: Work): Promise<string> {
  if (!hasApt()) {
    throw new SetupError(
      'There is no mediasoup worker for this system: connect it to the internet, or set MEDIASOUP_WORKER_BIN to one.',
    );
  }
  const missing = await missingPackages(BUILD_PACKAGES);
  if (missing.length > 0 && (aside || !mayInstall())) {
    throw new SetupError(
      `The mediasoup worker has to be built, and that needs a compiler: run "${installCommand(missing)}", then try again.`,
    );
  }
  await installPackages('what the mediasoup worker is built with', BUILD_PACKAGES, signal);
  const path = await workerPath();
  const step = begin('Building the mediasoup worker');
  const startedMs = Date.now();
  const usualMs = usualBuildMs();
  let steps: BuildSteps | undefined;
  const tell = () => step.update(buildProgress(steps, Date.now() - startedMs, usualMs));
  tell();
  // Also between two lines: while one long step keeps the build busy, the rest takes ever longer.
  const timer = setInterval(tell, TELL_EVERY_MS);
  const script = [join(RECIPE, BUILD_SCRIPT), MEDIASOUP, path];
  const [file, ...args] = aside ? ['nice', '-n', '19', 'bash', ...script] : ['bash', ...script];
  const { status, tail } = await run(file, args, {
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
