import assert from 'node:assert/strict';
import { test } from 'node:test';
import { addresses, viewer } from './hand-player.ts';

test('a viewer with Media Source gets HTTP-FLV, and the first frame is timed from the wish to play', () => {
  const { player, clock, states, source, picture, stats } = viewer();
  clock.pass(5_000);
  player.start(addresses());
  assert.equal(source().protocol, 'flv');
  assert.equal(source().start.address(), addresses().flv);
  clock.pass(180);
  picture();
  assert.deepEqual(states, ['opening flv', 'playing flv']);
  assert.equal(stats().firstFrameMs, 180);
  assert.equal(stats().protocol, 'flv');
});

test('a browser without Media Source plays HLS itself', () => {
  const { player, source } = viewer(['native']);
  player.start(addresses());
  assert.equal(source().protocol, 'native');
});

test('where FLV cannot be had the viewer is on HLS at once, and neither is left open', () => {
  const { player, clock, opened, source, picture } = viewer(['flv', 'hls']);
  player.start(addresses());
  source().failed({ kind: 'refused', status: 404 });
  clock.pass(0);
  assert.deepEqual(
    opened.map(({ protocol, closed }) => [protocol, closed]),
    [
      ['flv', true],
      ['hls', false],
    ],
  );
  picture();
  assert.equal(player.state.name, 'playing');
});

test('a source without a picture is given up for the other', () => {
  const { player, clock, source } = viewer(['flv', 'hls']);
  player.start(addresses());
  clock.pass(8_500);
  assert.equal(source().protocol, 'hls');
});

test('when everything fails it goes on trying forever, ever more gently', () => {
  const { player, clock, opened, source } = viewer(['flv', 'hls']);
  player.start(addresses());
  for (let minute = 0; minute < 10; minute += 1) {
    for (let step = 0; step < 600; step += 1) {
      if (!source().closed) source().failed({ kind: 'network' });
      clock.pass(100);
    }
  }
  const first = opened.length;
  assert.ok(first > 60, `${first} attempts in ten minutes`);
  assert.ok(first < 200, `${first} attempts in ten minutes`);
  clock.pass(10_500);
  assert.ok(opened.length > first);
});

test('what worked before is tried again first: a gateway that restarts costs no change of protocol', () => {
  const { player, clock, opened, source, picture, watch, states } = viewer(['flv', 'hls']);
  player.start(addresses());
  picture();
  watch(12_000);
  source().failed({ kind: 'network' });
  for (const step of [400, 700, 1_000]) {
    clock.pass(step);
    source().failed({ kind: 'refused', status: 503 });
  }
  clock.pass(1_000);
  assert.deepEqual(new Set(opened.map(({ protocol }) => protocol)), new Set(['flv']));
  picture();
  assert.equal(states.at(-1), 'playing flv');
});

test('the time without a picture counts as one stall', () => {
  const { player, clock, source, picture, watch, stats } = viewer(['flv', 'hls']);
  player.start(addresses());
  picture();
  watch(12_000);
  source().failed({ kind: 'network' });
  clock.pass(1_000);
  picture();
  clock.pass(400);
  assert.equal(stats().stalls, 1);
  assert.equal(stats().stalledMs, 1_000);
});

test('a stream that ends in order is not switched to another: it may be over', () => {
  const { player, clock, opened, source, picture } = viewer(['flv', 'hls']);
  player.start(addresses());
  picture();
  source().failed({ kind: 'ended' });
  clock.pass(1_500);
  assert.equal(opened.length, 1);
  clock.pass(3_000);
  assert.equal(source().protocol, 'flv');
});

test('a network that starves FLV again and again gets HLS with its larger store', () => {
  const { player, screen, source, picture, watch } = viewer(['flv', 'hls']);
  player.start(addresses());
  picture();
  for (let stall = 0; stall < 4; stall += 1) {
    watch(1_000);
    screen.say('waiting');
    if (source().protocol === 'flv') screen.say('playing');
  }
  assert.equal(source().protocol, 'hls');
});

test('a picture that hangs is fetched again, for its connection may be dead', () => {
  const { player, screen, clock, opened, picture, watch } = viewer(['flv', 'hls']);
  player.start(addresses());
  picture();
  watch(12_000);
  screen.say('waiting');
  clock.pass(8_000);
  assert.equal(opened.length, 1);
  clock.pass(2_000);
  assert.equal(opened.length, 2);
});

