// A recording is paused and goes on: live viewers notice nothing, and nothing of the pause is on disk.
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { readIndex } from '../../../gateway/store/format.ts';
import { AUDIO } from '../../../gateway/hls/rendition-id.ts';
import { renditionPlaylist } from '../../../gateway/hls/playlists.ts';
import { recoverRecording } from '../../../gateway/store/recover.ts';
import { segmentFile, type Row } from '../../../gateway/store/segment-timeline.ts';
import { camera, Hand, withHand } from './hand.ts';

const EPOCH_MS = 1e12;
const wallMs = (hand: Hand) => EPOCH_MS + hand.nowUs / 1_000;

/** What the hand records: `beforeS` seconds, a pause, and what comes after it. */
function paused(hand: Hand, { beforeS = 5, pauseS = 7, afterS = 5 } = {}) {
  hand.run(beforeS);
  const fromUs = hand.nowUs;
  hand.ladder.record(false, wallMs(hand));
  hand.run(pauseS);
  const toUs = hand.nowUs;
  hand.ladder.record(true, wallMs(hand));
  hand.run(afterS);
  return { fromUs, toUs };
}

const top = (row: Row) => row.segments[row.slots.at(-1)!]!;
const recorded = (hand: Hand) => hand.rows.filter(({ n }) => !hand.recording.timeline.isAbsent(n));

/** No segment that is on disk holds anything of these times, in µs; a frame of 40 ms, and of sound 21 ms, may be under way. */
function assertNothingOf(hand: Hand, fromUs: number, toUs: number): void {
  for (const row of recorded(hand)) {
    for (const segment of Object.values(row.segments)) {
      const isOutside =
        segment.startUs + segment.durationUs <= fromUs + 45_000 || segment.startUs >= toUs - 22_000;
      assert.ok(
        isOutside,
        `row ${row.n}: ${segment.startUs} for ${segment.durationUs}, pause ${fromUs} to ${toUs}`,
      );
    }
  }
}

test('nothing of the pause is in a file, and what is recorded begins with a key frame after it', () =>
  withHand(new Hand(camera(3)), async (hand) => {
    const { fromUs, toUs } = paused(hand);
    await hand.ladder.end();
    const kept = recorded(hand);
    assert.ok(kept.length < hand.rows.length);
    assertNothingOf(hand, fromUs, toUs);
    const before = kept.filter((row) => top(row).startUs < fromUs).at(-1)!;
    assert.ok(fromUs - top(before).startUs - top(before).durationUs < 45_000, 'up to the press');
    const after = kept.find((row) => top(row).startUs >= toUs - 1)!;
    assert.ok(top(after).startUs - toUs < 0.2e6, 'and from the first key frame after it');
    const files = readdirSync(hand.dir);
    for (const { n, segments } of hand.rows) {
      const isKept = kept.some((row) => row.n === n);
      for (const label of Object.keys(segments) as (typeof AUDIO)[]) {
        assert.equal(files.includes(segmentFile(n, label)), isKept, segmentFile(n, label));
      }
    }
  }));

test('live viewers get every row all the same, and those of the replay no gap', () =>
  withHand(new Hand(camera(1)), async (hand) => {
    hand.run(5);
    hand.ladder.record(false, wallMs(hand));
    hand.run(7);
    const { timeline, edge } = hand.recording;
    const live = renditionPlaylist(timeline, 0, 'live', false, '', { edge });
    assert.doesNotMatch(live, /EXT-X-GAP|EXT-X-DISCONTINUITY\n/);
    for (const row of hand.rows.slice(-6)) {
      assert.ok(hand.recording.inMemory(segmentFile(row.n, AUDIO)), `row ${row.n}`);
    }
    hand.ladder.record(true, wallMs(hand));
    hand.run(5);
    await hand.ladder.end();
    const replay = renditionPlaylist(timeline, 0, 'vod', true, '');
    assert.doesNotMatch(replay, /EXT-X-GAP/);
    assert.equal(replay.match(/EXT-X-DISCONTINUITY\n/g)?.length, 1);
    const lengthS = [...replay.matchAll(/EXTINF:([\d.]+)/g)].reduce((sum, [, s]) => sum + Number(s), 0);
    assert.ok(
      Math.abs(lengthS * 1_000 - timeline.durationMs) < 100,
      `${lengthS} s, ${timeline.durationMs} ms`,
    );
  }));

