// The data folder: can it be written, is there room, and who else can read it.
import { existsSync, statfsSync, statSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { Settings } from '#server/settings.ts';
import { filesIn } from '../data/copy.ts';
import { good, lacking, wrong, type Finding } from './finding.ts';

const GIB = 1024 ** 3;
/** A class of an hour, all layers recorded, is about 1.5 GiB. */
const DISK_WANTED_BYTES = 5 * GIB;
/** So much may a file be newer than now, for the clocks of network disks. */
const CLOCK_MS = 60_000;

export async function dataFolder({ dataDir: dir }: Pick<Settings, 'dataDir'>): Promise<Finding[]> {
  let folder = dir;
  while (!existsSync(folder)) folder = dirname(folder);
  const findings: Finding[] = [];
  try {
    await rm(await mkdtemp(join(folder, '.lectern-doctor-')), { recursive: true });
    findings.push(good(`The data folder can be written (${dir}).`));
  } catch {
    findings.push(
      wrong(`The data folder cannot be written (${dir}): give it to yourself, or set LECTERN_DATA.`),
    );
  }
  const { bavail, bsize } = statfsSync(folder);
  const free = `${((bavail * bsize) / GIB).toFixed(1)} GiB of disk are free for recordings`;
  findings.push(
    bavail * bsize < DISK_WANTED_BYTES
      ? lacking(`Only ${free}; an hour of class takes about 1.5.`)
      : good(`${free}.`),
  );
  if (existsSync(dir) && statSync(dir).isDirectory()) findings.push(...(await contents(dir)));
  return findings;
}

async function contents(dir: string): Promise<Finding[]> {
  const files = await filesIn(dir);
  const findings: Finding[] = [];
  const secrets = files.find(({ path }) => path === 'secrets.json');
  if (secrets !== undefined) {
    const path = join(dir, secrets.path);
    findings.push(
      (secrets.stats.mode & 0o077) !== 0
        ? wrong(`Others can read ${path}: run "chmod 600 ${path}".`)
        : good('The secrets are yours alone.'),
    );
  }
  // In a folder that is closed to others the modes of what is in it do not matter.
  const open =
    (statSync(dir).mode & 0o077) !== 0 ? files.filter(({ stats }) => (stats.mode & 0o077) !== 0) : [];
  if (open.length > 0) {
    findings.push(
      lacking(
        `Other users can read ${open.length} files of ${dir} (${open[0]?.path}): run "chmod -R go= ${dir}".`,
      ),
    );
  }
  const uid = process.getuid?.();
  const foreign = files.filter(({ stats }) => uid !== 0 && stats.uid !== uid);
  if (foreign.length > 0) {
    findings.push(
      wrong(
        `${foreign.length} files of ${dir} belong to another user (${foreign[0]?.path}): give them to yourself.`,
      ),
    );
  }
  const newest = Math.max(0, ...files.map(({ stats }) => stats.mtimeMs));
  if (newest > Date.now() + CLOCK_MS) {
    findings.push(
      wrong(
        `The clock is wrong: it says ${new Date().toISOString()}, and there is data of ${new Date(newest).toISOString()}. Links and addresses would be good for the wrong time.`,
      ),
    );
  }
  return findings;
}