test('the viewer who joins behind is taken to the edge at once, later lateness is caught up by speed', () => {
  const { player, screen, clock, picture } = viewer();
  player.start(addresses());
  picture(2);
  assert.equal(screen.seeks.length, 1);
  assert.ok(screen.ranges[0]!.endS - screen.positionS < 0.5);
  screen.ranges = [{ startS: 0, endS: screen.positionS + 1.5 }];
  clock.pass(200);
  assert.equal(screen.seeks.length, 1);
  assert.ok(screen.rate > 1);
});

test('HLS keeps its own distance to the edge', () => {
  const { player, screen, picture, clock } = viewer(['hls']);
  player.start(addresses());
  picture(6);
  clock.pass(1_000);
  assert.deepEqual(screen.seeks, []);
  assert.equal(screen.rate, 1);
});

test('rewinding goes to HLS from minute zero, the Live button comes back to FLV', () => {
  const { player, screen, source, picture, modes, opened } = viewer();
  player.start(addresses());
  picture();
  player.rewind(-30);
  assert.equal(source().protocol, 'hls');
  assert.equal(source().start.address(), addresses().dvr);
  screen.seekable = { startS: 0, endS: 600 };
  picture();
  assert.equal(screen.seeks.at(-1), 570);
  player.rewind(120);
  assert.equal(screen.seeks.at(-1), 120);
  player.goLive();
  assert.equal(source().protocol, 'flv');
  assert.deepEqual(modes, ['rewound', 'live']);
  assert.ok(opened.slice(0, -1).every(({ closed }) => closed));
});

test('what begins at the live edge instead is led to where it was to begin', () => {
  const { player, screen, source, picture } = viewer(['hls']);
  player.start(addresses());
  picture();
  player.rewind(0);
  assert.equal(source().start.atS, 0);
  screen.seekable = { startS: 0, endS: 20 };
  screen.positionS = 0.4;
  picture();
  assert.deepEqual(screen.seeks, []);
  player.goLive();
  assert.equal(source().start.atS, -1, 'the edge, not where it was');
  picture();
  player.rewind(0);
  screen.positionS = 14.5;
  picture();
  assert.deepEqual(screen.seeks, [0]);
});

test('a network gap while rewound comes back to the same place', () => {
  const { player, screen, source, picture, clock } = viewer(['hls']);
  player.start(addresses());
  picture();
  player.rewind(60);
  picture();
  screen.positionS = 75;
  source().failed({ kind: 'network' });
  clock.pass(15_000);
  assert.equal(source().start.atS, 75);
});

test('fresh addresses are used by what is open and by what is opened next', () => {
  const { player, source } = viewer(['hls']);
  player.start(addresses('first'));
  player.start(addresses('second'));
  assert.equal(source().start.address(), addresses('second').hls);
});

test('a live stream paused for long is let go, and comes back at the edge', () => {
  const { player, screen, clock, opened, picture } = viewer();
  player.start(addresses());
  picture();
  screen.say('paused');
  clock.pass(20_000);
  assert.ok(opened[0]!.closed);
  assert.equal(player.state.name, 'paused');
  screen.say('resumed');
  assert.equal(opened.length, 2);
});

test('the person chooses how it is delivered', () => {
  const { player, source, opened } = viewer(['flv', 'hls']);
  player.start(addresses());
  player.deliver('hls');
  assert.equal(source().protocol, 'hls');
  player.deliver('flv');
  assert.equal(source().protocol, 'flv');
  assert.equal(opened.filter(({ closed }) => !closed).length, 1);
});

test('a late word of a source that was let go changes nothing', () => {
  const { player, opened, picture } = viewer(['flv', 'hls']);
  player.start(addresses());
  player.deliver('hls');
  opened[0]!.failed({ kind: 'network' });
  picture();
  assert.equal(player.state.name, 'playing');
  assert.equal(opened.length, 2);
});

test('closing leaves no source and no timer', () => {
  for (const when of ['opening', 'playing', 'retrying', 'paused']) {
    const { player, clock, source, screen, picture } = viewer();
    player.start(addresses());
    if (when !== 'opening') picture();
    if (when === 'retrying') source().failed({ kind: 'network' });
    if (when === 'paused') screen.say('paused');
    player.close();
    player.close();
    assert.ok(source().closed, when);
    assert.equal(clock.pending, 0, when);
  }
});