test('a class that is not recorded leaves no media, and its recording says so', () =>
  withHand(new Hand(camera(3)), async (hand) => {
    hand.ladder.record(false, 0);
    hand.run(8);
    assert.equal(hand.recording.info.state, 'armed');
    await hand.ladder.end();
    assert.deepEqual(
      readdirSync(hand.dir).filter((name) => name.endsWith('.m4s')),
      [],
    );
    assert.deepEqual([hand.recording.info.state, hand.recording.info.durationMs], ['failed', 0]);
  }));

test('one that is paused as soon as it began, and never goes on, has what came before', () =>
  withHand(new Hand(camera(3)), async (hand) => {
    hand.run(1);
    hand.ladder.record(false, wallMs(hand));
    assert.equal(hand.recording.info.state, 'paused');
    hand.run(6);
    await hand.ladder.end();
    assert.equal(hand.recording.info.state, 'ready');
    assert.ok(Math.abs(hand.recording.info.durationMs - 1_000) < 100);
  }));

test('what was paused stays so over a crash, and the timeline goes on behind it', () =>
  withHand(new Hand(camera(1)), async (hand) => {
    hand.run(5);
    hand.ladder.record(false, wallMs(hand));
    hand.run(7);
    await hand.recording.suspend();
    const { timeline } = await readIndex(hand.dir);
    const recovered = await recoverRecording(hand.dir);
    assert.deepEqual(recovered.rows, timeline.rows);
    assert.equal(recovered.durationMs, hand.recording.timeline.durationMs);
    assert.equal(
      recovered.endUs,
      hand.rows.at(-1)!.segments[AUDIO]!.startUs + hand.rows.at(-1)!.segments[AUDIO]!.durationUs,
    );
    assert.ok(recovered.absences >= 3);
    assert.doesNotMatch(readFileSync(join(hand.dir, 'index.ndjson'), 'utf8'), /lost/);
  }));

test('a pause that is over at once, and fifty in a row, leave the numbers whole', () =>
  withHand(new Hand(camera(3)), async (hand) => {
    hand.run(3);
    for (let turn = 0; turn < 50; turn += 1) {
      hand.ladder.record(turn % 2 === 1, wallMs(hand));
      hand.run((turn % 7) * 0.12);
    }
    hand.run(4);
    await hand.ladder.end();
    assert.deepEqual(
      hand.rows.map(({ n }) => n),
      hand.rows.map((_row, index) => index + 1),
    );
    assert.equal(hand.recording.info.state, 'ready');
  }));

test('a pause that is heard late takes back what was begun since', () =>
  withHand(new Hand(camera(3)), async (hand) => {
    hand.run(5);
    const fromUs = hand.rows.at(-1)!.segments[AUDIO]!.startUs + hand.rows.at(-1)!.segments[AUDIO]!.durationUs;
    hand.ladder.record(false, EPOCH_MS + fromUs / 1_000 - 30);
    const toUs = hand.nowUs + 4e6;
    hand.run(4);
    hand.ladder.record(true, wallMs(hand));
    hand.run(4);
    await hand.ladder.end();
    assertNothingOf(hand, fromUs, toUs);
  }));

