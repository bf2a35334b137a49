// Clocks: every wrap a class can live to see, and a sender's clock that never runs back.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SenderClock, Unwrapper } from '#shared/media/clock.ts';
import { flvTag, flvTimestampMs, FlvDemuxer, flvHeader } from '#shared/media/flv.ts';

for (const { what, bits, step } of [
  { what: 'picture, 90 kHz RTP, after 13.3 h', bits: 32, step: 3000 },
  { what: 'sound, 48 kHz RTP, after 24.9 h', bits: 32, step: 960 },
  { what: 'RTP sequence numbers, every 65,536 packets', bits: 16, step: 1 },
]) {
  test(`${what}: time goes on`, () => {
    const unwrapper = new Unwrapper(bits);
    const range = 2 ** bits;
    const start = range - 5 * step;
    for (let i = 0; i < 1000; i += 1) {
      const value = start + i * step;
      assert.equal(unwrapper.unwrap(value % range), value);
    }
  });
}

test('a packet that comes late stays late, also across the wrap', () => {
  const sequence = new Unwrapper(16);
  assert.deepEqual(
    [65_534, 1, 65_535, 0, 2, 65_533].map((value) => sequence.unwrap(value)),
    [65_534, 65_537, 65_535, 65_536, 65_538, 65_533],
  );
  const first = new Unwrapper(16);
  assert.deepEqual(
    [3, 65_535].map((value) => first.unwrap(value)),
    [3, -1],
  );
});

test('many wraps later the counter is still exact', () => {
  const unwrapper = new Unwrapper(32);
  const step = 2 ** 30;
  for (let i = 0; i < 4_000; i += 1) assert.equal(unwrapper.unwrap((i * step) % 2 ** 32), i * step);
});

test('FLV passes 24 bits after 4.66 h by its extension byte, and 32 bits after 49.7 days by wrapping', () => {
  const demuxer = new FlvDemuxer();
  const unwrapper = new Unwrapper(32);
  demuxer.readBytes(flvHeader({ audio: true, video: true }));
  const through = (timeMs: number) => {
    const [tag] = demuxer.readBytes(flvTag('video', flvTimestampMs(timeMs * 1000), Uint8Array.of(0)));
    return unwrapper.unwrap(tag!.timestampMs);
  };
  for (const wrap of [2 ** 24, 2 ** 31, 2 ** 32, 2 ** 33]) {
    for (let timeMs = wrap - 100; timeMs <= wrap + 100; timeMs += 20) {
      if (timeMs === wrap - 100) unwrapper.unwrap(timeMs % 2 ** 32);
      assert.equal(through(timeMs) % 2 ** 32, timeMs % 2 ** 32);
    }
  }
  const counter = new Unwrapper(32);
  assert.equal(counter.unwrap(2 ** 32 - 20), 2 ** 32 - 20);
  assert.equal(counter.unwrap(flvTimestampMs(2 ** 32 * 1000)), 2 ** 32);
});

/** Plays `seconds` of a track at 50 packets a second; `at` may change the clocks on the way. */
class Sender {
  readonly clock: SenderClock;
  readonly rate: number;
  arrivalMs = 5_000;
  rtp = 1_000_000;
  ntpMs = 1_700_000_000_000;
  out: number[] = [];

  constructor(rate: number) {
    this.rate = rate;
    this.clock = new SenderClock(rate);
  }

  report(errorMs = 0) {
    this.clock.report(this.rtp, this.ntpMs + errorMs, this.arrivalMs);
  }

  play(seconds: number) {
    for (let i = 0; i < seconds * 50; i += 1) {
      this.arrivalMs += 20;
      this.rtp += this.rate / 50;
      this.ntpMs += 20;
      const senderMs = this.clock.senderMs(this.rtp, this.arrivalMs);
      assert.ok(senderMs !== null);
      const last = this.out.at(-1);
      if (last !== undefined) assert.ok(senderMs >= last, `time went back by ${last - senderMs} ms`);
      this.out.push(senderMs);
    }
    return this.out.at(-1)!;
  }
}

