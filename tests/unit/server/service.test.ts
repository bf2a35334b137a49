// The frame of a service's process: every way out ends it, in order where there is time.
import assert from 'node:assert/strict';
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { describe, it } from 'node:test';

const SERVER = join(import.meta.dirname, '../../../server');

/** Runs a service whose start is `body`; `closed` is printed when it was closed. */
function run(body: string, stdio: 'pipe' | 'ipc' = 'pipe') {
  const script = `
    const { runService } = await import(${JSON.stringify(join(SERVER, 'service.ts'))});
    const { createLog } = await import(${JSON.stringify(join(SERVER, 'log.ts'))});
    const keepAlive = setInterval(() => {}, 1_000);
    const close = async () => { process.stdout.write('closed\\n'); clearInterval(keepAlive); };
    await runService(createLog('info', 'test'), async () => { ${body} });
    process.stdout.write('running\\n');`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', script], {
    stdio: ['ignore', 'pipe', 'inherit', ...(stdio === 'ipc' ? (['ipc'] as const) : [])],
  });
  let output = '';
  child.stdout?.on('data', (chunk: Buffer) => (output += chunk.toString()));
  return { child, output: () => output, ended: once(child, 'exit') };
}

async function seen(child: ChildProcess, output: () => string, text: string): Promise<void> {
  while (!output().includes(text)) await once(child.stdout!, 'data');
}

describe('a service’s process', () => {
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    it(`closes what it owns on ${signal}, however often it is sent`, async () => {
      const { child, output, ended } = run('return { close };');
      await seen(child, output, 'running');
      child.kill(signal);
      child.kill(signal);
      assert.deepEqual(await ended, [0, null]);
      assert.equal(output().match(/closed/g)?.length, 1);
    });
  }

  it('ends with its supervisor, though that was killed', async () => {
    const { child, output, ended } = run('return { close };', 'ipc');
    await seen(child, output, 'running');
    child.disconnect();
    assert.deepEqual(await ended, [0, null]);
    assert.match(output(), /closed/);
  });

  it('says in one line why it could not start', async () => {
    const { output, ended } = run(`throw new Error('Port 1 is taken.');`);
    assert.deepEqual(await ended, [1, null]);
    const lines = output().trim().split('\n');
    assert.equal(lines.length, 1);
    assert.ok(lines[0]?.includes('Port 1 is taken.'));
  });

  for (const [what, stray] of [
    ['exception', `throw new Error('stray')`],
    ['rejection', `void Promise.reject(new Error('stray'))`],
  ]) {
    it(`does not limp on after a stray ${what}`, async () => {
      const { output, ended } = run(`setTimeout(() => { ${stray} }, 50); return { close };`);
      assert.deepEqual(await ended, [1, null]);
      assert.match(output(), /"level":"fatal".*stray/);
    });
  }
});
