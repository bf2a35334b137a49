// The life of a broadcast: every state, and what may happen in it.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FEED_LOST_MS } from '#shared/contract/internal.ts';
import { aacConfig } from '#shared/media/aac.ts';
import { camera, CHANNEL, microphone, RESUME_MS, setStage } from './stage.ts';

type Stage = ReturnType<typeof setStage>;
const SIMPLE = [camera(), microphone()];

/** Each state, and how to get there. */
const REACH: Record<string, (stage: Stage) => void> = {
  starting: (stage) => void stage.feed(SIMPLE),
  live(stage) {
    stage.feed(SIMPLE);
    stage.picture('cam', true);
    stage.sound('mic');
  },
  interrupted(stage) {
    REACH.live?.(stage);
    stage.pass(1_600);
  },
  ended(stage) {
    REACH.live?.(stage);
    void stage.channels.stop(CHANNEL);
  },
  failed(stage) {
    REACH.live?.(stage);
    stage.fail('cam', 'no-ffmpeg');
  },
};

/** Each event, and the state that it leads to from each state. */
const EVENTS: Record<string, { happen: (stage: Stage) => void; to: Record<string, string> }> = {
  media: {
    happen(stage) {
      stage.picture('cam', true);
      stage.sound('mic');
    },
    to: { starting: 'live', live: 'live', interrupted: 'live', ended: 'ended', failed: 'failed' },
  },
  gap: {
    happen: (stage) => stage.pass(10_100, () => stage.feed(SIMPLE)),
    to: {
      starting: 'interrupted',
      live: 'interrupted',
      interrupted: 'interrupted',
      ended: 'ended',
      failed: 'failed',
    },
  },
  stop: {
    happen: (stage) => void stage.channels.stop(CHANNEL),
    to: { starting: 'ended', live: 'ended', interrupted: 'ended', ended: 'ended', failed: 'failed' },
  },
  fail: {
    happen: (stage) => stage.fail('cam', 'unreadable'),
    to: { starting: 'failed', live: 'failed', interrupted: 'failed', ended: 'ended', failed: 'failed' },
  },
  'the same feed again': {
    happen: (stage) => void stage.feed(SIMPLE),
    to: { starting: 'starting', live: 'live', interrupted: 'interrupted', ended: 'ended', failed: 'failed' },
  },
};

for (const [from, reach] of Object.entries(REACH)) {
  for (const [event, { happen, to }] of Object.entries(EVENTS)) {
    test(`${from}, then ${event}: ${to[from]}`, () => {
      const stage = setStage();
      reach(stage);
      assert.equal(stage.state(), from);
      happen(stage);
      assert.equal(stage.state(), to[from]);
    });
  }
}

test('the answer to a feed says what is on air, for how long, and where RTP goes', () => {
  const stage = setStage();
  assert.deepEqual(stage.feed(SIMPLE), {
    broadcast: 'broadcast1',
    state: 'starting',
    notice: null,
    diskTrouble: null,
    recording: 'on',
    recordingMode: 'automatic',
    recordedMs: 0,
    startedAtMs: null,
    durationMs: 0,
    viewers: { flv: 1, hls: 2, rtmp: 3 },
    ingest: { ip: '127.0.0.1', port: 8084 },
    waitMs: RESUME_MS,
    waitEndsAtMs: null,
  });
  stage.picture('cam', true);
  stage.sound('mic');
  const status = stage.feed(SIMPLE);
  assert.equal(status.state, 'live');
  assert.equal(status.startedAtMs, 1_700_000_001_000);
  assert.deepEqual(stage.states(), ['starting', 'live']);
});

test('the first frames wait for each other, and the earliest of them begins the timeline', () => {
  const stage = setStage();
  stage.feed(SIMPLE);
  stage.sound('mic', 40);
  stage.sound('mic', 20);
  assert.equal(stage.state(), 'starting');
  assert.deepEqual(
    stage.log.filter((line) => /^(sound|programme)/.test(line)),
    [],
  );
  stage.picture('cam', true, 10);
  // 21 ms is the access unit by which the AAC encoder runs ahead.
  assert.deepEqual(
    stage.log.filter((line) => /^(sound|programme)/.test(line)),
    ['sound mic 21', 'sound mic 41', 'programme video 51'],
  );
});