test('before the first report nothing is claimed; one report is enough', () => {
  const clock = new SenderClock(90_000);
  assert.equal(clock.senderMs(90_000, 0), null);
  clock.report(90_000, 1_000_000, 10);
  assert.equal(clock.senderMs(90_000 + 45_000, 510), 1_000_500);
  assert.equal(clock.senderMs(90_000 - 9_000, 510), 999_900);
});

test('sound and picture that were captured together come out together', () => {
  const picture = new SenderClock(90_000);
  const sound = new SenderClock(48_000);
  picture.report(4_000_000_000, 1_000_000, 100);
  sound.report(77, 1_000_000, 140);
  assert.equal(picture.senderMs(4_000_000_000 + 90_000, 1_100), sound.senderMs(77 + 48_000, 1_140));
});

test('a better mapping is slewed into: gently, never back, and to the end', () => {
  for (const errorMs of [40, -80]) {
    const sender = new Sender(48_000);
    sender.report();
    sender.play(1);
    sender.report(errorMs);
    sender.play(0.5);
    sender.report(errorMs);
    const before = sender.out.at(-1)!;
    assert.ok(Math.abs(sender.play(1) - before - 1000) <= 11, 'no more than 1 % faster or slower');
    const after = sender.play(10);
    assert.ok(Math.abs(after - (sender.ntpMs + errorMs)) < 0.01);
  }
});

test('an error that lips would show is gone within seconds', () => {
  for (const errorMs of [400, -400]) {
    const sender = new Sender(90_000);
    sender.report();
    sender.play(1);
    sender.report(errorMs);
    sender.play(0.5);
    sender.report(errorMs);
    assert.ok(Math.abs(sender.play(8) - (sender.ntpMs + errorMs)) < 100);
    assert.ok(Math.abs(sender.play(12) - (sender.ntpMs + errorMs)) < 0.01);
  }
});

test('a report that a busy sender made late changes nothing', () => {
  for (const lateMs of [134, 480, 900]) {
    const sender = new Sender(48_000);
    for (let s = 0; s < 60; s += 5) {
      sender.report(s % 10 === 5 ? lateMs : 0);
      const senderMs = sender.play(5);
      assert.ok(Math.abs(senderMs - sender.ntpMs) < 0.01, `${senderMs - sender.ntpMs} ms after ${s} s`);
    }
  }
});

test('sound of which a busy sender loses samples all the time is not early for long', () => {
  for (const lostMs of [40, 150, 450]) {
    const sender = new Sender(48_000);
    sender.report();
    for (let s = 0; s < 60; s += 1) {
      sender.play(1);
      sender.ntpMs += lostMs;
      sender.arrivalMs += lostMs;
      sender.report();
      // The report before is what is gone by, and it is as old as what was lost since.
      const earlyMs = sender.ntpMs - lostMs - sender.play(0.02) + 20;
      assert.ok(earlyMs <= 46, `${earlyMs} ms early after ${s} s`);
    }
  }
});

test('reports that come together count as one', () => {
  const sender = new Sender(48_000);
  sender.report();
  sender.play(5);
  // The sender was held up: packet by packet it is less.
  for (let lateMs = 380; lateMs >= 0; lateMs -= 20) {
    sender.report(lateMs);
    assert.ok(Math.abs(sender.play(0.02) - sender.ntpMs) < 0.01, `${lateMs} ms late`);
  }
  assert.ok(Math.abs(sender.play(5) - sender.ntpMs) < 0.01);
});

test('more lost samples than a jump between two reports, again and again', () => {
  const sender = new Sender(48_000);
  sender.report();
  for (let s = 0; s < 60; s += 5) {
    sender.play(5);
    sender.ntpMs += 600;
    sender.arrivalMs += 600;
    sender.report();
    const earlyMs = sender.ntpMs - sender.play(0.02) + 20;
    assert.ok(earlyMs <= 1_300, `${earlyMs} ms early after ${s} s`);
  }
  sender.play(5);
  sender.report();
  assert.ok(Math.abs(sender.play(5) - sender.ntpMs) < 46);
});

