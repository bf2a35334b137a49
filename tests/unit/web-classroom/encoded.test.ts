// What a tab that encodes by itself does with its clocks, its bit rate and its connection.
import assert from 'node:assert/strict';
import { mock, test } from 'node:test';
import type { ErrorCode } from '#shared/contract/errors.ts';
import { decodePublishFrame } from '#shared/media/publish-frames.ts';
import { CaptureClock } from '../../../web/engine/encoded/capture-clock.ts';
import { Pace } from '../../../web/engine/encoded/pace.ts';
import { PublishLink, type LinkSocket, type LinkState } from '../../../web/engine/encoded/publish-link.ts';

test('two tracks whose clocks begin anywhere lie on one timeline', () => {
  const picture = new CaptureClock('video');
  const sound = new CaptureClock('audio');
  for (let ms = 0; ms < 5_000; ms += 10) {
    const nowUs = 7_000_000 + ms * 1_000;
    if (ms % 40 === 0) picture.arrived(ms * 1_000, nowUs);
    sound.arrived(900_000_000 + ms * 1_000, nowUs);
  }
  assert.equal(picture.at(4_000_000), sound.at(904_000_000));
});

test('a first picture that came late shifts nothing, nor does one that comes late now and then', () => {
  const clock = new CaptureClock('video');
  clock.arrived(0, 400_000);
  for (let us = 33_000; us < 9_600_000; us += 33_000) {
    clock.arrived(us, us + (us % 2_000_000 < 1_900_000 ? 150_000 : 20_000));
  }
  assert.equal(clock.at(9_600_000), 9_620_000);
});

test('a clock that stood still is set again', () => {
  const clock = new CaptureClock('video');
  for (let us = 0; us < 3_000_000; us += 33_000) clock.arrived(us, us + 10_000);
  for (let us = 3_000_000; us < 9_000_000; us += 33_000) clock.arrived(us, us + 500_000);
  assert.equal(clock.at(9_000_000), 9_500_000);
});

test('sound of which samples are lost all the time is never early for long', () => {
  const clock = new CaptureClock('audio');
  let heardUs = 0;
  for (let nowUs = 0; nowUs < 20_000_000; nowUs += 10_000) {
    // A tenth of it is never captured.
    if (nowUs % 500_000 < 50_000) continue;
    heardUs += 10_000;
    clock.arrived(heardUs, nowUs + (nowUs % 70_000));
    const earlyUs = nowUs - clock.at(heardUs);
    assert.ok(earlyUs <= 150_000, `${earlyUs / 1_000} ms early`);
  }
});

test('a clock that goes back is another one, and is set at once', () => {
  const clock = new CaptureClock('video');
  for (let us = 0; us < 3_000_000; us += 33_000) clock.arrived(60_000_000 + us, us + 10_000);
  clock.arrived(200_000, 3_200_000);
  assert.equal(clock.at(200_000), 3_200_000);
});

test('time never goes back, whatever the clock does', () => {
  const clock = new CaptureClock('video');
  clock.arrived(5_000_000, 10_000_000);
  const before = clock.at(5_000_000);
  clock.restart();
  clock.arrived(0, 9_000_000);
  assert.ok(clock.at(0) > before);
});

test('what is held up takes less at first, then pictures are left out until it is gone', () => {
  const pace = new Pace(2_000_000);
  assert.equal(pace.admitFrame(0, 0), true);
  assert.equal(pace.admitFrame(100_000, 1_000), true, '400 ms wait');
  assert.equal(pace.state, 'degraded');
  assert.ok(pace.bps < 2_000_000);
  assert.equal(pace.admitFrame(400_000, 2_000), false, 'far too much waits');
  assert.equal(pace.admitFrame(60_000, 2_100), false, 'still more than a moment');
  assert.equal(pace.state, 'skipping');
  assert.equal(pace.admitFrame(5_000, 2_200), true);
});

test('the bit rate comes back slowly, and never above what is allowed', () => {
  const pace = new Pace(2_000_000);
  for (let ms = 0; ms < 5_000; ms += 1_000) pace.admitFrame(300_000, ms);
  const low = pace.bps;
  assert.ok(low < 700_000);
  pace.admitFrame(0, 5_100);
  pace.admitFrame(0, 7_000);
  assert.equal(pace.bps, low, 'not at once');
  for (let ms = 8_000; ms < 120_000; ms += 33) pace.admitFrame(0, ms);
  assert.equal(pace.bps, 2_000_000);
  assert.equal(pace.state, 'flowing');
});

