// One stream to many readers: who gets what, and what happens to the slow ones.
import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { CLOSE_ABOVE_BYTES, Fanout, SKIP_ABOVE_BYTES } from '../../../gateway/flv/fanout.ts';
import { flvWire, frameTag, headerTags } from '../../../gateway/flv/tag.ts';
import { EARLY_MS } from '#shared/media/clock.ts';
import { NAL, nalType, readAvcc, writeAvcc } from '#shared/media/avc.ts';
import { FlvDemuxer, parseVideoBody } from '#shared/media/flv.ts';
import { Ear, programme } from './ear.ts';
import { AUDIO_US, configOf, picture, sound } from './hand.ts';

function fanout(context: TestContext) {
  context.mock.timers.enable({ apis: ['setTimeout'] });
  const slow: string[] = [];
  let nowMs = 0;
  const made = new Fanout({
    wire: flvWire,
    headers: () => headerTags('aac', configOf(0), undefined, 0),
    events: { sent: () => undefined, slow: (outcome) => slow.push(outcome) },
    nowMs: () => nowMs,
  });
  return {
    fanout: made,
    slow,
    /** Frames for half a second with a key frame first, then enough time for the flush. */
    play(key = true) {
      for (let index = 0; index < 12; index += 1) {
        made.sendTag(frameTag(picture(index * 40_000, key && index === 0, configOf(0)), key && index === 0));
      }
      context.mock.timers.tick(100);
      nowMs += 500;
    },
  };
}

test('readers of a group share one buffer for all that came since the last flush', (context) => {
  const { fanout: made, play } = fanout(context);
  const ears = Array.from({ length: 8 }, () => new Ear());
  for (const ear of ears) made.addViewer(ear, [new Uint8Array()]);
  play();
  for (const ear of ears) assert.equal(ear.heard.length, 2, 'the welcome and one merged write');
  const buffers = new Set(ears.map((ear) => ear.heard[1]));
  assert.ok(buffers.size <= 8, `${buffers.size} buffers for 8 readers`);
});

test('a slow reader skips to a key frame once it has caught up, and the others notice nothing', (context) => {
  const { fanout: made, slow, play } = fanout(context);
  const [slowEar, quickEar] = [new Ear(), new Ear()];
  made.addViewer(slowEar, [new Uint8Array()]);
  made.addViewer(quickEar, [new Uint8Array()]);
  slowEar.waiting = SKIP_ABOVE_BYTES + 1;
  play();
  play();
  assert.equal(slowEar.heard.length, 1);
  assert.deepEqual(slow, ['skipped']);
  slowEar.waiting = 0;
  play(false);
  assert.equal(slowEar.heard.length, 1, 'not in the middle of a picture group');
  play();
  assert.equal(slowEar.heard.length, 2);
  const flv = Buffer.concat([flvWire.preamble({ audio: true, video: true }), ...slowEar.heard.slice(1)]);
  const [script, config, first] = new FlvDemuxer().readBytes(flv);
  assert.equal(script?.type, 'script');
  assert.equal(parseVideoBody(config!.body).type, 'config');
  const body = parseVideoBody(first!.body);
  assert.ok(body.type === 'frame' && body.key);
  assert.equal(quickEar.heard.length, 5);
});

test('a reader that never catches up is let go, and so is one beyond the second bound', (context) => {
  const { fanout: made, slow, play } = fanout(context);
  const [stalled, drowned] = [new Ear(), new Ear()];
  made.addViewer(stalled, [new Uint8Array()]);
  made.addViewer(drowned, [new Uint8Array()]);
  stalled.waiting = SKIP_ABOVE_BYTES + 1;
  drowned.waiting = CLOSE_ABOVE_BYTES + 1;
  play();
  assert.equal(drowned.closed, 'at-once');
  for (let halfSeconds = 0; halfSeconds < 34; halfSeconds += 1) play();
  assert.equal(stalled.closed, 'at-once');
  assert.equal(made.size, 0);
  assert.deepEqual(slow, ['skipped', 'closed', 'closed'].sort().reverse());
});

test('a viewer who comes in the middle gets headers and a picture at once', () => {
  const { made } = programme();
  for (let index = 0; index < 60; index += 1) {
    made.frame(sound(index * 40_000));
    made.frame(picture(index * 40_000, index % 50 === 0, configOf(1)));
  }
  const ear = new Ear();
  made.join(flvWire, ear);
  const tags = ear.tags();
  assert.deepEqual(
    tags.slice(0, 3).map((tag) => tag.type),
    ['script', 'video', 'audio'],
  );
  const pictures = tags.filter((tag) => tag.type === 'video').map((tag) => parseVideoBody(tag.body));
  assert.equal(pictures[0]?.type, 'config');
  assert.ok(pictures[1]?.type === 'frame' && pictures[1].key);
  assert.equal(pictures.length, 1 + 10);
  made.end();
  assert.equal(ear.closed, 'in-order');
});

