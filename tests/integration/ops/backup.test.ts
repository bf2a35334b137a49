// A data folder is backed up while a class is on air, and plays in another Lectern.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { z } from 'zod';
import { Lesson, Recording } from '#shared/contract/rest.ts';
import { filesIn } from '../../../bin/data/copy.ts';
import { isNewer } from '../../../bin/data/manifest.ts';
import { probe } from '../../support/av.ts';
import { eventually, startLectern, type Lectern } from '../../support/lectern.ts';
import { putOnAir } from '../../support/on-air.ts';
import { startRtpSource, type RtpSource } from '../../support/rtp-source.ts';

const BIN = join(import.meta.dirname, '../../../bin');
const dir = mkdtempSync(join(tmpdir(), 'lectern-backup-'));
const backup = join(dir, 'backup');
let lectern: Lectern;
let source: RtpSource;
let lesson: Lesson;
let vanish: () => void;

/** Runs a command as an operator does, and resolves with its status and what it said. */
async function command(name: 'backup' | 'restore', folder: string, env: Record<string, string>) {
  const child = spawn(process.execPath, [join(BIN, `${name}.ts`), folder], {
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let said = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (text: Buffer) => (said += text));
  const [status] = (await once(child, 'close')) as [number];
  return { status, said };
}

const recordings = async (of: Lectern) => z.array(Recording).parse(await of.api('GET', '/recordings'));

before(async () => {
  lectern = await startLectern();
  source = await startRtpSource();
  lesson = await lectern.startClass('Kept twice');
  const air = await putOnAir(lectern, lesson, source, 'kepttwice');
  ({ vanish } = air);
  // It plays by its first part, of which nothing is on disk yet; its first row may be a still, which the MP4 has not.
  const index = join(lectern.dataDir, 'gateway', 'recordings', 'kepttwice', 'index.ndjson');
  await eventually('its camera is kept', () =>
    readFileSync(index, 'utf8')
      .split('\n')
      .some((line) => line.startsWith('{"type":"row"') && line.includes('"slots":["camera')),
  );
});
after(async () => {
  vanish?.();
  await source?.close();
  await lectern?.stop();
  rmSync(dir, { recursive: true, force: true });
});

/** Restores the backup and starts a Lectern on it; the one recording has to play, as MP4 and as HLS. */
async function playsAfterRestore(name: string): Promise<void> {
  const data = join(dir, name);
  const { status, said } = await command('restore', backup, { LECTERN_DATA: data, LECTERN_PORT: '0' });
  assert.equal(status, 0, said);
  assert.equal(statSync(join(data, 'secrets.json')).mode & 0o777, 0o600);
  assert.ok(!existsSync(join(data, 'backup.json')));
  // A class that was on air waits for its teacher before its recording is finished.
  const second = await startLectern({ LECTERN_DATA: data, LECTERN_RESUME_MS: '1000' });
  try {
    const ready = await eventually('the recording is ready', async () =>
      (await recordings(second)).find(({ state }) => state === 'ready'),
    );
    assert.equal(ready.lesson, lesson.id);
    for (const address of [ready.hls, ready.files.find(({ format }) => format === 'mp4')?.url]) {
      const { streams } = await probe(String(address));
      // One picture or three: a class whose first key frame is late is listed with room for a camera's layers.
      assert.deepEqual([...new Set(streams.map(({ codec }) => codec))].sort(), ['aac', 'h264']);
    }
    // The same secrets: the links that were handed out are good.
    const { links } = Lesson.parse(await second.api('GET', `/lessons/${lesson.id}`));
    assert.equal(new URL(links.student).pathname, new URL(lesson.links.student).pathname);
  } finally {
    await second.stop();
  }
}

test('a backup that is made on air is whole, private, and plays', async () => {
  const { status, said } = await command('backup', backup, { LECTERN_DATA: lectern.dataDir });
  assert.equal(status, 0, said);
  for (const { path, stats } of await filesIn(backup)) {
    assert.equal(stats.mode & 0o077, 0, `others may read ${path}`);
    assert.doesNotMatch(path, /-wal$|-shm$|\.part$/);
  }
  for (const folder of [backup, join(backup, 'school')]) assert.equal(statSync(folder).mode & 0o777, 0o700);
  await playsAfterRestore('from-on-air');
});

test('the next backup into the same folder brings what is new, and it plays after the class', async () => {
  const [segment] = (await filesIn(backup)).filter(({ path }) => path.endsWith('.m4s'));
  vanish();
  await lectern.api('POST', `/lessons/${lesson.id}/end`);
  await eventually('the recording is ready', async () =>
    (await recordings(lectern)).some(({ state }) => state === 'ready'),
  );
  writeFileSync(join(backup, 'gateway', 'of-a-lesson-deleted-since'), 'x');
  const { status, said } = await command('backup', backup, { LECTERN_DATA: lectern.dataDir });
  assert.equal(status, 0, said);
  assert.ok(!existsSync(join(backup, 'gateway', 'of-a-lesson-deleted-since')));
  if (segment !== undefined) assert.equal(statSync(join(backup, segment.path)).ino, segment.stats.ino);
  await playsAfterRestore('from-after-class');
});

test('nothing is overwritten, and nothing is taken for a backup that is none', async () => {
  const full = join(dir, 'full');
  mkdirSync(full);
  writeFileSync(join(full, 'a-file'), 'mine');
  const { port } = new URL(lectern.url);
  const empty = join(dir, 'empty');
  const refusals: [Awaited<ReturnType<typeof command>>, RegExp][] = [
    [
      await command('restore', backup, { LECTERN_DATA: full, LECTERN_PORT: '0' }),
      /is not empty: move it away/,
    ],
    [
      await command('restore', backup, {
        LECTERN_DATA: empty,
        LECTERN_PORT: port,
        LECTERN_HOST: '127.0.0.1',
      }),
      /Lectern runs on port \d+: stop it first/,
    ],
    [await command('restore', full, { LECTERN_DATA: empty, LECTERN_PORT: '0' }), /is no backup of Lectern/],
    [await command('backup', full, { LECTERN_DATA: lectern.dataDir }), /is no backup of Lectern/],
    [
      await command('backup', join(lectern.dataDir, 'b'), { LECTERN_DATA: lectern.dataDir }),
      /within the data folder/,
    ],
    [
      await command('backup', join(dir, 'b'), { LECTERN_DATA: join(dir, 'none') }),
      /no data folder at .*LECTERN_DATA/,
    ],
    // A folder of that name would hold every secret, in the clone.
    [await command('backup', '--help', { LECTERN_DATA: lectern.dataDir }), /Say where to: npm run backup/],
    [await command('restore', '--help', { LECTERN_DATA: empty }), /Say where from: npm run restore/],
  ];
  for (const [{ status, said }, why] of refusals) {
    assert.equal(status, 1);
    assert.match(said, why);
    assert.doesNotMatch(said, /^\s+at /m, 'one line for a person');
  }
  assert.deepEqual(readdirSync(full), ['a-file']);
  assert.ok(!existsSync(empty) || readdirSync(empty).length === 0);
  assert.ok(isNewer('1.10.0', '1.9.9') && !isNewer('1.9.9', '1.9.9') && !isNewer('0.9.0', '1.0.0'));
});
