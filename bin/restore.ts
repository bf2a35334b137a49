// `npm run restore -- <folder>`: puts a backup into a data folder that is empty.
import { existsSync, mkdirSync, readdirSync, rmSync, statfsSync } from 'node:fs';
import { join } from 'node:path';
import { readVariables } from '#server/settings.ts';
import { VERSION } from '#server/version.ts';
import { copyData } from './data/copy.ts';
import { isNewer, MANIFEST, readManifest } from './data/manifest.ts';
import { folderOf, runCommand } from './data/command.ts';
import { findRunning } from './running.ts';
import { SetupError } from './setup/run.ts';

await runCommand(async (args) => {
  const from = folderOf(args, 'Say where from: npm run restore -- /var/backups/lectern');
  const variables = readVariables();
  const { LECTERN_DATA: data } = variables;
  const { lectern, madeAtMs, bytes } = readManifest(from);
  if (isNewer(lectern, VERSION)) {
    throw new SetupError(`Lectern ${lectern} made this backup, and this is ${VERSION}: upgrade first.`);
  }
  if ((await findRunning(variables)) !== undefined) {
    throw new SetupError(`Lectern runs on port ${variables.LECTERN_PORT}: stop it first.`);
  }
  if (existsSync(data) && readdirSync(data).length > 0) {
    throw new SetupError(`${data} is not empty: move it away, or set LECTERN_DATA to another folder.`);
  }
  mkdirSync(data, { recursive: true, mode: 0o700 });
  const { bavail, bsize } = statfsSync(data);
  if (bavail * bsize < bytes) throw new SetupError(`There is too little room for it on the disk of ${data}.`);
  try {
    const { files } = await copyData(from, data);
    rmSync(join(data, MANIFEST));
    return `${data} is as it was on ${new Date(madeAtMs).toLocaleString()}: ${files - 1} files. Start Lectern.`;
  } catch (error) {
    // Half a data folder would start, without what is missing.
    for (const name of readdirSync(data)) rmSync(join(data, name), { recursive: true });
    throw error;
  }
});