test('viewers who come before the first picture wait for it, so that the header tells the truth', () => {
  const { made } = programme();
  const ear = new Ear();
  made.join(flvWire, ear);
  made.frame(sound(0));
  assert.equal(ear.heard.length, 0);
  made.frame(picture(20_000, true, configOf(1)));
  assert.equal(ear.heard[0]?.[4], 5, 'sound and picture');
  assert.equal(made.viewers(flvWire), 1);
  made.leave(ear);
  assert.equal(made.viewers(flvWire), 0);
  made.end();
});

test('no two pictures have one time, however close a change of resolution follows', () => {
  for (const gapUs of [0, 400, 1_000, 2_000, 33_000]) {
    const { made } = programme();
    made.frame(sound(0));
    made.frame(picture(0, true, configOf(1)));
    const ear = new Ear();
    made.join(flvWire, ear);
    const data = writeAvcc([Uint8Array.of(0x65, 1, 2, 3)]);
    made.frame({ ...picture(gapUs, true, configOf(2)), data });
    made.frame(picture(gapUs + 2_000, false, configOf(2)));
    made.end();
    const times = ear
      .tags()
      .filter((tag) => tag.type === 'video' && parseVideoBody(tag.body).type === 'frame')
      .map((tag) => tag.timestampMs);
    assert.equal(new Set(times).size, times.length, `${gapUs} µs: ${times.join()}`);
    assert.deepEqual(
      times,
      times.toSorted((a, b) => a - b),
    );
  }
});

test('a change of resolution brings a new sequence header before its key frame', () => {
  const { made } = programme();
  made.frame(sound(0));
  made.frame(picture(0, true, configOf(1)));
  const ear = new Ear();
  made.join(flvWire, ear);
  const data = writeAvcc([Uint8Array.of(0x65, 1, 2, 3)]);
  made.frame({ ...picture(40_000, true, configOf(2)), data });
  made.end();
  const pictures = ear
    .tags()
    .filter((tag) => tag.type === 'video')
    .map((tag) => parseVideoBody(tag.body));
  const configs = pictures.filter((body) => body.type === 'config').map((body) => body.config.width);
  assert.deepEqual(configs, [640, 1280]);
  // What a player held back from before must not be a key frame that the new configuration cannot decode.
  const kinds = pictures
    .slice(-4)
    .map((body) => (body.type === 'frame' ? nalType(readAvcc(body.data)[0]!) : body.type));
  assert.deepEqual(kinds, [NAL.sps, NAL.sps, 'config', NAL.idr]);
});

test('no header is later than what follows it: to newcomers, after a skip, at a change', (context) => {
  context.mock.timers.enable({ apis: ['setTimeout'] });
  const { made } = programme();
  const [fromStart, slow] = [new Ear(), new Ear()];
  made.join(flvWire, fromStart);
  made.join(flvWire, slow);
  const newcomers: Ear[] = [];
  for (let index = 0; index < 300; index += 1) {
    const us = index * 40_000;
    // Sound comes 150 ms after the picture of its moment; the size changes in the middle.
    made.frame(picture(us, index % 50 === 0, configOf(index < 150 ? 1 : 2)));
    if (us >= 150_000) made.frame(sound(us - 150_000));
    if (us >= 150_000) made.frame(sound(us - 130_000));
    context.mock.timers.tick(40);
    slow.waiting = index > 60 && index < 90 ? SKIP_ABOVE_BYTES + 1 : 0;
    if (index % 10 !== 0) continue;
    const newcomer = new Ear();
    made.join(flvWire, newcomer);
    newcomers.push(newcomer);
  }
  made.end();
  for (const ear of [fromStart, slow, ...newcomers]) {
    const tags = ear.tags().filter((tag) => tag.type !== 'script');
    const earliestAfter = tags.map((_, at) => Math.min(...tags.slice(at + 1).map((tag) => tag.timestampMs)));
    tags.forEach((tag, at) => {
      const isHeader = tag.body[1] === 0;
      if (isHeader)
        assert.ok(tag.timestampMs <= earliestAfter[at]!, `${tag.timestampMs} > ${earliestAfter[at]}`);
    });
  }
});

test('a viewer who comes when there is no picture to begin with waits for one that builds on nothing', (context) => {
  context.mock.timers.enable({ apis: ['setTimeout'] });
  const { made, asked } = programme();
  // No key frame for 11 s: what there is since the last is too much to send.
  for (let index = 0; index < 275; index += 1) {
    made.frame(picture(index * 40_000, index === 0, configOf(1)));
    made.frame(sound(index * 40_000));
  }
  const ear = new Ear();
  made.join(flvWire, ear);
  assert.equal(asked(), 1);
  for (let index = 275; index < 300; index += 1) {
    made.frame(picture(index * 40_000, index === 290, configOf(1)));
    made.frame(sound(index * 40_000));
    context.mock.timers.tick(40);
  }
  made.end();
  const [first, ...rest] = ear
    .tags()
    .flatMap((tag) => (tag.type === 'video' ? [parseVideoBody(tag.body)] : []));
  assert.equal(first?.type, 'config');
  assert.ok(rest[0]?.type === 'frame' && rest[0].key);
  assert.equal(rest.length, 10);
});

