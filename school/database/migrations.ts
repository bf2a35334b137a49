// The migrations of all topics, one a file: `school/<topic>/migrations/<number>-<what>.ts`, with a function
// `up`. The name of the file is noted in the database, and its number puts all of them into one order. One
// that was released is never changed, nor renamed; a new one takes the next number.
import { globSync } from 'node:fs';
import { basename, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { Migration } from 'kysely/migration';

const SCHOOL = join(import.meta.dirname, '..');

/** All of them, by their names. */
export async function getMigrations(): Promise<Record<string, Migration>> {
  const files = globSync('*/migrations/*.ts', { cwd: SCHOOL });
  const found = files.map(async (file) => {
    const migration = (await import(pathToFileURL(join(SCHOOL, file)).href)) as Migration;
    return [basename(file, '.ts'), migration] as const;
  });
  return Object.fromEntries(await Promise.all(found));
}
