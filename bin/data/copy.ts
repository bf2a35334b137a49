// Copies a data folder. The databases are copied as SQLite sees them, so that one that is in use comes out
// whole; every other file is written once, or only grows.
import { chmod, copyFile, mkdir, readdir, rename, rm, stat, utimes } from 'node:fs/promises';
import { constants, type Stats } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { isErrno } from '#server/secrets.ts';

const DATABASE = /\.db$/;
/** What SQLite keeps next to a database. It belongs to this copy of it alone. */
const NEXT_TO_DATABASE = /\.db-(wal|shm|journal)$/;
const UNFINISHED = '.part';
const FOLDER_MODE = 0o700;
const FILE_MODE = 0o600;

interface Found {
  /** Below the folder. */
  readonly path: string;
  readonly stats: Stats;
}

/** All files below `folder`; links are followed. What goes away meanwhile is left out. */
export async function filesIn(folder: string): Promise<Found[]> {
  const found: Found[] = [];
  const look = async (dir: string): Promise<void> => {
    for (const name of await readdir(dir)) {
      const path = join(dir, name);
      const stats = await stat(path).catch(unlessGone);
      if (stats?.isDirectory()) await look(path);
      else if (stats?.isFile()) found.push({ path: relative(folder, path), stats });
    }
  };
  await look(folder);
  return found;
}

const unlessGone = (error: unknown): undefined => {
  if (!isErrno(error, 'ENOENT')) throw error;
};

export interface Copied {
  readonly files: number;
  readonly bytes: number;
}

/**
 * Makes `to` a copy of `from`, which may be in use. What `to` has already, of the same size and time, stays;
 * what `from` no longer has is removed at the end. `keep` are names in `to` that are none of it.
 */
export async function copyData(from: string, to: string, keep: readonly string[] = []): Promise<Copied> {
  await mkdir(to, { recursive: true, mode: FOLDER_MODE });
  // The large part first, so that little time passes between the databases and the second look at the files.
  await copyFiles(from, to);
  const databases = (await filesIn(from)).map(({ path }) => path).filter((path) => DATABASE.test(path));
  // An event goes from an outbox to the school: in this order it is in both rather than in neither, and the
  // school applies it once.
  const last = (path: string) => Number(path.startsWith('school'));
  for (const path of databases.sort((a, b) => last(a) - last(b))) await copyDatabase(from, to, path);
  const wanted = new Set([...databases, ...(await copyFiles(from, to)), ...keep]);
  let [files, bytes] = [0, 0];
  for (const { path, stats } of await filesIn(to)) {
    if (!wanted.has(path)) await rm(join(to, path));
    else if (!keep.includes(path)) [files, bytes] = [files + 1, bytes + stats.size];
  }
  return { files, bytes };
}

/** Copies all but databases; returns what there is. */
async function copyFiles(from: string, to: string): Promise<string[]> {
  const paths: string[] = [];
  for (const { path, stats } of await filesIn(from)) {
    if (DATABASE.test(path) || NEXT_TO_DATABASE.test(path)) continue;
    const target = join(to, path);
    const there = await stat(target).catch(unlessGone);
    if (there?.size !== stats.size || Math.abs(there.mtimeMs - stats.mtimeMs) > 1) {
      const copied = await finish(target, (part) =>
        // A file system that can share blocks does not write them twice.
        copyFile(join(from, path), part, constants.COPYFILE_FICLONE),
      ).then(() => true, unlessGone);
      if (copied !== true) continue;
      await utimes(target, stats.atime, stats.mtime);
    }
    paths.push(path);
  }
  return paths;
}

async function copyDatabase(from: string, to: string, path: string): Promise<void> {
  await finish(join(to, path), async (part) => {
    const db = new DatabaseSync(join(from, path), { readOnly: true, timeout: 10_000 });
    try {
      db.prepare('VACUUM INTO ?').run(part);
    } finally {
      db.close();
    }
    const copy = new DatabaseSync(part, { readOnly: true });
    try {
      const row = copy.prepare('PRAGMA quick_check').get();
      if (row?.quick_check !== 'ok') throw new Error(`${path} is damaged: ${String(row?.quick_check)}`);
    } finally {
      copy.close();
    }
  });
}

/** Lets `write` make a file next to `target`, and puts it in place, for its owner alone. */
async function finish(target: string, write: (part: string) => Promise<void>): Promise<void> {
  const part = `${target}${UNFINISHED}`;
  await mkdir(dirname(target), { recursive: true, mode: FOLDER_MODE });
  await rm(part, { force: true });
  await write(part);
  await chmod(part, FILE_MODE);
  await rename(part, target);
}