test('a kind that does not come is waited for no longer than 1.2 s', () => {
  const stage = setStage();
  stage.feed(SIMPLE);
  stage.pass(1_000, () => stage.sound('mic'));
  assert.equal(stage.state(), 'starting');
  stage.pass(400, () => stage.sound('mic'));
  assert.equal(stage.state(), 'live');
  assert.equal(stage.log.filter((line) => line.startsWith('sound')).length, 14, 'and none was lost');
});

test('an interruption is left out of the timeline, which goes on right behind the last frame', () => {
  const stage = setStage();
  REACH.live?.(stage);
  stage.pass(1_000, () => stage.picture('cam'));
  stage.pass(30_000, () => stage.feed(SIMPLE));
  assert.equal(stage.state(), 'interrupted');
  assert.equal(stage.positionUs(), undefined, 'the timeline stands still');
  assert.ok(stage.log.includes('ladder interrupted'));
  stage.log.length = 0;
  stage.picture('cam', true);
  stage.sound('mic');
  assert.deepEqual(
    stage.log.filter((line) => line.startsWith('programme video')),
    ['programme video 1121'],
  );
  assert.deepEqual(stage.states(), ['starting', 'live', 'interrupted', 'live']);
});

test('the timeline’s clock never runs ahead of what came, so that no silence takes the place of sound', () => {
  const stage = setStage();
  REACH.live?.(stage);
  stage.pass(400, () => stage.sound('mic'));
  const endUs = stage.positionUs() ?? 0;
  stage.pass(1_000);
  assert.equal(stage.state(), 'live');
  assert.ok((stage.positionUs() ?? 0) - endUs <= 20_000);
});

test('a broadcast that is interrupted for too long ends, and its recording with it', () => {
  const stage = setStage();
  REACH.interrupted?.(stage);
  stage.pass(RESUME_MS - 1_000, () => stage.feed([]));
  assert.equal(stage.state(), 'interrupted');
  stage.pass(1_000, () => stage.feed([]));
  assert.equal(stage.state(), 'ended');
  assert.equal(stage.log.filter((line) => line === 'programme end' || line === 'ladder end').length, 2);
});

test('a break keeps the broadcast live with silence, for as long as somebody who teaches is connected', () => {
  const stage = setStage();
  REACH.live?.(stage);
  stage.pass(RESUME_MS * 2, () => stage.feed([microphone()], { teaching: 'break' }));
  assert.deepEqual(stage.states(), ['starting', 'live']);
  assert.ok(stage.log.includes('ladder still'), 'a still picture says so');
  const silent = stage.log.filter((line) => line.startsWith('sound intermission'));
  // 20 ms each, from half a second after the last frame on, as the clock goes.
  assert.ok(Math.abs(silent.length - (RESUME_MS * 2 - 500) / 20) < 30, `${silent.length} packets`);
  const endUs = stage.positionUs() ?? 0;
  assert.ok(Math.abs(endUs - RESUME_MS * 2 * 1_000) < 300_000, `the timeline is at ${endUs}`);

  stage.log.length = 0;
  stage.feed(SIMPLE, { teaching: 'sending' });
  stage.picture('cam', true);
  stage.sound('mic');
  stage.pass(1_000, () => stage.sound('mic'));
  assert.ok(stage.log.includes('silence intermission'));
  assert.deepEqual(stage.states(), ['starting', 'live'], 'nothing was interrupted');
});

test('a stall of somebody who is connected interrupts, and is waited for without an end', () => {
  const stage = setStage();
  REACH.live?.(stage);
  const status = () => stage.feed(SIMPLE, { teaching: 'sending' });
  stage.pass(RESUME_MS * 2, status);
  assert.equal(stage.state(), 'interrupted');
  assert.equal(status().waitEndsAtMs, null);
});

