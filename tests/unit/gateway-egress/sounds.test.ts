// The sound of a programme in the codec of each player.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseAudioBody } from '#shared/media/flv.ts';
import { PROGRAMME_OPUS } from '#shared/media/opus.ts';
import { flvOpusWire, flvWire } from '../../../gateway/flv/tag.ts';
import { Ear, programme } from './ear.ts';
import { configOf, picture, sound } from './hand.ts';

const spoken = (us: number) => ({
  kind: 'audio' as const,
  ptsUs: us,
  durationUs: 20_000,
  data: Uint8Array.of(0xfc, 1),
  config: PROGRAMME_OPUS,
});
const soundsOf = (ear: Ear) =>
  ear
    .tags()
    .flatMap((tag) => (tag.type === 'audio' ? [{ ...parseAudioBody(tag.body), ms: tag.timestampMs }] : []));

test('each player gets the sound in the codec that it asked for, and no other', () => {
  const wanted: string[] = [];
  const { made } = programme((now) => wanted.push(now));
  const [plain, modern] = [new Ear(), new Ear()];
  made.join(flvWire, plain);
  made.join(flvOpusWire, modern);
  for (let index = 0; index < 100; index += 1) {
    made.frame(picture(index * 40_000, index % 50 === 0, configOf(1)));
    made.frame(sound(index * 40_000));
    made.frame(spoken(index * 40_000));
    made.frame(spoken(index * 40_000 + 20_000));
  }
  const late = new Ear();
  made.join(flvOpusWire, late);
  assert.equal(made.viewers(flvWire, flvOpusWire), 3);
  made.end();
  assert.deepEqual(wanted, ['aac', 'aac,opus']);
  for (const [ear, codec] of [
    [plain, 'aac'],
    [modern, 'opus'],
    [late, 'opus'],
  ] as const) {
    const bodies = soundsOf(ear);
    assert.equal(bodies[0]?.type, 'config');
    assert.ok(bodies.length > 50);
    for (const body of bodies)
      assert.equal(body.type === 'config' ? body.config.codec : body.type === 'frame' && body.codec, codec);
    assert.ok(ear.tags().some((tag) => tag.type === 'video'));
  }
});

test('who asks for a codec that was not made waits for it, and hears it from where the picture begins', () => {
  const wanted: string[] = [];
  const { made } = programme((now) => {
    wanted.push(now);
    // The last three seconds are made at once.
    if (now === 'opus') for (let us = 0; us < 3e6; us += 20_000) made.frame(spoken(us));
  });
  for (let us = 0; us < 3e6; us += 40_000) {
    made.frame(picture(us, us % 2e6 === 0, configOf(1)));
    made.frame(sound(us));
  }
  const ear = new Ear();
  made.join(flvOpusWire, ear);
  const second = new Ear();
  made.join(flvOpusWire, second);
  made.leave(second);
  assert.deepEqual(wanted, ['opus']);
  made.end();
  const times = soundsOf(ear).flatMap((body) => (body.type === 'frame' ? [body.ms] : []));
  assert.equal(times[0], 2_000, 'as the group of pictures');
  assert.equal(times.at(-1), 2_980);
  times.slice(1).forEach((ms, at) => assert.equal(ms - times[at]!, 20));
});

test('where nobody speaks a codec that was not made is silence, and is not waited for', () => {
  const { made } = programme();
  for (let us = 0; us < 3e6; us += 40_000) made.frame(picture(us, us % 2e6 === 0, configOf(1)));
  const ear = new Ear();
  made.join(flvOpusWire, ear);
  made.frame(picture(3e6, false, configOf(1)));
  assert.ok(ear.heard.length > 0, 'with the very next picture');
  for (let us = 3.04e6; us < 5e6; us += 40_000) made.frame(picture(us, false, configOf(1)));
  made.end();
  const silent = soundsOf(ear).flatMap((body) => (body.type === 'frame' ? [body] : []));
  assert.ok(silent.length > 100);
  assert.ok(silent.every(({ codec, data }) => codec === 'opus' && data.length === 3));
});