test('a wall clock that is set while the sender is held up leaves nothing early', () => {
  const sender = new Sender(48_000);
  sender.report();
  const began = sender.play(5);
  sender.ntpMs += 2_000;
  sender.report();
  sender.play(1);
  sender.report(400);
  for (let s = 0; s < 20; s += 1) {
    sender.play(1);
    sender.report();
  }
  assert.ok(Math.abs(sender.out.at(-1)! - began - 21_000) < 1);
});

test('a microphone that gave nothing for a while is no wall clock that was set', () => {
  for (const ageMs of [-800, 0, 800]) {
    const sender = new Sender(48_000);
    sender.report();
    sender.play(5);
    sender.ntpMs += 3_000;
    sender.arrivalMs += 3_000;
    for (let s = 0; s < 3; s += 1) {
      sender.play(1);
      sender.arrivalMs += ageMs;
      sender.report();
      sender.arrivalMs -= ageMs;
    }
    assert.ok(Math.abs(sender.play(1) - sender.ntpMs) < 1, `${sender.ntpMs - sender.out.at(-1)!} ms early`);
  }
});

test('a clock that drifts by 100 ppm is followed for an hour', () => {
  const sender = new Sender(48_000);
  sender.report();
  for (let s = 0; s < 3600; s += 5) {
    sender.play(5);
    sender.ntpMs += 0.5;
    sender.report();
  }
  assert.ok(Math.abs(sender.play(1) - sender.ntpMs) < 1);
});

test('a single wild report is not believed', () => {
  const sender = new Sender(90_000);
  sender.report();
  sender.play(2);
  sender.report(86_400_000);
  assert.ok(Math.abs(sender.play(2) - sender.ntpMs) < 0.01);
  sender.report();
  sender.report(-4_000);
  assert.ok(Math.abs(sender.play(2) - sender.ntpMs) < 0.01);
});

test('a sender that sets its wall clock leaves no hole in the class', () => {
  for (const jumpMs of [3_600_000, -3_600_000, 2_000, -2_000]) {
    const sender = new Sender(90_000);
    sender.report();
    sender.play(5);
    const before = sender.out.at(-1)!;
    sender.ntpMs += jumpMs;
    sender.report();
    sender.play(5);
    sender.report();
    sender.play(5);
    assert.ok(Math.abs(sender.out.at(-1)! - before - 10_000) < 1);
  }
});

test('RTP timestamps that start again go on where they were, and meet the next report', () => {
  for (const jump of [2 ** 31 - 1000, -(2 ** 31) + 1000, -90_000 * 60]) {
    const sender = new Sender(90_000);
    sender.report();
    sender.play(5);
    sender.rtp += jump;
    sender.play(2);
    assert.ok(Math.abs(sender.out.at(-1)! - sender.ntpMs) < 25);
    sender.report(15);
    assert.ok(Math.abs(sender.play(5) - (sender.ntpMs + 15)) < 0.01);
  }
});

test('a network that holds packets back for ten seconds does not look like a new start', () => {
  const sender = new Sender(90_000);
  sender.report();
  sender.play(5);
  sender.arrivalMs += 10_000;
  sender.play(1);
  sender.arrivalMs -= 10_000;
  assert.ok(Math.abs(sender.play(5) - sender.ntpMs) < 0.01);
});

test('a camera that was off for a minute comes back at its time', () => {
  const sender = new Sender(90_000);
  sender.report();
  sender.play(5);
  sender.rtp += 90_000 * 60;
  sender.ntpMs += 60_000;
  sender.arrivalMs += 60_000;
  assert.ok(Math.abs(sender.play(1) - sender.ntpMs) < 0.01);
});
