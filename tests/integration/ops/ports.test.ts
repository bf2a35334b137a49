// Ports that are taken, and ports that nobody named.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { createServer, type AddressInfo } from 'node:net';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { VERSION } from '#server/version.ts';
import { readVariables } from '#server/settings.ts';
import { findPortProblems, settlePorts } from '../../../bin/ports.ts';

const START = join(import.meta.dirname, '../../../bin/start.ts');
const ANY = Object.fromEntries(
  ['', 'GATEWAY_', 'SCHOOL_', 'SFU_', 'RTMP_', 'INGEST_', 'RTC_'].map((name) => [`LECTERN_${name}PORT`, '0']),
);
const dir = mkdtempSync(join(tmpdir(), 'lectern-ports-'));
after(() => rmSync(dir, { recursive: true, force: true }));

async function taken() {
  const server = createServer().listen(0, '0.0.0.0');
  await once(server, 'listening');
  return { port: (server.address() as AddressInfo).port, server };
}

test('a port that is taken is named in one line, with the setting that moves it', async () => {
  const { port, server } = await taken();
  const udp = createSocket('udp4');
  udp.bind(0, '0.0.0.0');
  await once(udp, 'listening');
  try {
    const variables = readVariables({
      ...ANY,
      LECTERN_RTMP_PORT: String(port),
      LECTERN_INGEST_PORT: String(udp.address().port),
    });
    const messages = (await findPortProblems(variables, 1)).map(({ message }) => message);
    assert.deepEqual(messages, [
      `TCP port ${port} (RTMP) is in use: stop what uses it (another Lectern?), or set LECTERN_RTMP_PORT to a free port.`,
      `UDP port ${udp.address().port} (RTP from the sfu) is in use: stop what uses it (another Lectern?), or set LECTERN_INGEST_PORT to a free port.`,
    ]);
  } finally {
    server.close();
    udp.close();
  }
});

test('each worker’s WebRTC port is tried, over TCP as well as UDP', async () => {
  const { port, server } = await taken();
  try {
    const variables = readVariables({ ...ANY, LECTERN_RTC_PORT: String(port - 1) });
    const problems = await findPortProblems(variables, 2);
    assert.ok(problems.some((problem) => problem.port === port && problem.variable === 'LECTERN_RTC_PORT'));
  } finally {
    server.close();
  }
});

test('start says its version, then so, and does nothing else', async () => {
  const { port, server } = await taken();
  const child = spawn(process.execPath, [START], {
    env: { ...process.env, ...ANY, LECTERN_PORT: String(port), LECTERN_DATA: join(dir, 'data') },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let said = '';
  child.stderr.on('data', (text: Buffer) => (said += text.toString()));
  child.stdout.on('data', (text: Buffer) => (said += text.toString()));
  const [status] = (await once(child, 'close')) as [number];
  server.close();
  assert.equal(status, 1);
  assert.equal(
    said,
    `Lectern ${VERSION}\nTCP port ${port} (the page and everything behind it) is in use: stop what uses it (another Lectern?), or set LECTERN_PORT to a free port.\n`,
  );
});

test('a setting that makes no sense is named before anything starts', async () => {
  const child = spawn(process.execPath, [START], {
    env: { ...process.env, LECTERN_PORT: 'eighty' },
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let said = '';
  child.stderr.on('data', (text: Buffer) => (said += text.toString()));
  const [status] = (await once(child, 'close')) as [number];
  assert.equal(status, 1);
  assert.match(said, /^Wrong settings:\n {2}LECTERN_PORT: /);
});

test('ports that nobody named are free, differ, and are the same for all services', async () => {
  const variables = await settlePorts(readVariables(ANY), 2, ANY);
  const ports = Object.entries(variables)
    .filter(([name]) => name.endsWith('_PORT'))
    .flatMap(([name, port]) =>
      name === 'LECTERN_RTC_PORT' ? [Number(port), Number(port) + 1] : [Number(port)],
    );
  assert.equal(new Set(ports).size, 8);
  assert.equal((await findPortProblems(variables, 2)).length, 0);
  assert.equal(variables.LECTERN_GATEWAY_URL, `http://127.0.0.1:${variables.LECTERN_GATEWAY_PORT}`);
  assert.equal(variables.LECTERN_SCHOOL_URL, `http://127.0.0.1:${variables.LECTERN_SCHOOL_PORT}`);
});

test('an address that an operator set stays as it is', async () => {
  const given = { ...ANY, LECTERN_GATEWAY_URL: 'http://10.0.0.5:8081' };
  const variables = await settlePorts(readVariables(given), 1, given);
  assert.equal(variables.LECTERN_GATEWAY_URL, 'http://10.0.0.5:8081');
});
