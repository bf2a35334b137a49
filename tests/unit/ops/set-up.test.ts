import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { after, test } from 'node:test';
import { cacheDir } from '../../../bin/setup/cache.ts';
import { withLock } from '../../../bin/setup/lock.ts';
import { duration } from '../../../bin/setup/progress.ts';
import { run } from '../../../bin/setup/run.ts';
import { findWorker, isGoodWorker, workerPath } from '../../../bin/setup/worker-cache.ts';
import { buildProgress, readSteps } from '../../../bin/setup/worker.ts';

const dir = mkdtempSync(join(tmpdir(), 'lectern-setup-'));
after(() => rmSync(dir, { recursive: true, force: true }));

test('the worker is kept where an operator says, or where the system keeps caches', () => {
  assert.equal(cacheDir({ LECTERN_CACHE: '/srv/cache' }), '/srv/cache');
  assert.equal(cacheDir({ XDG_CACHE_HOME: '/x' }, 'linux'), '/x/lectern');
  assert.match(cacheDir({ XDG_CACHE_HOME: '' }, 'linux'), /\/\.cache\/lectern$/);
  assert.match(cacheDir({}, 'darwin'), /\/Library\/Caches\/lectern$/);
});

test('a build says how far it is, at first by what is usual here, then by what its steps took', () => {
  const usualMs = 300_000;
  const at = (line: string, elapsedMs: number) => buildProgress(readSteps(line), elapsedMs, usualMs);
  assert.equal(at('The Meson build system', 0), '0 %, usually about 5 min on this machine');
  assert.equal(at('[13/260] Compiling C++ object', 10_000), '5 %, usually about 5 min on this machine');
  assert.equal(at('[130/260] Compiling C++ object', 100_000), '50 %, about 1 min 40 s left');
  assert.equal(at('[260/260] Linking', 200_000), 'almost there');
  assert.equal(buildProgress(undefined, 0, 18_750), '0 %, usually about 1 min on this machine');
});

test('a build that is stuck does not pretend to come to its end', () => {
  const stuck = (done: number) => (elapsedMs: number) =>
    buildProgress({ done, total: 260 }, elapsedMs, 300_000);
  const early = stuck(13);
  assert.equal(early(290_000), early(10_000), 'what is usual does not shrink');
  assert.equal(early(600_000), '5 %, usually about 5 min on this machine, but 10 min so far');
  const late = stuck(234);
  assert.equal(late(270_000), '90 %, about 30 s left');
  assert.equal(late(540_000), '90 %, about 1 min left', 'the rest grows with the wait');
});

test('times are told as people tell them', () => {
  assert.equal(duration(400), '1 s');
  assert.equal(duration(45_200), '45 s');
  assert.equal(duration(120_000), '2 min');
  assert.equal(duration(250_000), '4 min 10 s');
});

test('a file that is no worker is not taken for one', async () => {
  assert.equal(await isGoodWorker(join(dir, 'nothing')), false);
  const broken = join(dir, 'half-a-download');
  writeFileSync(broken, 'not a program', { mode: 0o755 });
  assert.equal(await isGoodWorker(broken), false);
  const other = join(dir, 'another-program');
  writeFileSync(other, '#!/bin/sh\nexit 0\n', { mode: 0o755 });
  assert.equal(await isGoodWorker(other), false);
  const worker = join(dir, 'worker');
  writeFileSync(worker, '#!/bin/sh\nexit 41\n', { mode: 0o755 });
  assert.equal(await isGoodWorker(worker), true);
});

test('a worker that runs is used, also after OpenSSL was patched; the one of this recipe comes first', async () => {
  const cache = join(dir, 'cache');
  const env = { LECTERN_CACHE: cache };
  const put = (folder: string, status: number) => {
    const path = join(cache, 'mediasoup-worker', folder, 'mediasoup-worker');
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, `#!/bin/sh\nexit ${status}\n`, { mode: 0o755 });
    return path;
  };
  assert.equal(await findWorker(env), undefined);
  const exact = basename(dirname(await workerPath(cache)));
  const [, machine = '', recipe = ''] = /^(.*)-(\w{12})-libssl[^-]*$/.exec(exact) ?? [];
  assert.doesNotMatch(exact, /\d\.\d+\.\d+[^-]*$/, 'no patch version of OpenSSL is in the name');

  put(machine.replace(/^[\d.]+/, '0.0.1') + `-${recipe}-libssl.so.3`, 41);
  assert.equal(await findWorker(env), undefined, 'another mediasoup speaks another protocol');
  put(`${machine}-000000000000`, 127);
  assert.equal(await findWorker(env), undefined, 'one that does not run is none');
  const older = put(`${machine}-111111111111`, 41);
  assert.deepEqual(await findWorker(env), { path: older, current: false });
  const patched = put(`${machine}-${recipe}-libssl.so.0`, 41);
  assert.deepEqual(await findWorker(env), { path: patched, current: true });
  const own = put(exact, 41);
  assert.deepEqual(await findWorker(env), { path: own, current: true });
});

test('a command that hangs is ended after its limit, with all that it started', async () => {
  const { status } = await run('sh', ['-c', 'sleep 60 & sleep 60'], { limitMs: 200 });
  assert.equal(status, null);
});

test('two set-ups take turns', async () => {
  const path = join(dir, 'lock');
  const story: string[] = [];
  const first = withLock(path, async () => {
    story.push('first begins');
    await new Promise((resolve) => setTimeout(resolve, 100));
    story.push('first ends');
  });
  const second = withLock(path, async () => story.push('second'), {
    onWait: () => story.push('second waits'),
  });
  await Promise.all([first, second]);
  assert.deepEqual(story, ['first begins', 'second waits', 'first ends', 'second']);
});

test('a set-up that is killed leaves no lock behind', { timeout: 20_000 }, async () => {
  const path = join(dir, 'killed');
  const lockModule = join(import.meta.dirname, '../../../bin/setup/lock.ts');
  const holder = spawn(
    process.execPath,
    [
      '--input-type=module',
      '-e',
      `import { withLock } from ${JSON.stringify(lockModule)};
       await withLock(${JSON.stringify(path)}, async () => { console.log('held'); await new Promise((r) => setTimeout(r, 60_000)); });`,
    ],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  );
  await once(holder.stdout, 'data');
  let waited = false;
  const taken = withLock(path, async () => 'taken', {
    onWait() {
      waited = true;
      holder.kill('SIGKILL');
    },
  });
  assert.equal(await taken, 'taken');
  assert.equal(waited, true);
});
