// All of it together: the real services behind the real door.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { spawn } from 'node:child_process';
import { statSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { after, before, test } from 'node:test';
import { eventually, startLectern, type Lectern } from '../../support/lectern.ts';

let lectern: Lectern;
before(async () => {
  lectern = await startLectern();
});
after(() => lectern.stop());

test('one command gives a page, an API, signalling and playback on one origin', async () => {
  const page = await fetch(lectern.url);
  assert.match(await page.text(), /<title>Lectern<\/title>/);
  assert.ok((await lectern.startClass('Photosynthesis')).links.teacher.startsWith(lectern.url));
  const signalling = await fetch(`${lectern.url}/socket.io/?EIO=4&transport=polling`);
  assert.match(await signalling.text(), /"sid"/);
  const playback = await fetch(`${lectern.url}/live/nothing.flv`);
  assert.match(await playback.text(), /^\{"error":\{"code":"/);
});

test('the owner link of the first line signs the owner in', async () => {
  const { hash, pathname } = new URL(lectern.ownerLink);
  assert.equal(pathname, '/owner');
  const key = new URLSearchParams(hash.slice(1)).get('key');
  const answer = await fetch(`${lectern.url}/api/v1/session`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ key }),
  });
  assert.ok(answer.ok);
  assert.match(String(answer.headers.get('set-cookie')), /HttpOnly/i);
});

test('secrets are made once, for the owner of the folder alone', () => {
  assert.equal(statSync(join(lectern.dataDir, 'secrets.json')).mode & 0o777, 0o600);
});

test('metrics of all services come in one answer', async () => {
  const text = await (await fetch(`${lectern.url}/metrics`)).text();
  for (const service of ['door', 'school', 'gateway', 'sfu']) {
    assert.match(text, new RegExp(`process_start_time_seconds\\{[^}]*service="${service}"`), service);
  }
  const types = text.split('\n').filter((line) => line.startsWith('# TYPE '));
  assert.equal(new Set(types).size, types.length, 'a metric is declared twice');
});

test('every counter is there from the start, at 0 where nothing happened yet', async () => {
  const text = await (await fetch(`${lectern.url}/metrics`)).text();
  const counters = [...text.matchAll(/^# TYPE (\S+) (?:counter|histogram)$/gm)].map(([, name = '']) => name);
  assert.ok(counters.includes('lectern_egress_refused_total'));
  const missing = counters
    // A channel has figures while it is on air; requests have as many series as there are routes.
    .filter((name) => !/^lectern_(channel|http)_|^nodejs_gc_/.test(name))
    .filter((name) => !new RegExp(`^${name}(_count)?(\\{.*\\})? `, 'm').test(text));
  assert.deepEqual(missing, []);
  assert.match(text, /^lectern_egress_slow_readers_total\{protocol="rtmp",outcome="closed",.*\} 0$/m);
  assert.match(text, /^lectern_publications_refused_total\{code="publish-key-invalid",.*\} 0$/m);
  assert.match(text, /^lectern_school_events_total\{outcome="repeated",.*\} 0$/m);
});

for (const service of ['school', 'gateway', 'sfu'] as const) {
  test(`when ${service} is killed, the door says so until it is back`, async () => {
    await lectern.kill(service);
    await eventually('all are ready again', async () => (await fetch(`${lectern.url}/readyz`)).ok);
    await lectern.api('GET', '/lessons');
  });
}

test('without a person to read its log it ends, and so does everything it started', async () => {
  const child = spawn(process.execPath, [join(import.meta.dirname, '../../../bin/start.ts')], {
    env: {
      ...process.env,
      ...Object.fromEntries(
        ['', 'GATEWAY_', 'SCHOOL_', 'SFU_', 'RTMP_', 'INGEST_', 'RTC_'].map((name) => [
          `LECTERN_${name}PORT`,
          '0',
        ]),
      ),
      LECTERN_DATA: join(lectern.dataDir, 'second'),
      LECTERN_LOG_FORMAT: 'json',
    },
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  const pids: number[] = [];
  createInterface({ input: child.stdout }).on('line', (text) => {
    const line = JSON.parse(text) as { msg: string; pid?: number };
    if (line.msg === 'service started') pids.push(Number(line.pid));
  });
  await eventually('three services', () => pids.length === 3, 60_000);
  const ended = once(child, 'close');
  child.stdout.destroy();
  // The next line of any service finds nobody.
  await ended;
  await eventually('they are gone', () =>
    pids.every((pid) => {
      try {
        process.kill(pid, 0);
        return false;
      } catch {
        return true;
      }
    }),
  );
});