test('sound goes on while pictures are skipped, as long as there is hope', () => {
  const pace = new Pace(1_000_000);
  pace.admitFrame(250_000, 0);
  assert.deepEqual([pace.state, pace.takesAudio], ['skipping', true]);
  pace.admitFrame(2_000_000, 10);
  assert.equal(pace.takesAudio, false);
});

class FakeSocket implements LinkSocket {
  binaryType = '';
  bufferedAmount = 0;
  onmessage: ((event: { data: unknown }) => void) | null = null;
  onclose: (() => void) | null = null;
  readonly sent: Uint8Array[] = [];
  closed = false;
  send(data: Uint8Array): void {
    this.sent.push(data);
  }
  close(): void {
    this.closed = true;
  }
  says(reply: object): void {
    this.onmessage?.({ data: JSON.stringify(reply) });
  }
}

function rig() {
  const sockets: FakeSocket[] = [];
  const states: LinkState[] = [];
  const refusals: ErrorCode[] = [];
  let nowMs = 0;
  let wishes = 0;
  const link = new PublishLink({
    connect() {
      const socket = new FakeSocket();
      sockets.push(socket);
      return socket;
    },
    now: () => nowMs,
    onState: (state) => states.push(state),
    onKeyframeWanted: () => (wishes += 1),
    onNotice: () => undefined,
    onRefused: (code) => refusals.push(code),
  });
  const wait = (ms: number) => {
    nowMs += ms;
    mock.timers.tick(ms);
  };
  return { link, sockets, states, refusals, wait, wishes: () => wishes, last: () => sockets.at(-1)! };
}

test('nothing is sent before the gateway accepts, and a goodbye at the end', (t) => {
  mock.timers.enable({ apis: ['setTimeout'] });
  t.after(() => mock.timers.reset());
  const { link, last, wishes } = rig();
  const frame = { kind: 'audio', ptsUs: 1, data: new Uint8Array([1]) } as const;
  link.send(frame);
  assert.equal(last().sent.length, 0);
  last().says({ type: 'accepted' });
  link.send(frame);
  last().says({ type: 'keyframe-wanted' });
  last().says({ type: 'of a newer gateway' });
  assert.equal(wishes(), 1);
  const socket = last();
  link.close();
  link.close();
  assert.deepEqual(
    socket.sent.map((record) => decodePublishFrame(record).kind),
    ['audio', 'goodbye'],
  );
  assert.ok(socket.closed);
});

test('a lost connection comes back, also past its own ghost', (t) => {
  mock.timers.enable({ apis: ['setTimeout'] });
  t.after(() => mock.timers.reset());
  const { sockets, states, refusals, wait, last, link } = rig();
  last().says({ type: 'accepted' });
  wait(60_000);
  last().onclose?.();
  wait(250);
  assert.equal(sockets.length, 2);
  last().says({ type: 'refused', code: 'already-publishing', message: '' });
  wait(1_000);
  last().says({ type: 'accepted' });
  assert.deepEqual(states, ['open', 'connecting', 'open']);
  assert.deepEqual(refusals, []);
  link.close();
});

test('a connection that is never accepted is tried again', (t) => {
  mock.timers.enable({ apis: ['setTimeout'] });
  t.after(() => mock.timers.reset());
  const { sockets, wait, link } = rig();
  wait(8_000);
  wait(250);
  assert.equal(sockets.length, 2);
  link.close();
});

test('a refusal that does not pass by itself is final', (t) => {
  mock.timers.enable({ apis: ['setTimeout'] });
  t.after(() => mock.timers.reset());
  for (const code of ['publish-key-invalid', 'already-publishing', 'room-closed'] as const) {
    const { sockets, refusals, wait, last, link } = rig();
    last().says({ type: 'refused', code, message: '' });
    wait(30_000);
    assert.deepEqual([refusals, sockets.length, link.state], [[code], 1, 'closed']);
  }
});
