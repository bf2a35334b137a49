// A class is cut into rows of segments, whatever its source does.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { AUDIO } from '../../../gateway/hls/rendition-id.ts';
import type { Row, Segment } from '../../../gateway/store/segment-timeline.ts';
import { aacConfig } from '#shared/media/aac.ts';
import { AUDIO_US, camera, dice, Hand, sound, withHand } from './hand.ts';

/** Numbers without holes, renditions that stay, and no segment that breaks the target duration. */
function assertNumbered(rows: readonly Row[], targetS = 2): void {
  rows.forEach((row, index) => {
    assert.equal(row.n, index + 1, 'the numbers have no holes');
    for (const label of [AUDIO, ...row.slots]) {
      const segment = row.segments[label];
      assert.ok(segment, `row ${row.n} has ${label}`);
      assert.ok(
        Math.round(segment.durationUs / 1e6) <= targetS,
        `row ${row.n}: ${label} lasts ${segment.durationUs} µs`,
      );
    }
    assert.equal(row.slots.length, rows[0]?.slots.length, 'renditions do not come or go');
  });
}

/** What a class without mishaps must keep to. */
function assertSound(rows: readonly Row[], targetS = 2): void {
  assertNumbered(rows, targetS);
  rows.forEach((row, index) => {
    const before = rows[index - 1];
    if (before === undefined || row.epochMs !== before.epochMs) return;
    for (const [what, now, then] of [
      ['sound', AUDIO, AUDIO],
      ['picture', row.slots.at(-1)!, before.slots.at(-1)!],
    ] as const) {
      const last: Segment = before.segments[then]!;
      const holeUs: number = row.segments[now]!.startUs - last.startUs - last.durationUs;
      assert.ok(Math.abs(holeUs) < 100_000, `row ${row.n}: the ${what} has a hole of ${holeUs} µs`);
    }
  });
}

describe('sound that comes more than a second after its picture', () => {
  for (const [kind, channels] of [
    ['of the kind that the silence before it has', 1],
    ['of another kind', 2],
  ] as const) {
    test(`${kind}: no row begins before the picture of the last one ends`, () =>
      withHand(new Hand(camera(3)), (hand) => {
        hand.hasSound = false;
        hand.run(1.12);
        for (let atUs = 0; atUs < hand.nowUs; atUs += AUDIO_US) {
          hand.ladder.writeAudio(sound(atUs, aacConfig(48_000, channels)), 1e12 + atUs / 1_000);
        }
        hand.run(8);
        assert.ok(hand.rows.length >= 3);
        hand.rows.slice(1).forEach((row, index) => {
          const before = hand.rows[index]?.segments.camera2;
          const now = row.segments.camera2;
          assert.ok(before !== undefined && now !== undefined);
          assert.ok(Math.abs(now.startUs - before.startUs - before.durationUs) < 1_000, `row ${row.n}`);
        });
      }));
  }
});

test('a picture that returns while the sound of the row before is awaited leaves no hole', () =>
  withHand(new Hand(camera(1)), (hand) => {
    // Silence follows the picture by 0.7 s: each row waits for it.
    hand.hasSound = false;
    hand.run(4);
    const { length } = hand.rows;
    while (hand.rows.length === length) hand.run(0.1);
    const rowUs = hand.recording.timeline.endUs;
    hand.run((rowUs + 1.2e6 - hand.nowUs) / 1e6);
    hand.source?.alive.clear();
    hand.run((rowUs + 2.55e6 - hand.nowUs) / 1e6);
    hand.use(camera(1, 'camera', 'returned'));
    hand.run(5);
    assertSound(hand.rows);
  }));

const slotsOf = (rows: readonly Row[]) => rows.map((row) => row.slots.join(' '));

