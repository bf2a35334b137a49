// Which key frames begin a row, and what becomes of a rendition that is made of another and comes a little later.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { longestUs, RowClock } from '../../../gateway/hls/boundary.ts';
import { AUDIO_US, configOf, FRAME_US, Hand, picture, sound } from './hand.ts';

const ms = (value: number) => value * 1_000;

test('a key frame that comes late begins no row that the one it was made of did not begin', () => {
  const row = new RowClock(2, 0, false, longestUs(2));
  assert.equal(row.advance(ms(1_800), true), false);
  // The source's own at 1,800 ms came before anybody asked, so it is in the middle of the row.
  assert.equal(row.isOpenToCut(ms(1_800)), false);
  assert.equal(row.advance(ms(1_900), true), true);
  assert.equal(row.isOpenToCut(ms(1_800)), false, 'made of it, it comes now');
  assert.equal(row.isOpenToCut(ms(1_933)), true, 'what was asked for');
});

test('at the boundary every key frame begins the next row, a little before it too', () => {
  const row = new RowClock(2, 0, false, longestUs(2));
  row.end(ms(1_000), 'key');
  assert.equal(row.isOpenToCut(ms(1_000)), true);
  assert.equal(row.isOpenToCut(ms(970)), true, 'that of another layer');
  assert.equal(row.isOpenToCut(ms(400)), false, 'that of long before');
});

for (const everyMs of [400, 680, 1_000, 1_480, 2_000]) {
  for (const lateMs of [0, 80, 320]) {
    test(`rows begin alike: a key frame each ${everyMs} ms, the made one ${lateMs} ms later`, async () => {
      const hand = new Hand(undefined);
      const [made, source] = [0, 1].map((layer) => ({ id: `c${layer}`, layer, source: 'camera' as const }));
      assert.ok(made !== undefined && source !== undefined);
      hand.ladder.setTracks([made, source]);
      const show = (track: typeof made, atUs: number) => {
        if (atUs < 0) return;
        const isKey = Math.round(atUs / 1_000) % everyMs === 0;
        hand.ladder.writeVideo(track, picture(atUs, isKey, configOf(track.layer)), 1e12 + atUs / 1_000);
      };
      let audioUs = 0;
      for (let atUs = 0; atUs < 30_000_000; atUs += FRAME_US) {
        for (; audioUs <= atUs; audioUs += AUDIO_US)
          hand.ladder.writeAudio(sound(audioUs), 1e12 + audioUs / 1_000);
        show(source, atUs);
        show(made, atUs - ms(lateMs));
      }
      assert.ok(hand.rows.length >= 12);
      for (const { n, segments } of hand.rows) {
        const apartUs = (segments.camera1?.startUs ?? 0) - (segments.camera0?.startUs ?? 0);
        // A picture apart where no key frame came in time and the clock ended the row.
        assert.ok(Math.abs(apartUs) <= FRAME_US, `row ${n}: ${apartUs} µs`);
      }
      for (const label of ['camera0', 'camera1'] as const) {
        hand.rows.slice(1).forEach(({ segments }, index) => {
          const before = hand.rows[index]?.segments[label];
          assert.equal(segments[label]?.startUs, (before?.startUs ?? 0) + (before?.durationUs ?? 0), label);
        });
      }
      assert.ok(!hand.rows.some(({ discontinuity }) => discontinuity));
      await hand.close();
    });
  }
}

// How far apart an encoder makes key frames, what playlists say of it, and the longest row that is yet to come.
for (const [everyMs, targetS] of [
  [2_000, 2],
  [2_480, 3],
  [4_520, 5],
  [6_000, 6],
] as const) {
  for (const lateMs of [0, 800, 1_600]) {
    test(`segments begin with the key frames of an encoder, each ${everyMs} ms, first after ${lateMs} ms`, async () => {
      const hand = new Hand(undefined);
      const track = { id: 'c1', layer: 1, source: 'camera' as const };
      hand.ladder.setTracks([track]);
      let audioUs = 0;
      const keys = new Set<number>();
      for (let atUs = 0; atUs < 40_000_000; atUs += FRAME_US) {
        for (; audioUs <= atUs; audioUs += AUDIO_US)
          hand.ladder.writeAudio(sound(audioUs), 1e12 + audioUs / 1_000);
        if (atUs < ms(lateMs)) continue;
        const isKey = Math.round(atUs / 1_000 - lateMs) % everyMs === 0;
        if (isKey) keys.add(atUs);
        hand.ladder.writeVideo(track, picture(atUs, isKey, configOf(1)), 1e12 + atUs / 1_000);
      }
      const { timeline } = hand.recording;
      const shown = hand.rows.flatMap(({ segments }) => segments.camera1 ?? []);
      assert.ok(shown.length >= 5);
      const begun = shown.filter(({ startUs }) => !keys.has(startUs)).map(({ startUs }) => startUs);
      // The sound before the first picture is in the first row, too, and both together may be too long.
      const most = lateMs < 1_000 && lateMs + everyMs > 6_400 ? 1 : 0;
      assert.ok(begun.length <= most, `${begun.join(' ')} begin otherwise`);
      // While it waits for a first picture it cannot know, and takes the most.
      assert.ok(
        timeline.targetS === targetS || (lateMs > 0 && (timeline.targetS ?? 9) <= 6),
        `${timeline.targetS} s`,
      );
      for (const { segments } of hand.rows)
        for (const { durationUs } of Object.values(segments))
          assert.ok(Math.round(durationUs / 1e6) <= (timeline.targetS ?? 0), `${durationUs} µs`);
      // Nobody was told before it was known.
      const untold = hand.rows.findIndex((row) => row.targetS !== undefined);
      assert.ok(untold <= 2, `${untold} rows`);
      await hand.close();
    });
  }
}
