// A PostgreSQL server for one test file: a real one, empty, on a socket in a folder of its own. It ends with
// the process that started it, however that ends.
import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { chownSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import type { Writable } from 'node:stream';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { promisify } from 'node:util';
import pg from 'pg';
import { ensurePostgres } from '../../bin/setup/postgres.ts';

export interface TestPostgres {
  /** Makes an empty database; returns its address, for LECTERN_DATABASE_URL. */
  createDatabase(): Promise<string>;
  /** Runs a command of its operator. */
  operate(command: string): Promise<void>;
  stop(): Promise<void>;
}

/** Becomes "$@" and ends that, and removes the folder $0, when the pipe 3 is closed. */
const GUARD = `(read -r _; kill -QUIT $$; sleep 1; rm -rf "$0") <&3 >/dev/null 2>&1 &
exec "$@" 3<&-`;
/** It refuses to run as root; these are there on every system. */
const PLAIN_USERS = ['postgres', 'nobody'];

export async function startPostgres(): Promise<TestPostgres> {
  const bin = await ensurePostgres();
  const folder = mkdtempSync(join(tmpdir(), 'lectern-postgres-'));
  const data = join(folder, 'data');
  const user = process.getuid?.() === 0 ? plainUser() : undefined;
  if (user !== undefined) chownSync(folder, user.uid, user.gid);
  const init = [
    '-D',
    data,
    '--username=lectern',
    '--auth=trust',
    '--encoding=UTF8',
    '--locale=C',
    '--no-sync',
  ];
  await promisify(execFile)(join(bin, 'initdb'), init, { ...user });
  const serve = [join(bin, 'postgres'), '-D', data, '-k', folder, '-c', 'listen_addresses=', '-F'];
  const server = spawn('sh', ['-c', GUARD, folder, ...serve], {
    stdio: ['ignore', 'ignore', 'pipe', 'pipe'],
    ...user,
  });
  await untilReady(server);
  const address = (name: string) =>
    `postgres:///${name}?${new URLSearchParams({ host: folder, user: 'lectern' })}`;
  const operate = async (command: string) => {
    const client = new pg.Client(address('postgres'));
    await client.connect();
    await client.query(command);
    await client.end();
  };
  let count = 0;
  return {
    operate,
    async createDatabase() {
      const name = `school${(count += 1)}`;
      await operate(`create database ${name}`);
      return address(name);
    },
    async stop() {
      const gone = once(server, 'exit');
      (server.stdio[3] as Writable).end();
      await gone;
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

function plainUser(): { uid: number; gid: number } {
  const users = readFileSync('/etc/passwd', 'utf8')
    .split('\n')
    .map((line) => line.split(':'));
  const [, , uid, gid] =
    PLAIN_USERS.map((name) => users.find((user) => user[0] === name)).find(Boolean) ?? [];
  return { uid: Number(uid), gid: Number(gid) };
}

/** Resolves when the server takes connections. Throws an Error with its last words if it ends before. */
function untilReady(server: ChildProcess): Promise<void> {
  const lines: string[] = [];
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.once('exit', () => reject(new Error(`PostgreSQL did not start:\n${lines.join('\n')}`)));
    createInterface({ input: server.stderr! }).on('line', (line) => {
      lines.push(line);
      if (line.includes('ready to accept connections')) resolve();
    });
  });
}