test('the wait runs from when the last one who teaches is gone, and says when it ends', () => {
  const stage = setStage();
  REACH.live?.(stage);
  stage.pass(30_000, () => stage.feed([microphone()], { teaching: 'break' }));
  stage.pass(1_000, () => stage.feed([]));
  assert.equal(stage.state(), 'live', 'not yet interrupted');
  stage.pass(1_000, () => stage.feed([]));
  assert.equal(stage.state(), 'interrupted');
  const { waitMs, waitEndsAtMs } = stage.feed([]);
  assert.equal(waitMs, RESUME_MS);
  const leftMs = (waitEndsAtMs ?? 0) - stage.wallMs();
  assert.ok(leftMs > RESUME_MS - 1_000 && leftMs <= RESUME_MS, `${leftMs} ms are left`);
  // Coming back ends the wait; the next one is as long again.
  stage.pass(RESUME_MS - 2_000, () => stage.feed([]));
  stage.pass(5_000, () => stage.feed([microphone()], { teaching: 'break' }));
  assert.equal(stage.state(), 'live');
  stage.pass(RESUME_MS, () => stage.feed([]));
  assert.equal(stage.state(), 'interrupted');
  stage.pass(2_000, () => stage.feed([]));
  assert.equal(stage.state(), 'ended');
});

test('going live with nothing to send waits for it, and shows nothing', () => {
  const stage = setStage();
  stage.pass(RESUME_MS * 2, () => stage.feed([], { teaching: 'break' }));
  assert.deepEqual(stage.states(), ['starting']);
  assert.deepEqual(
    stage.log.filter((line) => line.startsWith('sound')),
    [],
  );
});

test('a break goes on over a restart of the gateway', () => {
  const stage = setStage({ resumeAtUs: 60_000_000 });
  stage.pass(3_000, () => stage.feed([microphone()], { teaching: 'break' }));
  assert.equal(stage.state(), 'live');
});

test('without a feed nothing is received any longer, until it is back', () => {
  const stage = setStage();
  REACH.live?.(stage);
  stage.pass(FEED_LOST_MS, () => stage.picture('cam'));
  assert.deepEqual(stage.openTracks(), []);
  stage.pass(1_600);
  assert.equal(stage.state(), 'interrupted');
  stage.feed(SIMPLE);
  stage.picture('cam', true);
  stage.sound('mic');
  assert.equal(stage.state(), 'live');
});

test('a feed opens what is new, keeps what is the same and closes what is gone', () => {
  const stage = setStage();
  stage.feed(SIMPLE);
  stage.feed(SIMPLE);
  assert.deepEqual(
    stage.log.filter((line) => /^(open|close)/.test(line)),
    ['open cam', 'open mic'],
  );
  stage.feed([camera(), microphone({ ssrc: 77 })]);
  assert.deepEqual(stage.log.filter((line) => /^(open|close)/.test(line)).slice(2), [
    'close mic',
    'open mic',
  ]);
  stage.feed([camera()]);
  assert.deepEqual(stage.openTracks(), ['cam']);
  assert.equal(stage.log.filter((line) => line === 'silence mic').length, 2);
});

test('the camera is received until the screen has begun', () => {
  const stage = setStage();
  REACH.live?.(stage);
  const shared = [camera({ id: 'scr', source: 'screen', ssrc: 3 }), microphone()];
  stage.feed(shared);
  assert.deepEqual(stage.openTracks().sort(), ['cam', 'mic', 'scr']);
  stage.pass(200, () => stage.picture('cam'));
  assert.ok(stage.openTracks().includes('cam'));
  stage.picture('scr', true);
  stage.pass(100);
  assert.deepEqual(stage.openTracks().sort(), ['mic', 'scr']);
  assert.ok(stage.log.includes('ladder tracks [scr]'));
});

test('a screen that never begins does not keep the camera forever', () => {
  const stage = setStage();
  REACH.live?.(stage);
  const shared = [camera({ id: 'scr', source: 'screen', ssrc: 3 }), microphone()];
  stage.pass(3_200, () => {
    stage.feed(shared);
    stage.picture('cam');
    stage.sound('mic');
  });
  assert.deepEqual(stage.openTracks().sort(), ['mic', 'scr']);
});

