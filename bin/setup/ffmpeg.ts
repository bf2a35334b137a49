// ffmpeg: the live path needs none. A class whose browser has no H.264 (VP8) needs it for its audience,
// and so do the tests.
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { hasApt, installCommand, installPackages, mayInstall } from './apt.ts';
import { run, SetupError } from './run.ts';

const VERSION_LIMIT_MS = 10_000;

const runs = async (path: string): Promise<boolean> =>
  (await run(path, ['-hide_banner', '-version'], { limitMs: VERSION_LIMIT_MS })).status === 0;

/** The ffmpeg that is there: the one that was set, ffmpeg-static's, or the system's. */
export async function findFfmpeg(given: string | undefined): Promise<string | undefined> {
  if (given !== undefined) {
    if (await runs(given)) return given;
    throw new SetupError(`LECTERN_FFMPEG names ${given}, which does not run: correct it or unset it.`);
  }
  const bundled: unknown = createRequire(import.meta.url)('ffmpeg-static');
  if (typeof bundled === 'string' && existsSync(bundled) && (await runs(bundled))) return bundled;
  return (await runs('ffmpeg')) ? 'ffmpeg' : undefined;
}

/** Says how a person gets ffmpeg, and what is missing without it. */
export const ffmpegHint = (): string =>
  `No ffmpeg: classes from browsers without H.264 cannot be broadcast, and tests cannot run. ` +
  (hasApt() ? `Run "${installCommand(['ffmpeg'])}".` : 'Install it, or set LECTERN_FFMPEG to it.');

/** Finds or installs ffmpeg. Undefined, after a line that says what lacks it, where it cannot be had. */
export async function ensureFfmpeg(
  given: string | undefined,
  signal?: AbortSignal,
): Promise<string | undefined> {
  const found = await findFfmpeg(given);
  if (found !== undefined) return found;
  if (mayInstall()) {
    try {
      await installPackages('ffmpeg', ['ffmpeg'], signal);
      return await findFfmpeg(given);
    } catch (error) {
      if (!(error instanceof SetupError)) throw error;
    }
  }
  process.stderr.write(`${ffmpegHint()}\n`);
  return undefined;
}
