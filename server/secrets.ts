// Generated secrets: one file in the data folder, mode 0600, made by whichever process comes first.
import { randomBytes } from 'node:crypto';
import { linkSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';

const Secret = z.string().min(32);
const Secrets = z.object({
  /** Between services. */
  internal: Secret,
  /** Signs tickets and invitations. */
  ticket: Secret,
  /** Signs playback addresses. */
  playback: Secret,
  /** What is kept of the owner's session cookies is made with it. */
  session: Secret,
  /** The owner link's key. */
  owner: Secret,
});
export type Secrets = z.infer<typeof Secrets>;

/**
 * Reads the secrets of this data folder, making them on first use. Safe when several processes start
 * at once: all get the same ones. Throws if the file is there but damaged: it is never overwritten.
 */
export function loadSecrets(dataDir: string): Secrets {
  const path = join(dataDir, 'secrets.json');
  mkdirSync(dataDir, { recursive: true, mode: 0o700 });
  try {
    return parse(path);
  } catch (error) {
    if (!isErrno(error, 'ENOENT')) throw error;
  }
  const fresh = Object.fromEntries(
    Object.keys(Secrets.shape).map((name) => [name, randomBytes(32).toString('base64url')]),
  );
  const draft = `${path}.${randomBytes(6).toString('hex')}`;
  writeFileSync(draft, JSON.stringify(fresh, null, 2), { mode: 0o600, flush: true });
  try {
    // link() fails if another process was first, and then its secrets are the ones.
    linkSync(draft, path);
  } catch (error) {
    if (!isErrno(error, 'EEXIST')) throw error;
  } finally {
    rmSync(draft, { force: true });
  }
  return parse(path);
}

function parse(path: string): Secrets {
  const text = readFileSync(path, 'utf8');
  try {
    return Secrets.parse(JSON.parse(text));
  } catch {
    // The error itself would quote the file.
    throw new Error(`${path} is damaged: restore it from a backup, or remove it.`);
  }
}

/** True if `error` is a system error with this code. */
export function isErrno(error: unknown, code: string): boolean {
  return error instanceof Error && 'code' in error && error.code === code;
}