test('of VP8 only the largest layer is taken, and the status says that it is transcoded', () => {
  const stage = setStage();
  const layers = [0, 1, 2].map((layer) =>
    camera({ id: `cam:${layer}`, ssrc: 10 + layer, layer, codec: 'vp8' }),
  );
  const status = stage.feed(layers);
  assert.deepEqual(stage.openTracks(), ['cam:2']);
  assert.equal(status.notice, 'converted');
});

test('a sink that wants a key frame has the picture on air asked for it', () => {
  const stage = setStage();
  stage.feed([camera({ id: 'low', ssrc: 5 }), camera({ id: 'top', ssrc: 6, layer: 2 })]);
  stage.askKeyframe();
  assert.deepEqual(
    stage.log.filter((line) => line.startsWith('pli')),
    ['pli low', 'pli top'],
  );
  stage.picture('top', true);
  stage.log.length = 0;
  stage.askKeyframe();
  assert.deepEqual(
    stage.log.filter((line) => line.startsWith('pli')),
    ['pli top'],
  );
});

test('stopping twice is stopping once, and waits for the recording to be final', async () => {
  const stage = setStage();
  REACH.live?.(stage);
  const first = stage.channels.stop(CHANNEL);
  const second = stage.channels.stop(CHANNEL);
  assert.equal(stage.state(), 'ended');
  assert.equal(stage.log.filter((line) => line === 'ladder end').length, 1);
  let done = false;
  void Promise.all([first, second]).then(() => (done = true));
  await new Promise(setImmediate);
  assert.equal(done, false);
  stage.finalize();
  await Promise.all([first, second]);
});

test('a broadcast that is over stays so, also after a restart of the gateway', async () => {
  const stage = setStage({ over: ['broadcast0'] });
  assert.equal(stage.feed(SIMPLE, { broadcast: 'broadcast0' }).state, 'ended');
  assert.deepEqual(stage.openTracks(), []);
  REACH.ended?.(stage);
  stage.finalize();
  await stage.channels.forget(CHANNEL);
  assert.equal(stage.feed(SIMPLE).state, 'ended');
  assert.equal(stage.channels.status(CHANNEL), undefined);
});

test('a new broadcast on the same channel ends the one before', () => {
  const stage = setStage();
  REACH.live?.(stage);
  assert.equal(stage.feed(SIMPLE, { broadcast: 'broadcast2' }).state, 'starting');
  assert.deepEqual(stage.states(), ['starting', 'live', 'ended', 'starting']);
});

test('after a restart the timeline goes on where the disk ends', () => {
  const stage = setStage({ resumeAtUs: 90_000_000 });
  REACH.live?.(stage);
  assert.ok(stage.log.includes('programme video 90021'));
});

test('AAC goes to both sinks while the broadcast is live, and not after', () => {
  const stage = setStage();
  const unit = {
    kind: 'audio',
    ptsUs: 100_000,
    durationUs: 21_333,
    data: new Uint8Array(9),
    config: aacConfig(48_000, 2),
  } as const;
  REACH.live?.(stage);
  stage.aac(unit);
  assert.deepEqual(stage.log.slice(-2), ['programme audio 100', 'ladder audio']);
  stage.pass(2_000, () => stage.feed([]));
  stage.log.length = 0;
  stage.aac(unit);
  assert.deepEqual(stage.log, []);
});

test('outputs that cannot be opened fail the broadcast, whose room is told no path of the server', () => {
  const stage = setStage({ ladderFails: true });
  const status = stage.feed(SIMPLE);
  assert.equal(status.state, 'failed');
  assert.equal(status.notice, 'broken');
  assert.ok(stage.log.includes('programme end'), 'the other half is closed');
});

test('closing the gateway lets go of everything and ends nothing', () => {
  const stage = setStage();
  REACH.live?.(stage);
  stage.channels.close();
  stage.channels.close();
  assert.deepEqual(stage.openTracks(), []);
  assert.ok(!stage.log.includes('ladder end'));
  assert.throws(() => stage.feed(SIMPLE), { code: 'service-unavailable' });
});
