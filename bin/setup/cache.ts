// Where things are kept that must outlive `npm ci` and a new clone.
import { homedir } from 'node:os';
import { join } from 'node:path';

/** Lectern's cache folder: LECTERN_CACHE, else the system's usual place for caches. */
export function cacheDir(env: NodeJS.ProcessEnv = process.env, platform: string = process.platform): string {
  const given = (name: string) => (env[name] === '' ? undefined : env[name]);
  const own = given('LECTERN_CACHE');
  if (own !== undefined) return own;
  if (platform === 'darwin') return join(homedir(), 'Library/Caches/lectern');
  return join(given('XDG_CACHE_HOME') ?? join(homedir(), '.cache'), 'lectern');
}
