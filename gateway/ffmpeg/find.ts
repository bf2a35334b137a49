// Where ffmpeg is.
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';

/** ffmpeg-static's binary where it is installed, else the one on the PATH. */
export function findFfmpeg(): string {
  try {
    const path: unknown = createRequire(import.meta.url)('ffmpeg-static');
    if (typeof path === 'string' && existsSync(path)) return path;
  } catch {
    // Not installed: it is optional.
  }
  return 'ffmpeg';
}
