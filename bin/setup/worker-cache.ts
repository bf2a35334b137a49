// Which mediasoup worker a start uses. They live in a cache outside node_modules, in a folder for each
// combination of what a worker is made of. What decides is never the name but the worker itself: any that
// runs here is used, so that a patch of a library (or another copy of Lectern) makes nobody wait.
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { cacheDir } from './cache.ts';
import { run, SetupError } from './run.ts';

const ROOT = join(import.meta.dirname, '../..');
/** The sources in the npm package, and what builds them on Debian. */
export const MEDIASOUP = join(ROOT, 'node_modules/mediasoup');
export const RECIPE = join(ROOT, 'sfu/worker');
const NAME = 'mediasoup-worker';

/** Started alone, a good worker says that it wants its parent, with this status. */
const ALONE_STATUS = 41;
const VERIFY_LIMIT_MS = 10_000;
/** Not on everybody's PATH. */
const LDCONFIG = '/sbin/ldconfig';

/** True if `path` is a worker that runs on this machine. */
export async function isGoodWorker(path: string): Promise<boolean> {
  if (!existsSync(path)) return false;
  // Without mediasoup's variables it must not take itself for a child of one.
  return (await run(path, [], { env: {}, limitMs: VERIFY_LIMIT_MS })).status === ALONE_STATUS;
}

/** The folder of all cached workers. */
export const workersDir = (cache: string = cacheDir()): string => join(cache, NAME);

/**
 * Where a worker that is made now belongs in the cache: its name changes with mediasoup's version, with the
 * recipe, and with the ABI of the OpenSSL that a built one is linked to. Patches of OpenSSL keep the ABI.
 */
export async function workerPath(cache: string = cacheDir()): Promise<string> {
  const folder = [...sources(), recipeHash(), await opensslAbi()].join('-');
  return join(workersDir(cache), folder, NAME);
}

/** What has to be the same for a worker to fit: mediasoup's protocol, and the machine. */
function sources(): string[] {
  const { version } = JSON.parse(readFileSync(join(MEDIASOUP, 'package.json'), 'utf8')) as {
    version: string;
  };
  return [version, process.platform, process.arch];
}

function recipeHash(): string {
  const hash = createHash('sha256');
  const files = readdirSync(RECIPE, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .sort();
  for (const file of files) hash.update(file.slice(RECIPE.length)).update(readFileSync(file));
  return hash.digest('hex').slice(0, 12);
}

/** The newest soname of libssl that this machine can load, e.g. `libssl.so.3`. */
async function opensslAbi(): Promise<string> {
  const names = new Set<string>();
  await run(LDCONFIG, ['-p'], {
    onLine(line) {
      const [name] = /\blibssl\.so\.[\d.]+/.exec(line) ?? [];
      if (name !== undefined) names.add(name);
    },
  });
  return [...names].sort().at(-1) ?? 'libssl';
}

/** A worker that runs here. `current` is false if another recipe, or one that is not known, made it. */
export interface FoundWorker {
  readonly path: string;
  readonly current: boolean;
}

/**
 * The worker that is there already: the one that was set, else the best of the cache; undefined if there is
 * none. Throws SetupError if the one that was set is no good.
 */
export async function findWorker(env: NodeJS.ProcessEnv = process.env): Promise<FoundWorker | undefined> {
  const given = env.MEDIASOUP_WORKER_BIN;
  if (given !== undefined && given !== '') {
    if (await isGoodWorker(given)) return { path: given, current: true };
    throw new SetupError(
      `MEDIASOUP_WORKER_BIN names ${given}, which is no worker for this machine: unset it.`,
    );
  }
  const dir = workersDir(cacheDir(env));
  const exact = await workerPath(cacheDir(env));
  if (await isGoodWorker(exact)) return { path: exact, current: true };
  const prefix = `${sources().join('-')}-`;
  const fitting = existsSync(dir) ? readdirSync(dir).filter((name) => name.startsWith(prefix)) : [];
  const ofThisRecipe = (name: string) => name.startsWith(`${prefix}${recipeHash()}-`);
  for (const name of fitting.sort((a, b) => Number(ofThisRecipe(b)) - Number(ofThisRecipe(a)))) {
    const path = join(dir, name, NAME);
    if (await isGoodWorker(path)) return { path, current: ofThisRecipe(name) };
  }
  return undefined;
}
