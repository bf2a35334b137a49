// When things were captured: from whatever the sender says of its clock, the same for sound and picture.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { NTP_UNIX_OFFSET_MS } from '#shared/media/clock.ts';
import { ClockGroup, TrackClock } from '../../../gateway/ingest/clock.ts';

const VIDEO_HZ = 90_000;
const AUDIO_HZ = 48_000;
/** The sender's clock, years from ours. */
const SENDER_MS = 1_700_000_000_000;

/** A track whose media of sender time 0 has RTP time `rtpStart`, and which arrives `transitMs` later. */
function track(group: ClockGroup, hz: number, rtpStart: number, transitMs: number) {
  const clock = new TrackClock(hz, group);
  const rtp = (atMs: number) => (rtpStart + Math.round((atMs * hz) / 1_000)) % 2 ** 32;
  return {
    clock,
    /** A packet captured `atMs` on the sender's stopwatch; returns what it is given as local time. */
    packet(atMs: number, capture: boolean) {
      const ntpMs = SENDER_MS + atMs;
      const nowMs = atMs + transitMs;
      const ticks = clock.arrived(rtp(atMs), capture ? { ntpMs, offsetMs: undefined } : undefined, nowMs);
      return clock.localMs(ticks, nowMs);
    },
    rtp,
  };
}

test('with the capture time on the first packet there is no wait, and both kinds agree', () => {
  const group = new ClockGroup();
  const video = track(group, VIDEO_HZ, 1_000, 80);
  const audio = track(group, AUDIO_HZ, 4_000_000_000, 20);
  const picture = video.packet(0, true);
  const sound = audio.packet(0, true);
  assert.ok(picture !== undefined && sound !== undefined);
  assert.ok(Math.abs(picture - sound) < 1, `${picture} and ${sound}, though one took 60 ms longer`);
});

test('a sender report in the feed serves as well, in either count of years', () => {
  for (const base of [0, NTP_UNIX_OFFSET_MS]) {
    const group = new ClockGroup();
    const video = track(group, VIDEO_HZ, 1_000, 80);
    const audio = track(group, AUDIO_HZ, 9_000, 20);
    video.clock.feedReport({ ntpMs: base + SENDER_MS - 2_000, rtp: video.rtp(0) - 180_000 + 2 ** 32 }, 0);
    audio.clock.feedReport({ ntpMs: base + SENDER_MS - 1_000, rtp: audio.rtp(0) - 48_000 + 2 ** 32 }, 0);
    const picture = video.packet(0, false);
    const sound = audio.packet(0, false);
    assert.ok(picture !== undefined && sound !== undefined && Math.abs(picture - sound) < 1);
  }
});

test('without a word of the sender frames wait a second, then their arrival counts', () => {
  const group = new ClockGroup();
  const video = track(group, VIDEO_HZ, 0, 50);
  assert.equal(video.packet(0, false), undefined);
  assert.equal(video.packet(900, false), undefined);
  const later = video.packet(1_000, false);
  assert.ok(later !== undefined && Math.abs(later - 1_050) < 1);
});

test('a report of the sender that comes within that second ends the wait', () => {
  const group = new ClockGroup();
  const video = track(group, VIDEO_HZ, 0, 50);
  assert.equal(video.packet(0, false), undefined);
  video.clock.feedReport({ ntpMs: SENDER_MS + 300, rtp: video.rtp(300) }, 350);
  assert.ok(video.packet(400, false) !== undefined);
});

test('sound that took longer is with its picture, though the SFU reported before the sender', () => {
  const group = new ClockGroup();
  const video = track(group, VIDEO_HZ, 0, 50);
  const audio = track(group, AUDIO_HZ, 0, 220);
  assert.equal(video.packet(0, false), undefined);
  assert.equal(audio.packet(0, false), undefined);
  // When it sent them on: the sound 170 ms after the picture of the same moment.
  video.clock.relayReport(video.rtp(300), 77_350, 350);
  audio.clock.relayReport(audio.rtp(300), 77_520, 520);
  assert.equal(video.packet(400, false), undefined);
  assert.equal(audio.packet(400, false), undefined);
  for (const { clock, rtp } of [video, audio]) {
    clock.feedReport({ ntpMs: SENDER_MS + 500, rtp: rtp(500) }, 600);
  }
  const picture = video.packet(700, false);
  const sound = audio.packet(700, false);
  assert.ok(picture !== undefined && sound !== undefined && Math.abs(picture - sound) < 1);
});

