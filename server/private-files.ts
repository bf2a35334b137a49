// Everything that is written about a class is the operator's alone: folders are 0700 and files 0600.
import { chmod, lstat, opendir } from 'node:fs/promises';
import { join } from 'node:path';

/** Bits of the group and of others (chmod(2)). */
const OTHERS = 0o077;

/** From now on, all that this process and what it starts makes is private. */
export function writePrivately(): void {
  process.umask(OTHERS);
}

/** What Lectern keeps in a data folder. Somebody may have named a folder that holds other things, too. */
const OURS = ['secrets.json', 'school', 'gateway', 'sfu'];

/**
 * Takes the group's and others' rights from a data folder and all of ours below it, as earlier versions left
 * them. Rejects with the system's error, e.g. EPERM.
 */
export async function makePrivate(dataDir: string): Promise<void> {
  await takeRights(dataDir, false);
  for (const name of OURS) await takeRights(join(dataDir, name), true);
}

/** Links are not followed; what is gone meanwhile is passed over. */
async function takeRights(path: string, below: boolean): Promise<void> {
  try {
    const found = await lstat(path);
    if (found.isSymbolicLink()) return;
    if ((found.mode & OTHERS) !== 0) await chmod(path, found.mode & 0o7777 & ~OTHERS);
    if (!below || !found.isDirectory()) return;
    for await (const { name } of await opendir(path)) await takeRights(join(path, name), true);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
  }
}
