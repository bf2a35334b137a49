// Media that ffmpeg makes once for all runs, in the project's cache.
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, renameSync } from 'node:fs';
import { join } from 'node:path';

const FOLDER = join(import.meta.dirname, '../../.cache/media');

/**
 * The path of a Matroska file as ffmpeg makes it with `args`, separated by spaces. The recipe is in the
 * name, and the file gets that name only when it is whole: a run that was broken off spoils none after it.
 */
export function mediaFile(name: string, args: string): string {
  const recipe = createHash('sha256').update(args).digest('hex').slice(0, 8);
  const file = join(FOLDER, `${name}-${recipe}.mkv`);
  if (existsSync(file)) return file;
  mkdirSync(FOLDER, { recursive: true });
  const unfinished = join(FOLDER, `${name}-${recipe}.${process.pid}.mkv`);
  execFileSync('ffmpeg', ['-v', 'error', '-y', ...args.trim().split(/\s+/), unfinished]);
  renameSync(unfinished, file);
  return file;
}
