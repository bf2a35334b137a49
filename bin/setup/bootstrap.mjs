// The part of set-up that runs before any package is there: `npm ci`, then the command itself on the
// Node that the package `node` brings. Plain JavaScript for Node 20.
import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { constants } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

const ROOT = join(import.meta.dirname ?? new URL('.', import.meta.url).pathname, '../..');
const NODE = join(ROOT, 'node_modules/node/bin/node');
const LOCK = join(ROOT, '.cache/packages.lock');
const POLL_MS = 250;
const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'];
const PARENT_POLL_MS = 1_000;

/** Brings the packages, runs bin/<command>.ts with `args`, and ends this process as that ended. */
export async function bootstrap(command, args) {
  try {
    await ensurePackages();
  } catch (error) {
    console.error(error.code === undefined ? error.message : advice(error.message));
    process.exit(1);
  }
  // Over the channel the command notices when this process is gone (bin/signals.ts).
  const stdio = ['inherit', 'inherit', 'inherit', 'ipc'];
  const child = spawn(NODE, [join(ROOT, 'bin', `${command}.ts`), ...args], { stdio });
  end(await outcome(child));
}

/** Runs `npm ci` unless what is installed is what package-lock.json says. */
async function ensurePackages() {
  if (areInstalled()) return;
  const unlock = await lock();
  try {
    // Another start may have brought them while this one waited.
    if (!areInstalled()) await install();
  } finally {
    unlock();
  }
}

/**
 * Compares package-lock.json with the list that npm leaves in node_modules when, and only when, it
 * came to its end. Packages for other systems are in the first list alone.
 */
function areInstalled() {
  if (!existsSync(NODE)) return false;
  const wanted = packagesIn('package-lock.json');
  const have = packagesIn('node_modules/.package-lock.json');
  if (wanted === undefined || have === undefined) return false;
  return Object.entries(wanted).every(([path, { version, optional }]) => {
    if (path === '') return true;
    return have[path] === undefined ? optional === true : have[path].version === version;
  });
}

function packagesIn(file) {
  try {
    return JSON.parse(readFileSync(join(ROOT, file), 'utf8')).packages;
  } catch {
    return undefined;
  }
}

async function install() {
  const startedMs = Date.now();
  const tell = (text) => process.stderr.write(`Installing packages: ${text}\n`);
  tell('usually less than a minute, once');
  // npm from 11 on reads in package.json which packages may run install scripts. These two settings make
  // older ones pass over the same downloads: bin/setup brings both binaries.
  const env = { ...process.env, MEDIASOUP_WORKER_BIN: process.execPath, FFMPEG_BIN: process.execPath };
  const [file, ...first] = npmCommand();
  const child = spawn(file, [...first, 'ci', '--ignore-scripts=false', '--loglevel=error'], {
    cwd: ROOT,
    env,
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let output = '';
  child.stderr.on('data', (text) => (output += text));
  const result = await outcome(child);
  if (result.signal !== null) end(result);
  if (result.code === 0 && areInstalled()) {
    tell(`done in ${Math.round((Date.now() - startedMs) / 1_000)} s`);
    return;
  }
  process.stderr.write(output);
  throw new Error(advice(output));
}

/** The npm that runs this, else the one on the PATH. */
function npmCommand() {
  const running = process.env.npm_execpath;
  return running !== undefined && running.endsWith('.js') ? [process.execPath, running] : ['npm'];
}

function advice(output) {
  if (/ENOTFOUND|EAI_AGAIN|ETIMEDOUT|ECONNREFUSED|ECONNRESET|ENETUNREACH|ENOTCACHED/.test(output)) {
    return "The packages could not be fetched: connect to the internet (or set npm's registry), then try again.";
  }
  if (/EACCES|EPERM|EROFS/.test(output))
    return 'Packages cannot be written here: give this folder to yourself, then try again.';
  if (/ENOSPC/.test(output)) return 'The disk is full: free some space, then try again.';
  if (/ENOENT/.test(output)) return 'There is no npm on the PATH: install it alongside Node, then try again.';
  return 'The packages could not be installed: the lines above say why; then try again.';
}

/** One installation at a time. A lock whose process is gone does not count. */
async function lock() {
  mkdirSync(join(ROOT, '.cache'), { recursive: true });
  for (let told = false; ; told = true) {
    try {
      writeFileSync(LOCK, String(process.pid), { flag: 'wx' });
      return () => rmSync(LOCK, { force: true });
    } catch (error) {
      if (error.code !== 'EEXIST') throw error;
    }
    if (!holderLives()) rmSync(LOCK, { force: true });
    else if (!told) process.stderr.write('Another start is installing the packages; waiting for it …\n');
    await sleep(POLL_MS);
  }
}

function holderLives() {
  try {
    process.kill(Number(readFileSync(LOCK, 'utf8')), 0);
    return true;
  } catch (error) {
    return error.code === 'EPERM';
  }
}

/**
 * Waits for `child`. Signals to this process go on to it, and this process outlives it: a person who
 * presses Ctrl-C gets the prompt back when everything has ended.
 */
async function outcome(child) {
  const pass = (signal) => child.kill(signal);
  for (const signal of SIGNALS) process.on(signal, pass);
  const watch = watchNpm(() => child.kill('SIGTERM'));
  const result = await new Promise((resolve) => {
    child.once('error', (error) => {
      console.error(error.message);
      resolve({ code: 1, signal: null });
    });
    child.once('close', (code, signal) => resolve({ code, signal }));
  });
  for (const signal of SIGNALS) process.off(signal, pass);
  clearInterval(watch);
  return result;
}

/**
 * npm passes signals on, but says nothing when it is killed. Started without it, as with nohup, this
 * process may well outlive its parent.
 */
function watchNpm(gone) {
  if (process.env.npm_lifecycle_event === undefined) return undefined;
  const parent = process.ppid;
  return setInterval(() => process.ppid === parent || gone(), PARENT_POLL_MS);
}

/** Ends this process as a child ended, a signal by the shells' convention (128 + its number). */
function end({ code, signal }) {
  process.exit(signal === null ? code : 128 + constants.signals[signal]);
}
