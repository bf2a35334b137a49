// The way in, on a copy of it with a package list of its own: real npm, no network.
import assert from 'node:assert/strict';
import { execFile, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, beforeEach, test } from 'node:test';
import { promisify } from 'node:util';
import { eventually } from '../../support/lectern.ts';

const run = promisify(execFile);
const BIN = join(import.meta.dirname, '../../../bin');
const MAX_MS = 60_000;
/** What an npm around this test hands down would override the copy's own configuration. */
const ENV = Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^npm_/i.test(name)));

const root = mkdtempSync(join(tmpdir(), 'lectern-bootstrap-'));
after(() => rmSync(root, { recursive: true, force: true }));

/** A project as small as can be: its package `node` hands over to the Node that runs this test. */
function makeProject(): void {
  rmSync(root, { recursive: true, force: true });
  mkdirSync(join(root, 'bin/setup'), { recursive: true });
  cpSync(join(BIN, 'lectern.mjs'), join(root, 'bin/lectern.mjs'));
  cpSync(join(BIN, 'setup/bootstrap.mjs'), join(root, 'bin/setup/bootstrap.mjs'));
  const packed = join(root, 'packages/node');
  mkdirSync(join(packed, 'bin'), { recursive: true });
  writeFileSync(
    join(packed, 'package.json'),
    JSON.stringify({ name: 'node', version: '1.0.0', bin: { node: 'bin/node' } }),
  );
  writeFileSync(join(packed, 'bin/node'), `#!/bin/sh\nexec "${process.execPath}" "$@"\n`, { mode: 0o755 });
  const dependencies = { node: 'file:packages/node' };
  writeFileSync(
    join(root, 'package.json'),
    JSON.stringify({ name: 'small', version: '1.0.0', type: 'module', dependencies }),
  );
  writeCommand(`console.log('started with', ...process.argv.slice(2)); process.exit(7);`);
  execFileSync('npm', ['install', '--package-lock-only', '--offline', '--no-audit'], {
    cwd: root,
    env: ENV,
    stdio: 'ignore',
  });
}

const writeCommand = (code: string) => writeFileSync(join(root, 'bin/start.ts'), code);

async function lectern(...args: string[]): Promise<{ status: number; out: string; said: string }> {
  try {
    const { stdout, stderr } = await run(process.execPath, [join(root, 'bin/lectern.mjs'), ...args], {
      timeout: MAX_MS,
      env: ENV,
    });
    return { status: 0, out: stdout, said: stderr };
  } catch (error) {
    const { code, stdout, stderr } = error as { code: number; stdout: string; stderr: string };
    return { status: code, out: stdout, said: stderr };
  }
}

beforeEach(makeProject);

test('the first start installs the packages, then runs the command and ends as it ended', async () => {
  const { status, out, said } = await lectern('start', '--one', 'two');
  assert.equal(status, 7);
  assert.equal(out, 'started with --one two\n');
  assert.match(
    said,
    /^Installing packages: usually less than a minute, once\nInstalling packages: done in \d+ s\n$/,
  );
});

test('the second start installs nothing', async () => {
  await lectern('start');
  const installed = statSync(join(root, 'node_modules/.package-lock.json')).mtimeMs;
  const { said } = await lectern('start');
  assert.equal(said, '');
  assert.equal(statSync(join(root, 'node_modules/.package-lock.json')).mtimeMs, installed);
});

test('after a pull that changed the packages, the next start brings them', async () => {
  await lectern('start');
  const lock = join(root, 'package-lock.json');
  for (const file of [lock, join(root, 'packages/node/package.json')]) {
    writeFileSync(file, readFileSync(file, 'utf8').replaceAll('"1.0.0"', '"1.0.1"'));
  }
  assert.match((await lectern('start')).said, /Installing packages: done/);
  assert.equal((await lectern('start')).said, '');
});

test('an installation that was broken off is not taken for done', async () => {
  await lectern('start');
  rmSync(join(root, 'node_modules/.package-lock.json'));
  assert.match((await lectern('start')).said, /Installing packages: done/);
});

test('a package for another system that npm left out is not missed', async () => {
  await lectern('start');
  const file = join(root, 'package-lock.json');
  const lock = JSON.parse(readFileSync(file, 'utf8')) as { packages: Record<string, unknown> };
  lock.packages['node_modules/for-another-system'] = { version: '1.0.0', optional: true, os: ['aix'] };
  writeFileSync(file, JSON.stringify(lock));
  assert.equal((await lectern('start')).said, '');
});

test('without a network a person reads what to do', async () => {
  const file = join(root, 'package-lock.json');
  const lock = JSON.parse(readFileSync(file, 'utf8')) as {
    packages: Record<string, { dependencies?: object }>;
  };
  lock.packages['node_modules/far-away'] = { version: '1.0.0', integrity: 'sha512-AAAA' } as object;
  lock.packages[''] = {
    ...lock.packages[''],
    dependencies: { node: 'file:packages/node', 'far-away': '1.0.0' },
  };
  writeFileSync(file, JSON.stringify(lock));
  const pkg = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
    dependencies: Record<string, string>;
  };
  pkg.dependencies['far-away'] = '1.0.0';
  writeFileSync(join(root, 'package.json'), JSON.stringify(pkg));
  writeFileSync(join(root, '.npmrc'), 'registry=http://127.0.0.1:9/\nfetch-retries=0\n');
  const { status, said } = await lectern('start');
  assert.equal(status, 1);
  assert.match(said, /The packages could not be fetched: connect to the internet .*, then try again\.\n$/);
});

test('two first starts at once install one after the other, and both run', async () => {
  const [one, two] = await Promise.all([lectern('start'), lectern('start')]);
  assert.deepEqual([one.status, two.status], [7, 7]);
  const installed = [one, two].filter(({ said }) => said.includes('done in'));
  assert.equal(installed.length, 1);
});

test('a command that is not there is answered with those that are', async () => {
  const { status, said } = await lectern('fly');
  assert.equal(status, 1);
  assert.match(said, /^Use one of: lectern start, /);
});

test('Ctrl-C ends the command in its own way, and this process only after it', async () => {
  writeCommand(`
    process.on('SIGINT', () => setTimeout(() => { console.log('closed'); process.exit(0); }, 300));
    setInterval(() => {}, 1000);
    console.log('running');`);
  const child = spawn(process.execPath, [join(root, 'bin/lectern.mjs'), 'start'], {
    env: ENV,
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  let out = '';
  child.stdout.on('data', (text: Buffer) => (out += text.toString()));
  await eventually('it runs', () => out.includes('running'), MAX_MS);
  child.kill('SIGINT');
  const [status] = (await once(child, 'close')) as [number];
  assert.equal(status, 0);
  assert.equal(out, 'running\nclosed\n');
});

test('a command learns that the one who started it is gone', async () => {
  writeCommand(`
    process.on('disconnect', () => process.exit(0));
    setInterval(() => {}, 1000);
    console.log(process.pid);`);
  const child = spawn(process.execPath, [join(root, 'bin/lectern.mjs'), 'start'], {
    env: ENV,
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  let out = '';
  child.stdout.on('data', (text: Buffer) => (out += text.toString()));
  const pid = await eventually('it runs', () => Number(out.trim()) || undefined, MAX_MS);
  child.kill('SIGKILL');
  await eventually('it ended', () => {
    try {
      process.kill(pid, 0);
      return false;
    } catch {
      return true;
    }
  });
});
