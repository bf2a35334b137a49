// What says of a folder that it is a backup, and of which Lectern.
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { SetupError } from '../setup/run.ts';

export const MANIFEST = 'backup.json';

const Manifest = z.object({
  /** The version that made it. */
  lectern: z.string().regex(/^\d+\.\d+\.\d+/),
  madeAtMs: z.number(),
  files: z.number().int().min(0),
  bytes: z.number().min(0),
});
export type Manifest = z.infer<typeof Manifest>;

/** Reads it; throws SetupError if `folder` is no backup. */
export function readManifest(folder: string): Manifest {
  try {
    return Manifest.parse(JSON.parse(readFileSync(join(folder, MANIFEST), 'utf8')));
  } catch {
    throw new SetupError(`${folder} is no backup of Lectern: it has no ${MANIFEST} that can be read.`);
  }
}

export const writeManifest = (folder: string, manifest: Manifest): void =>
  writeFileSync(join(folder, MANIFEST), `${JSON.stringify(manifest, null, 2)}\n`, { mode: 0o600 });

/** True if version `a` is newer than `b` (major, minor, patch). */
export function isNewer(a: string, b: string): boolean {
  const numbers = (version: string) => version.split(/[.+-]/).slice(0, 3).map(Number);
  const [left, right] = [numbers(a), numbers(b)];
  const at = left.findIndex((number, index) => number !== right[index]);
  return at !== -1 && (left[at] ?? 0) > (right[at] ?? 0);
}
