// A class while it is on air: what players are told of it a part at a time is never taken back.
import assert from 'node:assert/strict';
import { rmSync } from 'node:fs';
import { describe, test } from 'node:test';
import { isDeepStrictEqual } from 'node:util';
import { concatBytes } from '#shared/media/bytes.ts';
import { readFragments } from '#shared/media/fmp4.ts';
import { isReached, renditionPlaylist, type Rendition } from '../../../gateway/hls/playlists.ts';
import type { RowPlan } from '../../../gateway/hls/live-edge.ts';
import { recoverRecording } from '../../../gateway/store/recover.ts';
import { blindStarts, disagreements, PlaylistHistory, readPlaylist } from '../../support/hls-rules.ts';
import { camera, dice, Hand } from './hand.ts';

const RENDITIONS: readonly Rendition[] = [0, 1, 2, 'audio'];

const textOf = (hand: Hand, rendition: Rendition, view: 'live' | 'event' = 'live', isDelta = false) => {
  const { timeline, edge, isOver } = hand.recording;
  return renditionPlaylist(timeline, rendition, view, isOver, 'sign=x', { edge, isDelta });
};

/** Reads all playlists whenever they change, and checks what they say and what is behind it. */
class Reader {
  readonly histories = new Map(RENDITIONS.map((rendition) => [rendition, new PlaylistHistory()]));
  readonly #bytes = new Map<string, Uint8Array>();
  #version = -1;

