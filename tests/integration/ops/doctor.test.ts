// The doctor on machines that lack something.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';

const DOCTOR = join(import.meta.dirname, '../../../bin/doctor.ts');
const dir = mkdtempSync(join(tmpdir(), 'lectern-doctor-'));
after(() => rmSync(dir, { recursive: true, force: true }));

/** Free ports and an empty data folder, unless `env` says otherwise. */
async function doctor(env: Record<string, string>): Promise<{ status: number; said: string }> {
  const ports = ['', 'GATEWAY_', 'SCHOOL_', 'SFU_', 'RTMP_', 'INGEST_', 'RTC_'];
  const child = spawn(process.execPath, [DOCTOR], {
    env: {
      ...process.env,
      ...Object.fromEntries(ports.map((name) => [`LECTERN_${name}PORT`, '0'])),
      LECTERN_DATA: join(dir, 'data'),
      ...env,
    },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let said = '';
  child.stdout.on('data', (text: Buffer) => (said += text.toString()));
  const [status] = (await once(child, 'close')) as [number];
  return { status, said };
}

test('on a machine that has everything it says so', async () => {
  const { status, said } = await doctor({});
  assert.equal(status, 0, said);
  assert.match(said, /^✓ Node is v\d+/);
  assert.match(said, /^✓ UDP works on this machine\.$/m);
  assert.match(said, /Lectern can start here\.\n$/);
});

test('a port in use, secrets that others can read and a folder that is none are each told with what to do', async () => {
  const server = createServer().listen(0, '0.0.0.0');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const open = join(dir, 'open');
  mkdirSync(open);
  writeFileSync(join(open, 'secrets.json'), '{}', { mode: 0o644 });
  const first = await doctor({ LECTERN_RTMP_PORT: String(port), LECTERN_DATA: open });
  server.close();
  assert.equal(first.status, 1);
  assert.match(first.said, new RegExp(`^✗ TCP port ${port} \\(RTMP\\) is in use: .* LECTERN_RTMP_PORT`, 'm'));
  assert.match(first.said, /^✗ Others can read .*secrets\.json: run "chmod 600 /m);
  assert.match(first.said, /^2 of these keep Lectern from starting/m);

  const file = join(dir, 'a-file');
  writeFileSync(file, '');
  const second = await doctor({ LECTERN_DATA: join(file, 'data') });
  assert.equal(second.status, 1);
  assert.match(second.said, /^✗ The data folder cannot be written .*LECTERN_DATA/m);
});

test('a worker and a setting that are no good are named', async () => {
  const { status, said } = await doctor({ MEDIASOUP_WORKER_BIN: '/bin/true', LECTERN_LOG: 'loud' });
  assert.equal(status, 1);
  assert.match(said, /^✗ MEDIASOUP_WORKER_BIN names \/bin\/true, which is no worker/m);
  assert.match(said, /^✗ Wrong settings:/m);
});
