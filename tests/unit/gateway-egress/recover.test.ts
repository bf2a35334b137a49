// What a power cut leaves of a recording's index: all before the damage is played, and it can go on.
import assert from 'node:assert/strict';
import {
  appendFileSync,
  cpSync,
  existsSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import type { RecordingInfo } from '#shared/contract/internal.ts';
import { fragment, readFragments } from '#shared/media/fmp4.ts';
import { INDEX, readIndex, RECORDING, RecordingFile } from '../../../gateway/store/format.ts';
import { recoverRecording } from '../../../gateway/store/recover.ts';
import { createLog } from '#server/log.ts';
import { RecordingStore } from '../../../gateway/store/recording-store.ts';
import { SegmentLog } from '../../../gateway/store/segment-log.ts';
import { AUDIO, type RenditionId } from '../../../gateway/hls/rendition-id.ts';
import { entriesOf, initFile, segmentFile } from '../../../gateway/store/segment-timeline.ts';
import { camera, configOf, FRAME_US, Hand, sound, type Camera } from './hand.ts';

/** Twenty seconds of class, whose picture becomes smaller in the middle, written out and cut off. */
async function cutOff(context: TestContext): Promise<Hand> {
  const source = camera(1);
  const hand = new Hand(source);
  context.after(() => hand.close());
  hand.run(10);
  source.scale.set(0, 2);
  hand.run(10);
  await hand.recording.suspend();
  return hand;
}

test('an init segment that did not reach the disk costs the rows that need it, not the recording', async (context) => {
  const { dir, rows } = await cutOff(context);
  const newest = Math.max(...rows.flatMap((row) => Object.values(row.segments).map(({ init }) => init)));
  const usable = rows.filter((row) => Object.values(row.segments).every(({ init }) => init !== newest));
  assert.ok(usable.length >= 3 && usable.length <= rows.length - 3);
  truncateSync(join(dir, initFile(newest)), 0);
  const timeline = await recoverRecording(dir);
  assert.deepEqual(timeline.rows, usable);
  assert.ok(existsSync(join(dir, `${INDEX}.damaged`)));
  assert.deepEqual((await readIndex(dir)).timeline.rows, usable, 'and so it stays');
});

test('a spoiled line costs what comes after it', async (context) => {
  const { dir, rows } = await cutOff(context);
  const lines = readFileSync(join(dir, INDEX), 'utf8').split('\n');
  const spoiled = lines.findIndex((line) => line.startsWith('{"type":"row","n":4,'));
  lines[spoiled] = '\0'.repeat(lines[spoiled]!.length);
  writeFileSync(join(dir, INDEX), lines.join('\n'));
  // Segments that were open when the line before it was written are there, and make their rows again.
  const timeline = await recoverRecording(dir);
  const numbers = timeline.rows.map(({ n }) => n);
  assert.ok(numbers.length >= 3 && numbers.length <= 5, `rows ${numbers.join(' ')}`);
  assert.deepEqual(timeline.rows.slice(0, 3), rows.slice(0, 3));
});

test('a broadcast whose recording cannot be read is recorded again, behind no rows that are not its own', async (context) => {
  const { dir: source } = await cutOff(context);
  const dir = mkdtempSync(join(tmpdir(), 'lectern-spoiled-'));
  context.after(() => rmSync(dir, { recursive: true }));
  const broadcast = 'broadcast1';
  cpSync(source, join(dir, broadcast), { recursive: true });
  truncateSync(join(dir, broadcast, RECORDING), 0);
  const store = await RecordingStore.open({
    dir,
    resumeMs: 60_000,
    log: createLog('silent', 'test'),
    onChanged: () => undefined,
  });
  const info = { broadcast, lesson: 'lesson1234', channel: 'channel123', title: 'A class' };
  const recording = store.take(info, { changed: () => undefined, troubled: assert.fail });
  const init = recording.initFor(configOf(0));
  recording.open(1, 'camera0', init, 0, 0);
  const segment = { init, startUs: 0, durationUs: 2e6, bytes: 1, frames: 1 };
  recording.commit({
    n: 1,
    epochMs: 0,
    discontinuity: false,
    segments: { camera0: segment },
    slots: ['camera0'],
  });
  await store.close();
  assert.equal((await readIndex(recording.dir)).timeline.rows.length, 1);
});

test('a recording whose file does not say yet that media came is replayed all the same', async (context) => {
  const { dir: source, rows } = await cutOff(context);
  const dir = mkdtempSync(join(tmpdir(), 'lectern-armed-'));
  context.after(() => rmSync(dir, { recursive: true }));
  const id = 'broadcast1';
  cpSync(source, join(dir, id), { recursive: true });
  const file = RecordingFile.parse(JSON.parse(readFileSync(join(source, RECORDING), 'utf8')));
  writeFileSync(join(dir, id, RECORDING), JSON.stringify({ ...file, id, state: 'armed', endedAtMs: null }));
  const { promise: isFinal, resolve } = Promise.withResolvers<RecordingInfo>();
  const store = await RecordingStore.open({
    dir,
    resumeMs: 1,
    log: createLog('silent', 'test'),
    onChanged: (info) => ['ready', 'failed'].includes(info.state) && resolve(info),
  });
  const { state, durationMs } = await isFinal;
  assert.equal(state, 'ready');
  assert.ok(durationMs > 0 && rows.length > 0);
  await store.close();
});

test('the file of a recording says that media came, also when they come while it is written', async (context) => {
  const dir = mkdtempSync(join(tmpdir(), 'lectern-early-'));
  context.after(() => rmSync(dir, { recursive: true }));
  const store = await RecordingStore.open({
    dir,
    resumeMs: 60_000,
    log: createLog('silent', 'test'),
    onChanged: () => undefined,
  });
  const begun = Array.from({ length: 60 }, async (_, turns) => {
    const about = {
      broadcast: `broadcast${turns}`,
      lesson: 'lesson1234',
      channel: 'channel123',
      title: 'A class',
    };
    const recording = store.take(about, { changed: () => undefined, troubled: assert.fail });
    // Each at another moment of the first write.
    while (
      !existsSync(join(recording.dir, `${RECORDING}.new`)) &&
      !existsSync(join(recording.dir, RECORDING))
    )
      await setImmediate();
    for (let turn = 0; turn < turns % 6; turn += 1) await setImmediate();
    recording.open(1, AUDIO, 0, 0, 0);
    return recording;
  });
  const recordings = await Promise.all(begun);
  await store.close();
  const states = recordings.map((recording) => {
    const text = readFileSync(join(recording.dir, RECORDING), 'utf8');
    return RecordingFile.parse(JSON.parse(text)).state;
  });
  assert.deepEqual([...new Set(states)], ['writing']);
});

/** The last row of what a crash leaves of `hand`, and how its index says what became of it. */
async function lastRow({ dir, recording }: Hand) {
  await recording.suspend();
  const timeline = await recoverRecording(dir);
  const row = timeline.rows.at(-1) ?? assert.fail();
  return { row, fate: timeline.fateOf(row.n), again: (await readIndex(dir)).timeline };
}

/** A class whose next row has begun and was announced. */
function inANewRow(context: TestContext): { hand: Hand; source: Camera } {
  const source = camera(1);
  const hand = new Hand(source);
  context.after(() => hand.close());
  hand.run(5);
  const before = hand.rows.length;
  while (hand.rows.length === before || hand.recording.edge.plan === undefined) hand.run(FRAME_US / 1e6);
  return { hand, source };
}

test('the number of a row that was announced is not given to another, even if too little of it is there', async (context) => {
  const { hand, source } = inANewRow(context);
  source.alive.clear();
  const { edge, timeline } = hand.recording;
  const n = timeline.nextRow;
  const partsOf = (label: RenditionId) => edge.segment(n, label)?.parts.length ?? 0;
  while (partsOf(AUDIO) === 0) hand.run(FRAME_US / 1e6);
  assert.equal(partsOf('camera0'), 0, 'its sound was announced, but no picture');
  const { row, fate, again } = await lastRow(hand);
  assert.deepEqual([row.n, fate], [n, 'lost']);
  assert.deepEqual([again.nextRow, again.fateOf(n)], [n + 1, 'lost']);
});

for (const [what, stop] of [
  ['sound', (hand: Hand) => (hand.hasSound = false)],
  ['picture', (_hand: Hand, source: Camera) => source.alive.clear()],
] as const) {
  test(`a row that a crash cut off ends with sound and picture together, whose ${what} was behind`, async (context) => {
    const { hand, source } = inANewRow(context);
    hand.run(0.7);
    stop(hand, source);
    hand.run(0.5);
    const { row } = await lastRow(hand);
    const ends = Object.values(row.segments).map(({ startUs, durationUs }) => startUs + durationUs);
    assert.equal(new Set(ends).size, 1);
    for (const [label, { durationUs, bytes, frames }] of entriesOf(row.segments)) {
      const file = readFileSync(join(hand.dir, segmentFile(row.n, label)));
      const { fragments, completeBytes } = readFragments(file);
      assert.deepEqual([file.length, completeBytes], [bytes, bytes], label);
      const samples = fragments.flatMap((one) => one.samples);
      assert.equal(samples.length, frames, label);
      const ticks = samples.reduce((sum, sample) => sum + sample.durationTicks, 0);
      const inUs = (ticks * 1e6) / (label === AUDIO ? 48_000 : 90_000);
      assert.ok(Math.abs(inUs - durationUs) < 50, `${label} plays ${inUs} µs of ${durationUs} µs`);
    }
  });
}

test('after a crash the picture goes on where it ended, though the sound of its row is longer', async (context) => {
  const { hand, source } = inANewRow(context);
  await hand.recording.suspend();
  const timeline = await recoverRecording(hand.dir);
  const last = timeline.rows.at(-1) ?? assert.fail();
  const endsUs = Object.values(last.segments).map(({ startUs, durationUs }) => startUs + durationUs);
  assert.equal(new Set(endsUs).size, 2, 'the row was whole: its sound ends with a frame of its own');
  const next = new Hand(source, timeline, hand.dir);
  next.run(3);
  const row = timeline.rows.find(({ n }) => n === last.n + 1) ?? assert.fail();
  assert.equal(row.segments.camera0?.startUs, Math.min(...endsUs));
  await next.ladder.end();
});

test('a row that was begun again after an interruption has the time of its second beginning', async (context) => {
  const source = camera(1);
  const hand = new Hand(source);
  context.after(() => hand.close());
  hand.run(5);
  const { recording } = hand;
  hand.interrupted();
  const n = recording.timeline.nextRow;
  const [audio, picture] = [recording.initFor(sound(0).config), recording.initFor(configOf(0))];
  for (const label of [AUDIO, 'camera0'] as const)
    recording.open(n, label, label === AUDIO ? audio : picture, 1e12, 5e6);
  for (const label of [AUDIO, 'camera0'] as const) recording.drop(n, label);
  const epochMs = 1e12 + 7_000;
  for (const [label, init, rate] of [
    [AUDIO, audio, 48_000],
    ['camera0', picture, 90_000],
  ] as const) {
    recording.open(n, label, init, epochMs, 5e6);
    const samples = [{ data: new Uint8Array(40), durationTicks: rate / 50, key: true }];
    const bytes = fragment({ sequence: 1, baseDecodeTime: 5 * rate, samples });
    recording.append(n, label, bytes, { startUs: 5e6, durationUs: 20_000, independent: true });
  }
  const { row } = await lastRow(hand);
  assert.deepEqual([row.n, row.epochMs], [n, epochMs]);
});

test('a segment that is written again does not grow on what an earlier one left', async (context) => {
  const { dir, recording } = await cutOff(context);
  const timeline = await recoverRecording(dir);
  const n = timeline.nextRow;
  const path = join(dir, segmentFile(n, AUDIO));
  appendFileSync(path, 'left over');
  const again = new SegmentLog(dir, recording.file, timeline);
  again.open(n, AUDIO, 0, 0, 0);
  again.append(n, AUDIO, Uint8Array.of(1, 2, 3), { startUs: 0, durationUs: 1, independent: true });
  await again.suspend();
  assert.equal(statSync(path).size, 3);
});