  look(hand: Hand): void {
    const { recording } = hand;
    const { timeline, edge } = recording;
    if (edge.version === this.#version || timeline.rows.length === 0) return;
    this.#version = edge.version;
    for (const [rendition, history] of this.histories) {
      if (rendition !== 'audio' && rendition >= timeline.slotCount) continue;
      const faults = history.see(textOf(hand, rendition));
      assert.deepEqual(faults, [], `rendition ${rendition}`);
      for (const { uri, parts } of history.last?.segments ?? []) {
        for (const part of parts) this.#keep(hand, part.uri);
        if (uri === undefined || parts.length === 0) continue;
        const whole = recording.inMemory(uri.split('?')[0] ?? '');
        assert.deepEqual(
          Buffer.from(concatBytes(whole ?? [])),
          Buffer.concat(parts.map((part) => this.#bytes.get(part.uri) ?? Buffer.alloc(0))),
          `${uri} is its parts, one behind the other`,
        );
      }
    }
  }

  /** After a restart: only what was announced and has not reached the disk at all may be gone. */
  goOn(hand: Hand, plan: RowPlan | undefined): void {
    this.#version = -1;
    const row = hand.rows.at(-1);
    if (plan === undefined || (row?.n === plan.n && isDeepStrictEqual(row.slots, plan.slots))) return;
    assert.ok(row?.n !== plan.n || plan.slots.some((label) => row.segments[label] === undefined));
    for (const history of this.histories.values()) history.forget(plan.n);
  }

  /** A part is what it was. */
  #keep(hand: Hand, uri: string): void {
    const bytes = concatBytes(hand.recording.inMemory(uri.split('?')[0] ?? '') ?? []);
    const known = this.#bytes.get(uri);
    assert.ok(bytes.length > 0, `${uri} is there`);
    if (known !== undefined) assert.ok(Buffer.from(known).equals(bytes), `${uri} is what it was`);
    this.#bytes.set(uri, bytes);
  }
}

/** Lets time pass a picture at a time, with the reader looking on. */
function run(hand: Hand, reader: Reader, seconds: number): void {
  for (let left = seconds; left > 0; left -= 0.04) {
    hand.run(0.04);
    reader.look(hand);
  }
}

describe('a class on air', () => {
  test('is told in parts of 200 to 333 ms, of which its segments are made', async () => {
    const hand = new Hand(camera(3));
    const reader = new Reader();
    run(hand, reader, 12);
    for (const [rendition, history] of reader.histories) {
      const complete = [...history.segments.values()].filter(({ uri, parts }) => uri && parts.length > 0);
      assert.ok(complete.length >= 4);
      for (const { n, parts, durationS = 0 } of complete) {
        const sum = parts.reduce((total, part) => total + part.durationS, 0);
        assert.ok(
          Math.abs(sum - durationS) < 0.001,
          `rendition ${rendition}: ${n} is ${sum} of ${durationS} s`,
        );
        for (const { durationS: partS } of parts.slice(0, -1))
          assert.ok(partS >= 0.85 * 0.334 - 1e-9, `${partS} s`);
      }
    }
    await hand.close();
  });

  test('begins the next row in the playlists of all renditions before that row is complete', async () => {
    const hand = new Hand(camera(3));
    run(hand, new Reader(), 7.6);
    for (const rendition of RENDITIONS) {
      const { segments, hint, reports } = readPlaylist(textOf(hand, rendition));
      const growing = segments.at(-1);
      assert.equal(growing?.uri, undefined);
      assert.equal(growing?.n, hand.rows.length + 1);
      assert.ok((growing?.parts.length ?? 0) >= 1);
      // What is hinted at is the one that comes next.
      assert.match(
        hint ?? '',
        new RegExp(`^${growing?.n}-\\w+-${growing?.parts.length}-\\w+\\.m4s\\?sign=x$`),
      );
      assert.equal(reports.length, 3);
      for (const report of reports) assert.equal(Number(report['LAST-MSN']), growing?.n);
    }
    await hand.close();
  });

  test('whose picture stands still for a second gives it out all the same, to be shown until the next', async () => {
    const source = camera(1);
    const hand = new Hand(source);
    const reader = new Reader();
    run(hand, reader, 4);
    for (let second = 0; second < 4; second += 1) {
      source.alive.delete(0);
      run(hand, reader, 0.96);
      source.alive.add(0);
      run(hand, reader, 0.04);
    }
    // The newest picture lies at most a part and the patience for late ones behind the sound.
    source.alive.delete(0);
    run(hand, reader, 0.72);
    const [label = 'still'] = hand.recording.edge.plan?.slots ?? [];
    const segment = hand.recording.edge.segment(hand.rows.length + 1, label);
    const pieces = (hand.recording.inMemory(`${hand.rows.length + 1}-${label}.m4s`) ?? []).map((piece) =>
      readFragments(piece).fragments[0]?.samples.at(-1),
    );
    const last = pieces.at(-1);
    assert.ok(segment !== undefined && last !== undefined);
    const shownUntilUs = ((last.dtsTicks + last.durationTicks) / 90_000) * 1e6;
    assert.ok(shownUntilUs > hand.nowUs, `it is shown until ${shownUntilUs}, now is ${hand.nowUs} µs`);
    await hand.close();
  });

  test('whose best layer dies ends the row early: what it showed so far stays', async () => {
    const source = camera(3);
    const hand = new Hand(source);
    const reader = new Reader();
    run(hand, reader, 5);
    const before = hand.rows.length;
    while (hand.rows.length === before) run(hand, reader, 0.04);
    source.alive.delete(2);
    run(hand, reader, 4);
    const dead = hand.rows[before + 1];
    assert.equal(dead?.slots.at(-1), 'camera2');
    const lastedUs = dead?.segments.camera1?.durationUs ?? 0;
    assert.ok(lastedUs < 1.7e6, `it does not wait for two seconds, but ${lastedUs} µs`);
    assert.equal(hand.rows[before + 2]?.slots.at(-1), 'camera1');
    assert.deepEqual(blindStarts(readPlaylist(textOf(hand, 2))), []);
    await hand.close();
  });
});

describe('whatever a class does', () => {
  for (let seed = 101; seed <= 112; seed += 1) {
    test(`nothing that players were told changes, through restarts too (seed ${seed})`, async () => {
      const roll = dice(seed);
      let cameras = 0;
      const anySource = () => {
        cameras += 1;
        return roll() < 0.3
          ? camera(1, 'screen', `screen${cameras}`)
          : camera(3, 'camera', `camera${cameras}`);
      };
      const reader = new Reader();
      let hand = new Hand(roll() < 0.8 ? anySource() : undefined);
      const dirs = [hand.dir];
      try {
        for (let step = 0; step < 20; step += 1) {
          const { source } = hand;
          const layer = Math.floor(roll() * 3);
          const what = roll();
          if (what < 0.2) hand.use(anySource());
          else if (what < 0.25) hand.use(undefined);
          else if (what < 0.35) {
            hand.interrupted();
            reader.look(hand);
            hand.use(anySource());
          } else if (what < 0.45) {
            // The gateway is killed: what is on disk goes on.
            const { plan } = hand.recording.edge;
            await hand.recording.suspend();
            hand = new Hand(anySource(), await recoverRecording(hand.dir), hand.dir);
            reader.goOn(hand, plan);
          } else if (what < 0.6) source?.alive.delete(layer);
          else if (what < 0.7) source?.alive.add(layer);
          else if (what < 0.8) source?.delay.set(layer, Math.floor(roll() * 40));
          else if (what < 0.9) {
            source?.scale.set(layer, roll() < 0.5 ? 2 : 1);
            source?.askKey();
          } else hand.hasSound = roll() < 0.7;
          run(hand, reader, roll() * 4);
        }
        hand.interrupted();
        reader.look(hand);
        assert.deepEqual(disagreements([...reader.histories.values()]), []);
        await hand.ladder.end();
        reader.look(hand);
        for (const rendition of RENDITIONS.slice(0, hand.recording.timeline.slotCount)) {
          assert.ok(readPlaylist(textOf(hand, rendition)).ended);
        }
      } finally {
        await hand.ladder.end();
        for (const dir of dirs) rmSync(dir, { recursive: true, force: true });
      }
    });
  }
});

describe('players that wait', () => {
  test('are answered when what they wait for is there, never before', async () => {
    const hand = new Hand(camera(1));
    hand.run(3.5);
    const { timeline, edge } = hand.recording;
    const n = timeline.nextRow;
    const parts = edge.segment(n, 'camera0')?.parts.length ?? 0;
    assert.ok(parts >= 1);
    const answers: string[] = [];
    const wait = (name: string, part: number | undefined, ahead = 0) =>
      edge
        .until(name, () => isReached(timeline, edge, 0, n + ahead, part))
        .then(() => answers.push(`${name} with ${edge.segment(n, 'camera0')?.parts.length} parts`));
    const all = [wait('there', parts - 1), wait('next', parts), wait('whole', undefined), wait('row', 0, 1)];
    await new Promise(setImmediate);
    assert.deepEqual(answers, [`there with ${parts} parts`]);
    while (answers.length === 1) {
      hand.run(0.04);
      await new Promise(setImmediate);
    }
    assert.deepEqual(answers.slice(1), [`next with ${parts + 1} parts`]);
    while (answers.length < 4 && hand.nowUs < 20e6) {
      hand.run(0.04);
      await new Promise(setImmediate);
      assert.equal(
        answers.some((answer) => answer.startsWith('whole')),
        timeline.nextRow > n,
      );
    }
    await Promise.all(all);
    assert.equal(edge.waiting, 0);
    await hand.close();
  });

  test('for a part beyond the last of a segment get the first of the next', async () => {
    const hand = new Hand(camera(1));
    hand.run(3.5);
    const { timeline, edge } = hand.recording;
    const n = timeline.nextRow;
    assert.equal(isReached(timeline, edge, 0, n, 9), false);
    while (timeline.nextRow === n) hand.run(0.04);
    assert.equal(isReached(timeline, edge, 0, n, 9), isReached(timeline, edge, 0, n + 1, 0));
    while (!isReached(timeline, edge, 0, n + 1, 0)) hand.run(0.04);
    assert.equal(isReached(timeline, edge, 0, n, 9), true);
    await hand.close();
  });

  test('are let go when the class ends', async () => {
    const hand = new Hand(camera(1));
    hand.run(3);
    const waiting = hand.recording.edge.until('forever', () => false);
    await hand.ladder.end();
    await waiting;
    assert.equal(hand.recording.edge.waiting, 0);
    await hand.close();
  });
});

test('a delta update leaves out what is older than twelve seconds, and nothing of a short list', async () => {
  const hand = new Hand(camera(1));
  hand.run(60);
  const whole = readPlaylist(textOf(hand, 0, 'event'));
  const delta = readPlaylist(textOf(hand, 0, 'event', true));
  assert.ok(delta.skipped > 20);
  assert.deepEqual(
    delta.segments.map(({ n, uri, map }) => [n, uri, map]),
    whole.segments.slice(delta.skipped).map(({ n, uri, map }) => [n, uri, map]),
  );
  const rest = delta.segments.reduce((sum, { durationS = 0 }) => sum + durationS, 0);
  assert.ok(rest >= 12 && rest < 15, `${rest} s are left`);
  assert.equal(readPlaylist(textOf(hand, 0, 'live', true)).skipped, 0);
  await hand.close();
});