describe('a camera in three layers', () => {
  test('gives a short first row, then rows of two seconds that start at key frames', () =>
    withHand(new Hand(camera(3)), (hand) => {
      hand.run(11);
      assertSound(hand.rows);
      assert.ok(hand.rows.length >= 5);
      const [first, ...others] = hand.rows;
      assert.ok(first!.segments.camera2!.durationUs <= 1.3e6);
      for (const row of others) {
        assert.ok(Math.abs(row.segments.camera2!.durationUs - 2e6) < 0.15e6);
        assert.equal(row.discontinuity, false);
      }
      assert.deepEqual(new Set(slotsOf(hand.rows)), new Set(['camera0 camera1 camera2']));
      // One request for each row.
      assert.ok(hand.keyRequests <= hand.rows.length + 1);
    }));

  test('waits for a layer whose key frame is late, and that layer begins its next segment there', () => {
    const source = camera(3);
    source.delay.set(0, 8);
    return withHand(new Hand(source), (hand) => {
      hand.run(9);
      assertSound(hand.rows);
      const row = hand.rows[2]!;
      const lateUs = row.segments.camera0!.startUs - row.segments.camera2!.startUs;
      assert.ok(lateUs > 0.2e6 && lateUs < 0.4e6, `${lateUs} µs`);
      assert.equal(
        hand.rows.some((one) => one.discontinuity),
        false,
      );
    });
  });

  test('that gives no key frames at all is cut all the same', () => {
    const source = camera(3);
    source.askKey = () => undefined;
    return withHand(new Hand(source), (hand) => {
      hand.run(20);
      assertSound(hand.rows, 6);
      assert.ok(hand.rows.length >= 3);
    });
  });

  test('whose top layer dies falls back to the next, and comes back at a boundary', () => {
    const source = camera(3);
    return withHand(new Hand(source), (hand) => {
      hand.run(5);
      source.alive.delete(2);
      hand.run(6);
      source.alive.add(2);
      hand.run(7);
      assertSound(hand.rows);
      const slots = slotsOf(hand.rows);
      assert.ok(slots.includes('camera0 camera1 camera1'), slots.join('; '));
      assert.equal(slots.at(-1), 'camera0 camera1 camera2');
      const changes = hand.rows.filter((row) => row.discontinuity);
      assert.equal(changes.length, 2, 'once down and once up, for all renditions alike');
    });
  });

  test('whose resolution changes begins a new row with another init segment there', () => {
    const source = camera(3);
    return withHand(new Hand(source), (hand) => {
      source.scale.set(2, 2);
      source.askKey();
      hand.run(3.4);
      source.scale.delete(2);
      source.askKey();
      hand.run(5);
      assertSound(hand.rows);
      const at = hand.rows.findIndex((row) => row.discontinuity);
      assert.ok(at > 0);
      assert.notEqual(hand.rows[at]!.segments.camera2!.init, hand.rows[at - 1]!.segments.camera2!.init);
      assert.ok(Math.abs(hand.rows[at]!.segments.camera2!.startUs - 3.44e6) < 0.1e6);
      assert.equal(hand.rows.filter((row) => row.discontinuity).length, 1);
    });
  });
});

describe('the programme changes', () => {
  test('a shared screen takes every rendition at its first key frame, stored once', () => {
    const screen = camera(1, 'screen');
    return withHand(new Hand(camera(3)), (hand) => {
      hand.run(5.2);
      hand.use(screen);
      hand.run(6);
      hand.use(camera(3, 'camera', 'camera-again'));
      hand.run(6);
      assertSound(hand.rows);
      const slots = slotsOf(hand.rows);
      assert.ok(slots.includes('screen0 screen0 screen0'), slots.join('; '));
      assert.equal(slots.at(-1), 'camera0 camera1 camera2');
      const shared = hand.rows.find((row) => row.slots[0] === 'screen0')!;
      assert.deepEqual(Object.keys(shared.segments).sort(), [AUDIO, 'screen0']);
      assert.ok(Math.abs(shared.segments.screen0!.startUs - 5.2e6) < 0.1e6, 'at once');
      assert.equal(hand.rows.filter((row) => row.discontinuity).length, 2);
    });
  });

  test('a class that begins with sound alone shows black, and its camera when it comes', () =>
    withHand(new Hand(undefined), (hand) => {
      hand.run(5);
      hand.use(camera(3));
      hand.run(6);
      assertSound(hand.rows);
      const slots = slotsOf(hand.rows);
      assert.equal(slots[0], 'still still still');
      assert.equal(slots.at(-1), 'camera0 camera1 camera2');
    }));

  test('a camera that is turned off leaves no face on the screen', () =>
    withHand(new Hand(camera(3)), (hand) => {
      hand.run(5);
      hand.use(undefined);
      hand.run(14);
      assertSound(hand.rows);
      const last = hand.rows.at(-1)!;
      assert.deepEqual(last.slots, ['still', 'still', 'still']);
      const black = hand.recording.timeline.inits.get(last.segments.still!.init);
      assert.equal(black?.codecString, 'avc1.42c033');
    }));

  test('a microphone that is never turned on gives silence', () => {
    const hand = new Hand(camera(3));
    hand.hasSound = false;
    return withHand(hand, () => {
      hand.run(9);
      assertSound(hand.rows);
      assert.ok(hand.rows.length >= 3);
    });
  });
});

