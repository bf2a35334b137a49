// The page: built when its sources changed, compressed once, put in place in one move.
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { brotliCompress, constants, gzip } from 'node:zlib';
import { withLock } from './lock.ts';
import { beginStep } from './progress.ts';
import { run, SetupError } from './run.ts';

const ROOT = join(import.meta.dirname, '../..');
/** Where the built page is. */
export const PAGE_DIR = join(ROOT, 'web/dist');
const STAMP = '.sources';
/** What the page is made of. */
const SOURCES = ['web', 'shared', 'vite.config.ts', 'package.json', 'package-lock.json', 'tsconfig.json'];
/** Smaller files gain nothing: they fit one packet. */
const COMPRESS_FROM_BYTES = 1_024;
const COMPRESSIBLE = /\.(html|js|css|svg|json|webmanifest|wasm|txt|map)$/;

function filesBelow(path: string): string[] {
  return readdirSync(path, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name));
}

/** The hash of everything that the page is made of. */
function sourcesHash(): string {
  const hash = createHash('sha256');
  for (const source of SOURCES) {
    const path = join(ROOT, source);
    const files = source.includes('.') ? [path] : filesBelow(path).sort();
    for (const file of files) {
      // Built folders lie within web/: dist, and drafts of it.
      if (file.startsWith(PAGE_DIR)) continue;
      hash.update(file.slice(ROOT.length)).update('\0').update(readFileSync(file)).update('\0');
    }
  }
  return hash.digest('hex');
}

function builtFrom(): string | undefined {
  const stamp = join(PAGE_DIR, STAMP);
  return existsSync(stamp) ? readFileSync(stamp, 'utf8') : undefined;
}

/** True if the built page is that of the present sources. */
export const isPageBuilt = (): boolean => builtFrom() === sourcesHash();

/** Builds the page if its sources changed. Throws SetupError if they do not build. */
export async function ensurePage(signal?: AbortSignal): Promise<string> {
  if (isPageBuilt()) return PAGE_DIR;
  const onWait = () => process.stderr.write('Another start is building the page; waiting for it …\n');
  await withLock(
    join(ROOT, '.cache/page.lock'),
    async () => {
      const sources = sourcesHash();
      if (builtFrom() !== sources) await build(sources, signal);
    },
    { signal, onWait },
  );
  return PAGE_DIR;
}

async function build(sources: string, signal?: AbortSignal): Promise<void> {
  const step = beginStep('Building the page');
  // Next to its place, so that a door that is open never sees a half of it.
  const draft = `${PAGE_DIR}.new`;
  const old = `${PAGE_DIR}.old`;
  const vite = join(ROOT, 'node_modules/vite/bin/vite.js');
  const { status, tail } = await run(
    process.execPath,
    [vite, 'build', '--logLevel', 'warn', '--outDir', draft, '--emptyOutDir'],
    { cwd: ROOT, env: { ...process.env, NO_COLOR: '1' }, ...(signal === undefined ? {} : { signal }) },
  );
  if (status !== 0) {
    step.end('failed');
    process.stderr.write(`${tail.map((line) => `  ${line}`).join('\n')}\n`);
    throw new SetupError('The page could not be built: the lines above say why.');
  }
  await compress(draft);
  writeFileSync(join(draft, STAMP), sources);
  rmSync(old, { recursive: true, force: true });
  if (existsSync(PAGE_DIR)) renameSync(PAGE_DIR, old);
  renameSync(draft, PAGE_DIR);
  rmSync(old, { recursive: true, force: true });
  step.end();
}

const toBrotli = promisify(brotliCompress);
const toGzip = promisify(gzip);

/** Puts `.br` and `.gz` next to each file in `dir` that gains by it. */
export async function compress(dir: string): Promise<void> {
  for (const file of filesBelow(dir).filter((name) => COMPRESSIBLE.test(name))) {
    const content = await readFile(file);
    if (content.length < COMPRESS_FROM_BYTES) continue;
    const quality = { params: { [constants.BROTLI_PARAM_QUALITY]: constants.BROTLI_MAX_QUALITY } };
    await writeFile(`${file}.br`, await toBrotli(content, quality));
    await writeFile(`${file}.gz`, await toGzip(content, { level: constants.Z_BEST_COMPRESSION }));
  }
}