test('sound alone gets a black picture, so that players do not stand still', () => {
  const { made } = programme();
  const ear = new Ear();
  made.join(flvWire, ear);
  for (let us = 0; us < 3e6; us += 21_333) made.frame(sound(us));
  made.end();
  const pictures = ear
    .tags()
    .filter((tag) => tag.type === 'video')
    .map((tag) => parseVideoBody(tag.body));
  assert.ok(pictures.filter((body) => body.type === 'frame' && body.key).length >= 4);
});

test('a camera that stalls while people talk is asked for a key frame and goes on with it', () => {
  const { made, asked } = programme();
  const ear = new Ear();
  made.frame(sound(0));
  made.frame(picture(0, true, configOf(1), 5_000));
  made.join(flvWire, ear);
  for (let us = 21_333; us < 2e6; us += 21_333) made.frame(sound(us));
  assert.ok(asked() >= 1);
  made.frame(picture(2e6, false, configOf(1), 777));
  made.frame(picture(2.04e6, true, configOf(1), 888));
  made.end();
  const sizes = ear
    .tags()
    .filter((tag) => tag.type === 'video')
    .map((tag) => parseVideoBody(tag.body))
    .flatMap((body) => (body.type === 'frame' ? [body.data.length] : []));
  assert.ok(!sizes.includes(777), 'what builds on a forgotten picture is left out');
  assert.equal(sizes.at(-1), 888);
});

test('neither picture nor sound goes back in time, wherever they come back after having been filled in', () => {
  for (let backUs = 1.2e6; backUs < 1.26e6; backUs += 1_000) {
    const { made } = programme();
    const ear = new Ear();
    made.join(flvWire, ear);
    for (let us = 0; us < 2e6; us += 40_000) made.frame(picture(us, us === 0, configOf(1)));
    for (let us = backUs; us < 6e6; us += 21_333) made.frame(sound(us));
    // The camera was away for as long as it had to be to be missed, and is later than the sound.
    for (let us = 5.7e6; us < 6.3e6; us += 40_000) made.frame(picture(us, us === 5.7e6, configOf(1), 999));
    made.end();
    for (const type of ['video', 'audio'] as const) {
      const times = ear
        .tags()
        .flatMap((tag) => (tag.type === type && tag.body[1] === 1 ? [tag.timestampMs] : []));
      times
        .slice(1)
        .forEach((time, at) => assert.ok(time > times[at]!, `${type} ${time} after ${times[at]}`));
    }
  }
});

test('a class without a microphone gets silence, and the first word when somebody speaks', () => {
  const { made } = programme();
  const ear = new Ear();
  made.join(flvWire, ear);
  for (let index = 0; index < 75; index += 1) {
    made.frame(picture(index * 40_000, index % 50 === 0, configOf(1)));
  }
  made.frame(sound(2.96e6));
  made.end();
  assert.equal(ear.heard[0]?.[4], 5, 'sound and picture from the start');
  const sounds = ear.tags().filter((tag) => tag.type === 'audio');
  const times = sounds.map((tag) => tag.timestampMs);
  assert.deepEqual(
    times,
    [...times].sort((a, b) => a - b),
  );
  assert.equal(times.at(-1), 2960);
  assert.ok(sounds.length > 100);
});

test('silence before the first sound leads up to it without a seam', () => {
  const { made } = programme();
  const ear = new Ear();
  made.join(flvWire, ear);
  for (let index = 0; index < 7; index += 1) made.frame(picture(index * 40_000, index === 0, configOf(1)));
  const unitUs = (1_024 * 1e6) / 48_000;
  for (let index = 0; index < 9; index += 1) made.frame(sound(Math.round(254_000 + index * unitUs)));
  made.end();
  // Of the sound alone the configuration comes first, with no time of its own.
  const times = ear
    .tags()
    .flatMap((tag) => (tag.type === 'audio' && tag.body[1] === 1 ? [tag.timestampMs] : []));
  assert.ok(times.length > 15 && (times[0] ?? 0) < unitUs / 1_000, `${times.join(' ')} ms`);
  for (const [index, time] of times.entries()) {
    const meantMs = 254 + ((index - (times.length - 9)) * unitUs) / 1_000;
    assert.ok(Math.abs(time - meantMs) <= 1, `${times.join(' ')} ms`);
  }
});

test('what a sender is stepped forward for is silence, the least of it too', () => {
  const { made } = programme();
  const ear = new Ear();
  made.join(flvWire, ear);
  const lostUs = (EARLY_MS + 1) * 1_000;
  for (let index = 0; index < 7; index += 1) made.frame(picture(index * 40_000, index === 0, configOf(1)));
  for (let index = 0; index < 20; index += 1)
    made.frame(sound(Math.round(index * AUDIO_US) + (index < 10 ? 0 : lostUs)));
  made.end();
  const times = ear
    .tags()
    .flatMap((tag) => (tag.type === 'audio' && tag.body[1] === 1 ? [tag.timestampMs] : []));
  assert.equal(times.length, 22, 'two frames of silence');
  for (const [index, time] of times.entries())
    assert.ok(time - (times[index - 1] ?? time) < 40, `${times.join(' ')} ms`);
});
