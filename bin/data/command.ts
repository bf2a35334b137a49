// The frame of a command that does one thing to the data folder and says how it went.
import { resolve } from 'node:path';
import { isErrno } from '#server/secrets.ts';
import { SetupError } from '../setup/run.ts';

/** Runs `work` with the command's arguments, prints what it returns, and ends with status 1 if it fails. */
export async function runCommand(work: (args: readonly string[]) => Promise<string>): Promise<void> {
  // Files that hold secrets are never made for others to read.
  process.umask(0o077);
  try {
    console.log(await work(process.argv.slice(2)));
  } catch (error) {
    const known = error instanceof SetupError || isErrno(error, 'EACCES') || isErrno(error, 'ENOSPC');
    console.error(error instanceof Error ? (known ? error.message : error.stack) : error);
    process.exitCode = 1;
  }
}

/** The one folder that a command takes. Throws `usage` for anything else: `--help` is no folder to write secrets into. */
export function folderOf(args: readonly string[], usage: string): string {
  const [folder, ...more] = args;
  if (folder === undefined || folder.startsWith('-') || more.length > 0) throw new SetupError(usage);
  return resolve(folder);
}