test('a pause that is heard when rows after it are complete takes these back', () =>
  withHand(new Hand(camera(3)), async (hand) => {
    hand.run(9);
    const [fromUs, pressedMs] = [hand.nowUs, wallMs(hand)];
    hand.run(7);
    const late = recorded(hand).filter((row) => top(row).startUs >= fromUs);
    assert.ok(late.length >= 2, 'two are complete');
    hand.ladder.record(false, pressedMs);
    const toUs = hand.nowUs + 4e6;
    hand.run(4);
    hand.ladder.record(true, wallMs(hand));
    hand.run(4);
    await hand.ladder.end();
    assertNothingOf(hand, fromUs, toUs);
    const before = recorded(hand).filter((row) => top(row).startUs < fromUs);
    assert.ok(before.length >= 3, 'what was before it stays');
    const files = readdirSync(hand.dir);
    for (const { n, segments } of late) {
      for (const label of Object.keys(segments) as (typeof AUDIO)[]) {
        assert.ok(!files.includes(segmentFile(n, label)), segmentFile(n, label));
      }
    }
    const { timeline } = await readIndex(hand.dir);
    const { absences, durationMs, bytes } = hand.recording.timeline;
    assert.deepEqual([timeline.absences, timeline.durationMs, timeline.bytes], [absences, durationMs, bytes]);
  }));

test('a pause of before that is in force again takes nothing back', () =>
  withHand(new Hand(camera(1)), async (hand) => {
    hand.run(5);
    const pressedMs = wallMs(hand);
    hand.ladder.record(false, pressedMs);
    hand.run(4);
    // The lesson says that it is always recorded, and later that it is not: nobody pressed anything.
    hand.ladder.record(true, pressedMs);
    hand.run(8);
    const kept = recorded(hand).length;
    hand.ladder.record(false, pressedMs);
    hand.run(4);
    await hand.ladder.end();
    assert.ok(recorded(hand).length >= kept, `${recorded(hand).length} of ${kept} rows`);
  }));

test('a recording of which all is taken back holds nothing', () =>
  withHand(new Hand(camera(1)), async (hand) => {
    const pressedMs = wallMs(hand) + 100;
    hand.run(3);
    hand.ladder.record(false, pressedMs);
    hand.run(3);
    await hand.ladder.end();
    const { state, durationMs, bytes } = hand.recording.info;
    assert.deepEqual([state, durationMs, bytes], ['failed', 0, 0]);
  }));

test('a clock that is an hour off takes no more than what may be late', () =>
  withHand(new Hand(camera(1)), async (hand) => {
    hand.run(20);
    hand.ladder.record(false, wallMs(hand) - 3_600_000);
    await hand.ladder.end();
    const keptUs = recorded(hand).reduce((sum, { segments }) => sum + segments[AUDIO]!.durationUs, 0);
    assert.ok(keptUs > 6e6, `${keptUs} of 20 s`);
  }));

test('wherever in a row a pause begins, nothing of it is recorded', async () => {
  for (let step = 0; step < 26; step += 1) {
    await withHand(new Hand(camera(3)), async (hand) => {
      hand.hasSound = step % 2 === 0;
      const { fromUs, toUs } = paused(hand, { beforeS: 5 + step * 0.08, pauseS: 3, afterS: 3 });
      await hand.ladder.end();
      assertNothingOf(hand, fromUs, toUs);
    });
  }
});

test('two presses within what is on its way leave both pauses out', () =>
  withHand(new Hand(camera(1)), async (hand) => {
    hand.run(5);
    const soon = (ms: number) => wallMs(hand) + ms;
    const [first, again, second] = [soon(200), soon(700), soon(900)];
    hand.ladder.record(false, first);
    hand.ladder.record(true, again);
    hand.ladder.record(false, second);
    const fromUs = (first - EPOCH_MS) * 1_000;
    hand.run(5);
    await hand.ladder.end();
    assertNothingOf(hand, fromUs, (again - EPOCH_MS) * 1_000);
    assertNothingOf(hand, (second - EPOCH_MS) * 1_000, hand.nowUs);
  }));

test('a pause in an interruption holds for what comes after it', () =>
  withHand(new Hand(camera(1)), async (hand) => {
    hand.run(5);
    hand.source?.alive.clear();
    hand.hasSound = false;
    hand.run(3);
    const fromUs = hand.nowUs;
    hand.ladder.record(false, wallMs(hand));
    hand.hasSound = true;
    hand.source?.alive.add(0);
    hand.run(4);
    await hand.ladder.end();
    assertNothingOf(hand, fromUs, hand.nowUs);
  }));