describe('an interrupted class', () => {
  test('goes on behind a discontinuity, its numbers and its clock too', () => {
    const source = camera(3);
    return withHand(new Hand(source), (hand) => {
      hand.run(5.5);
      hand.interrupted();
      const before = hand.rows.length;
      const endUs = hand.recording.timeline.endUs;
      assert.ok(Math.abs(endUs - 5.5e6) < 0.1e6, 'nothing that came is lost');
      source.askKey();
      hand.run(5);
      assertSound(hand.rows);
      assert.equal(hand.rows[before]!.discontinuity, true);
      assert.equal(hand.rows[before]!.n, before + 1);
      assert.ok(hand.rows[before]!.segments.camera2!.startUs >= endUs - 50_000);
    });
  });

  test('that ends at once leaves a recording of nothing', () =>
    withHand(new Hand(camera(3)), async (hand) => {
      await hand.ladder.end();
      assert.equal(hand.rows.length, 0);
      assert.equal(hand.recording.info.durationMs, 0);
    }));
});

describe('whatever a class does in whatever order', () => {
  for (let seed = 1; seed <= 24; seed += 1) {
    test(`its rows stay whole (seed ${seed})`, async () => {
      const roll = dice(seed);
      let cameras = 0;
      const anySource = () => {
        cameras += 1;
        return roll() < 0.3
          ? camera(1, 'screen', `screen${cameras}`)
          : camera(3, 'camera', `camera${cameras}`);
      };
      await withHand(new Hand(roll() < 0.8 ? anySource() : undefined), async (hand) => {
        for (let step = 0; step < 25; step += 1) {
          const source = hand.source;
          const layer = Math.floor(roll() * 3);
          const what = roll();
          if (what < 0.15) hand.use(anySource());
          else if (what < 0.2) hand.use(undefined);
          else if (what < 0.3) {
            hand.interrupted();
            hand.use(anySource());
          } else if (what < 0.45) source?.alive.delete(layer);
          else if (what < 0.6) source?.alive.add(layer);
          else if (what < 0.7) source?.delay.set(layer, Math.floor(roll() * 40));
          else if (what < 0.85) {
            source?.scale.set(layer, roll() < 0.5 ? 2 : 1);
            source?.askKey();
          } else hand.hasSound = roll() < 0.7;
          hand.run(roll() * 4);
        }
        // Whatever was, it ends well.
        hand.hasSound = true;
        hand.use(camera(3, 'camera', 'last'));
        hand.run(8);
        hand.interrupted();
        assertNumbered(hand.rows);
        const slots = slotsOf(hand.rows).slice(-2)[0];
        const count = hand.rows[0]?.slots.length;
        const expected = ['camera0', 'camera1', 'camera2'].slice(0, count).join(' ');
        assert.equal(slots, count === 3 ? expected : slots);
        await hand.ladder.end();
        const shownUs = hand.recording.timeline.durationMs * 1_000;
        // Pictures without sound are lost until a key frame comes, after each mishap.
        assert.ok(shownUs > hand.flowedUs * 0.75, `${shownUs} of ${hand.flowedUs} µs`);
        assert.ok(shownUs < hand.flowedUs + 4e6, `${shownUs} of ${hand.flowedUs} µs`);
      });
    });
  }
});
