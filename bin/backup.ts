// `npm run backup -- <folder>`: copies the data folder, also while Lectern runs.
import { existsSync, readdirSync, statSync } from 'node:fs';
import { readSettings } from '#server/settings.ts';
import { VERSION } from '#server/version.ts';
import { copyData } from './data/copy.ts';
import { MANIFEST, readManifest, writeManifest } from './data/manifest.ts';
import { folderOf, runCommand } from './data/command.ts';
import { SetupError } from './setup/run.ts';

const megabytes = (bytes: number): string => `${(bytes / 1e6).toFixed(1)} MB`;

await runCommand(async (args) => {
  const to = folderOf(args, 'Say where to: npm run backup -- /var/backups/lectern');
  const { dataDir: data } = readSettings();
  if (!existsSync(data)) throw new SetupError(`There is no data folder at ${data}: set LECTERN_DATA.`);
  if (`${to}/`.startsWith(`${data}/`)) throw new SetupError('A backup cannot lie within the data folder.');
  // SQLite makes files next to a database, and Lectern has to be able to write those.
  const owner = statSync(data).uid;
  if (process.getuid?.() !== owner) {
    throw new SetupError(`${data} belongs to another user: run this as that one (sudo -u '#${owner}').`);
  }
  if (existsSync(to) && readdirSync(to).length > 0) readManifest(to);
  const copied = await copyData(data, to, [MANIFEST]);
  writeManifest(to, { lectern: VERSION, madeAtMs: Date.now(), ...copied });
  return `${to} has all of ${data}: ${copied.files} files, ${megabytes(copied.bytes)}. Keep it secret: the keys are in it.`;
});
