// The doctor on machines that lack something.
import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, mkdirSync, mkdtempSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { readSettings } from '#server/settings.ts';
import { certificate } from '../../../bin/doctor/certificate.ts';
import { lineOf } from '../../../bin/doctor/finding.ts';
import { startLectern } from '../../support/lectern.ts';

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
  assert.match(said, /^✓ This is Lectern \d+\.\d+\.\d+ on Node v\d+/);
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
  assert.match(first.said, /^2 of these keep Lectern from working/m);

  const file = join(dir, 'a-file');
  writeFileSync(file, '');
  const second = await doctor({ LECTERN_DATA: join(file, 'data') });
  assert.equal(second.status, 1);
  assert.match(second.said, /^✗ The data folder cannot be written .*LECTERN_DATA/m);
});

test('next to a healthy Lectern it says so, and when a service of it is down', async (t) => {
  const lectern = await startLectern();
  t.after(() => lectern.stop());
  const here = {
    LECTERN_PORT: new URL(lectern.url).port,
    LECTERN_HOST: '127.0.0.1',
    LECTERN_DATA: lectern.dataDir,
  };
  const well = await doctor(here);
  assert.equal(well.status, 0, well.said);
  assert.match(well.said, /^✓ Lectern \d+\.\d+\.\d+ runs on port \d+, and all its services are ready\.$/m);
  assert.match(well.said, /Lectern runs here, and all is well\.\n$/);
  assert.doesNotMatch(well.said, /in use|✗/);
  // Stopped, not ended: the supervisor does not start it again at once.
  process.kill(lectern.pid('sfu'), 'SIGSTOP');
  const ill = await doctor(here);
  process.kill(lectern.pid('sfu'), 'SIGCONT');
  assert.equal(ill.status, 1);
  assert.match(ill.said, /^✗ Lectern .* runs on port \d+, but sfu cannot serve: its log says why\.$/m);
});

test('a certificate is looked at: its key, its name, its end', () => {
  const make = (name: string, subject: string) => {
    const [cert, key] = [join(dir, `${name}.pem`), join(dir, `${name}-key.pem`)];
    const files = ['-nodes', '-newkey', 'rsa:2048', '-keyout', key, '-out', cert, '-days', '30'];
    const names = ['-subj', `/CN=${subject}`, '-addext', `subjectAltName=DNS:${subject}`];
    execFileSync('openssl', ['req', '-x509', ...files, ...names], { stdio: 'ignore' });
    return { cert, key };
  };
  const ours = make('ours', 'class.example.org');
  const other = make('other', 'other.example.org');
  const of = (cert: string, key: string, inDays = 0) =>
    certificate(
      readSettings({
        LECTERN_PUBLIC_URL: 'https://class.example.org',
        LECTERN_TLS_CERT: cert,
        LECTERN_TLS_KEY: key,
      }),
      Date.now() + inDays * 86_400_000,
    )
      .map(lineOf)
      .join('\n');
  assert.match(of(ours.cert, ours.key), /^✓ The certificate is good until \d{4}-\d\d-\d\d\.$/);
  assert.match(of(ours.cert, other.key), /^✗ .*other-key\.pem is not the key of .*ours\.pem/m);
  assert.match(of(other.cert, other.key), /^✗ The certificate is not for class\.example\.org \(DNS:other/m);
  assert.match(of(ours.cert, ours.key, 20), /^! The certificate is good until .* only/m);
  assert.match(of(ours.cert, ours.key, 31), /^✗ The certificate was good until .*: renew it/m);
  assert.match(of(ours.cert, ours.key, -1), /^✗ .*is the clock right\?$/m);
  assert.match(of(ours.key, ours.key), /^✗ .* is no certificate/);
  chmodSync(ours.key, 0o644);
  assert.match(of(ours.cert, ours.key), /^✗ Everyone can read the key: run "chmod o= /m);
  assert.deepEqual(certificate(readSettings({})), []);
});

test('an address without a name, files that others can read and data of tomorrow are told', async () => {
  const data = join(dir, 'careless');
  mkdirSync(data);
  chmodSync(data, 0o755);
  writeFileSync(join(data, 'chat.db'), '');
  chmodSync(join(data, 'chat.db'), 0o644);
  const tomorrow = new Date(Date.now() + 86_400_000);
  utimesSync(join(data, 'chat.db'), tomorrow, tomorrow);
  const { status, said } = await doctor({
    LECTERN_DATA: data,
    LECTERN_PUBLIC_URL: 'https://class.invalid',
  });
  assert.equal(status, 1);
  assert.match(said, /^✗ class\.invalid has no address: make a DNS record/m);
  assert.match(said, /^! Other users can read 1 files of .*chat\.db/m);
  assert.match(said, /^✗ The clock is wrong: /m);
});

test('a worker and a setting that are no good are named', async () => {
  const { status, said } = await doctor({ MEDIASOUP_WORKER_BIN: '/bin/true', LECTERN_LOG: 'loud' });
  assert.equal(status, 1);
  assert.match(said, /^✗ MEDIASOUP_WORKER_BIN names \/bin\/true, which is no worker/m);
  assert.match(said, /^✗ Wrong settings:/m);
});