test('where the sender says nothing, the SFU’s report counts after that second', () => {
  const group = new ClockGroup();
  const video = track(group, VIDEO_HZ, 0, 50);
  const audio = track(group, AUDIO_HZ, 0, 60);
  for (const one of [video, audio]) {
    one.packet(0, false);
    one.clock.relayReport(one.rtp(300), 77_000, 360);
  }
  const picture = video.packet(1_000, false);
  const sound = audio.packet(1_000, false);
  assert.ok(picture !== undefined && sound !== undefined && Math.abs(picture - sound) < 1);
});

test('RTP time wraps at 2^32 without a step', () => {
  const group = new ClockGroup();
  const video = track(group, VIDEO_HZ, 2 ** 32 - 90_000, 50);
  let before = video.packet(0, true);
  for (let atMs = 40; atMs < 3_000; atMs += 40) {
    const now = video.packet(atMs, atMs % 1_000 === 0);
    assert.ok(before !== undefined && now !== undefined);
    assert.ok(Math.abs(now - before - 40) < 1, `a step of ${now - before} ms at ${atMs} ms`);
    before = now;
  }
});

test('a better source of time is gone over to gently', () => {
  const group = new ClockGroup();
  const video = track(group, VIDEO_HZ, 0, 50);
  for (let atMs = 0; atMs <= 1_000; atMs += 40) video.packet(atMs, false);
  let before = video.packet(1_040, false) ?? Number.NaN;
  // The report says that all this was 100 ms earlier than its arrival.
  group.offsetMs('relay', 0, 1_090);
  video.clock.relayReport(video.rtp(1_040), 1_040 - 50, 1_090);
  for (let atMs = 1_080; atMs < 20_000; atMs += 40) {
    const now = video.packet(atMs, false) ?? Number.NaN;
    assert.ok(now > before, 'time does not go back');
    assert.ok(Math.abs(now - before - 40) <= 5, `a step of ${now - before} ms`);
    before = now;
  }
  assert.ok(Math.abs(before - (19_960 + 40 - 50 - 40)) < 60);
});

test('a track on a clock of its own is not put on the first one’s', () => {
  const group = new ClockGroup();
  const video = track(group, VIDEO_HZ, 0, 50);
  const first = video.packet(0, true);
  // Another sender, whose clock is an hour off, captures at the same moment.
  const other = new TrackClock(AUDIO_HZ, group);
  const ticks = other.arrived(0, { ntpMs: SENDER_MS + 3_600_000, offsetMs: 3_600_000 + 123 }, 60);
  const second = other.localMs(ticks, 60);
  assert.ok(
    first !== undefined && second !== undefined && Math.abs(first - second) < 20,
    `${first} ${second}`,
  );
});

test('a teacher who is back on another machine brings another clock, and that is taken', () => {
  const group = new ClockGroup();
  const before = track(group, VIDEO_HZ, 0, 50);
  before.packet(0, true);
  const nowMs = 20_000;
  const video = new TrackClock(VIDEO_HZ, group);
  const audio = new TrackClock(AUDIO_HZ, group);
  const capture = { ntpMs: SENDER_MS + 9_000_000, offsetMs: undefined };
  const picture = video.localMs(video.arrived(5, capture, nowMs + 60), nowMs + 60);
  const sound = audio.localMs(audio.arrived(7, capture, nowMs), nowMs);
  assert.ok(picture !== undefined && sound !== undefined && Math.abs(picture - sound) < 1);
});
