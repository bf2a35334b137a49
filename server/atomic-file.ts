// Files that are whole, whatever happens: after a crash or a power cut there is the old one or the new one.
import { renameSync, writeFileSync } from 'node:fs';
import { rename, writeFile } from 'node:fs/promises';

/** At the end of the name of what is written before it takes its place; a crash may leave one behind. */
export const DRAFT = '.new';
/** For its owner alone, and on disk before it is renamed: a rename may come there before what it renames. */
const OPTIONS = { mode: 0o600, flush: true };

/** Writes the file `path`; of one path one after the other. Rejects with the system's error. */
export async function writeAtomically(path: string, text: string): Promise<void> {
  await writeFile(path + DRAFT, text, OPTIONS);
  await rename(path + DRAFT, path);
}

/** The same for those who cannot wait. Throws the system's error. */
export function writeAtomicallySync(path: string, text: string): void {
  writeFileSync(path + DRAFT, text, OPTIONS);
  renameSync(path + DRAFT, path);
}
