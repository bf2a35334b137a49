// What tests and benchmarks need beyond what a start does, and where they look for it.
import { installCommand, installPackages, mayInstall, hasApt } from './apt.ts';
import { ensureChromium } from './chromium.ts';
import { findFfmpeg } from './ffmpeg.ts';
import { ensurePage } from './page.ts';
import { ensurePostgres } from './postgres.ts';
import { run, SetupError } from './run.ts';
import { ensureWorker } from './worker.ts';

/** They call both by name: ffmpeg makes classes, ffprobe looks at what comes out. */
const MEDIA_TOOLS = ['ffmpeg', 'ffprobe'];

async function missingTools(): Promise<string[]> {
  const found = await Promise.all(MEDIA_TOOLS.map((tool) => run(tool, ['-version'])));
  return MEDIA_TOOLS.filter((_, index) => found[index]?.status !== 0);
}

async function ensureMediaTools(signal?: AbortSignal): Promise<void> {
  if ((await missingTools()).length > 0 && mayInstall()) await installPackages('ffmpeg', ['ffmpeg'], signal);
  const missing = await missingTools();
  if (missing.length === 0) return;
  const how = hasApt() ? `run "${installCommand(['ffmpeg'])}"` : 'install ffmpeg with your package manager';
  throw new SetupError(`The tests need ${missing.join(' and ')}: ${how}.`);
}

/** Brings all of it and sets the variables that say where it is. Throws SetupError. */
export async function prepareForTests(ffmpeg: string | undefined, signal?: AbortSignal): Promise<void> {
  process.env.MEDIASOUP_WORKER_BIN = (await ensureWorker(signal)).path;
  await ensureMediaTools(signal);
  const found = await findFfmpeg(ffmpeg);
  if (found !== undefined) process.env.LECTERN_FFMPEG = found;
  process.env.LECTERN_CHROMIUM = await ensureChromium(signal);
  await ensurePostgres(signal);
  await ensurePage(signal);
}
