// `kill -9` in the middle of a class: what was taught until half a second ago is there, and the class
// goes on with the same numbers.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { appendFile, mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { decodeErrors, probe } from '../../support/av.ts';
import { eventually } from '../../support/lectern.ts';
import { shoot, shots } from './film.ts';
import { info, startRig } from './rig.ts';

/** What may be lost: a fragment, the frame that waits for its successor, and what was still in memory. */
const LOSS_MS = 500;
const REPLAY = `/replay/${info.broadcast}`;

let dataDir: string;
let sentMs = 0;

before(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'lectern-crash-'));
  const child = spawn(process.execPath, [join(import.meta.dirname, 'crash-child.ts'), dataDir], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  child.stdout.setEncoding('utf8');
  for await (const text of child.stdout as AsyncIterable<string>) {
    sentMs = Number(text.trim().split('\n').at(-1)) / 1_000;
    if (sentMs > 7_300) break;
  }
  const gone = once(child, 'exit');
  child.kill('SIGKILL');
  await gone;
  // The last write may have been cut anywhere.
  const segments = (await readdir(join(dataDir, info.broadcast))).filter((name) => name.endsWith('.m4s'));
  const newest = Math.max(...segments.map((name) => Number.parseInt(name, 10)));
  for (const name of segments.filter((one) => one.startsWith(`${newest}-`))) {
    await appendFile(
      join(dataDir, info.broadcast, name),
      Buffer.from('000003e86d6f6f66000000106d6668', 'hex'),
    );
  }
  await appendFile(join(dataDir, info.broadcast, 'index.ndjson'), '{"type":"row","n":99,"epo');
});

after(() => rm(dataDir, { recursive: true }));

test('the recording is recovered, playable to the last half second, and the class goes on', async () => {
  const rig = await startRig(dataDir);
  try {
    const [recovered] = rig.store.list();
    assert.equal(recovered?.state, 'writing');
    assert.ok(recovered.durationMs >= sentMs - LOSS_MS, `${recovered.durationMs} ms of ${sentMs} ms`);
    assert.equal(rig.store.isOver(info.broadcast), false);
    const playlist = await fetch(rig.signed(`/live/${info.channel}/index.m3u8`));
    assert.equal(playlist.status, 200, 'viewers are served before the source is back');
    const before = await probe(rig.signed(`${REPLAY}.mp4`));
    assert.ok(before.durationS * 1_000 >= sentMs - LOSS_MS);
    assert.equal(await decodeErrors(rig.signed(`${REPLAY}.mp4`)), '');

    const rows = rig.store.recording(info.broadcast)?.timeline.rows.length ?? 0;
    const air = rig.goLive();
    assert.ok(air.ladder.resumeAtUs >= (sentMs - LOSS_MS) * 1_000);
    air.send(shots(await shoot(5), air.ladder.resumeAtUs + 1_000_000));
    const { timeline } = rig.store.recording(info.broadcast) ?? assert.fail();
    assert.equal(timeline.rows[rows]?.n, rows + 1);
    assert.equal(timeline.rows[rows]?.discontinuity, true);
    assert.deepEqual(
      timeline.rows.map((row) => row.n),
      timeline.rows.map((_, index) => index + 1),
    );
    const dvr = await (await fetch(rig.signed(`/live/${info.channel}/${info.broadcast}/v2-dvr.m3u8`))).text();
    assert.match(dvr, /#EXT-X-MEDIA-SEQUENCE:1\n/);
    air.programme.end();
    await air.ladder.end();
    const whole = await probe(rig.signed(`${REPLAY}/index.m3u8`));
    assert.ok(whole.durationS >= sentMs / 1_000 + 5 - LOSS_MS / 1_000 - 0.1, `${whole.durationS} s`);
    assert.equal(await decodeErrors(rig.signed(`${REPLAY}.mp4`)), '');
  } finally {
    await rig.close();
  }
});

test('a class that does not come back is finalized after the time it may take', async () => {
  const other = await mkdtemp(join(tmpdir(), 'lectern-crash-'));
  const first = await startRig(other);
  const air = first.goLive();
  air.send(shots(await shoot(3)));
  await first.close();
  const rig = await startRig(other, 150);
  try {
    assert.equal(rig.store.list()[0]?.state, 'writing');
    await eventually('it is final', () => rig.store.list()[0]?.state === 'ready');
    assert.equal(rig.recordings.at(-1)?.state, 'ready');
    assert.equal(rig.store.isOver(info.broadcast), true);
  } finally {
    await rig.close();
    await rm(other, { recursive: true });
  }
});
