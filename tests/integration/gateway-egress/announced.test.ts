// What a playlist names is on disk before anybody reads of it: a crash takes none of it back.
import assert from 'node:assert/strict';
import { cpSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { holdDisk } from '../../support/held-disk.ts';
import { readPlaylist } from '../../support/hls-rules.ts';
import { eventually } from '../../support/lectern.ts';
import { recoverRecording } from '../../../gateway/store/recover.ts';
import { shoot, shots, type Shot } from './film.ts';
import { info, startRig, type OnAir, type Rig } from './rig.ts';

const LIVE = `/live/${info.channel}/${info.broadcast}`;
const REPLAY = `/replay/${info.broadcast}`;

/** A class of which some seconds are on disk, and what comes next. */
async function onAir(t: TestContext): Promise<{ rig: Rig; air: OnAir; rest: Shot[] }> {
  const rig = await startRig();
  t.after(() => rig.close());
  const all = shots(await shoot(8, 1));
  const air = rig.goLive();
  air.send(all.filter(({ atUs }) => atUs < 4e6));
  const { timeline } = rig.store.recording(info.broadcast) ?? assert.fail();
  await eventually('it is on disk', () => timeline.rows.every(({ n }) => timeline.fateOf(n) === 'kept'));
  return { rig, air, rest: all.filter(({ atUs }) => atUs >= 4e6) };
}

/** What there would be after a crash now. */
async function afterCrash(t: TestContext, { dataDir }: Rig) {
  const dir = mkdtempSync(join(tmpdir(), 'lectern-crashed-'));
  t.after(() => rmSync(dir, { recursive: true }));
  cpSync(join(dataDir, info.broadcast), dir, { recursive: true });
  return recoverRecording(dir);
}

for (const [what, name] of [
  ['live', `${LIVE}/v0.m3u8`],
  ['growing replay', `${REPLAY}/v0.m3u8`],
] as const) {
  test(`a ${what} playlist waits for a busy disk, and names nothing that a crash would take back`, async (t) => {
    const { rig, air, rest } = await onAir(t);
    const disk = holdDisk();
    let text: string | undefined;
    try {
      air.send(rest);
      const answer = fetch(rig.signed(name)).then(async (response) => (text = await response.text()));
      // What needs no disk is answered meanwhile, though it was asked for later.
      for (let turn = 0; turn < 3; turn += 1)
        assert.equal((await fetch(rig.signed(`${LIVE}/init-0.mp4`))).status, 200);
      assert.equal(text, undefined, 'it is not answered before the disk has what it says');
      await disk.letGo();
      await answer;
    } finally {
      await disk.letGo();
    }
    const { segments } = readPlaylist(text ?? '');
    const { rows } = await afterCrash(t, rig);
    assert.ok(segments.length > 2);
    for (const { n, uri, parts } of segments) {
      const row = rows.find((one) => one.n === n);
      assert.ok(row !== undefined, `row ${n} was named`);
      const named = parts.reduce((sum, { durationS }) => sum + durationS, 0);
      const durationS = (row.segments.camera0?.durationUs ?? 0) / 1e6;
      assert.ok(durationS > named - 0.001, `${named} s of row ${n} were named, ${durationS} s are there`);
      assert.ok(uri === undefined || uri.startsWith(`${n}-camera0`));
    }
  });
}

test('a disk that does not answer at all keeps no playlist from those who watch', async (t) => {
  const { rig, air, rest } = await onAir(t);
  const disk = holdDisk();
  try {
    air.send(rest);
    const { nextRow } = rig.store.recording(info.broadcast)?.timeline ?? assert.fail();
    const { segments } = readPlaylist(await (await fetch(rig.signed(`${LIVE}/v0.m3u8`))).text());
    assert.equal(segments.findLast(({ uri }) => uri !== undefined)?.n, nextRow - 1);
  } finally {
    await disk.letGo();
  }
});
