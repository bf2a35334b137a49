// OBS Studio itself publishes to a whole Lectern, with the server and the key that a class hands out, and
// with its settings as docs/publishing.md has them; then as it is out of the box.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test, type TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { Lesson } from '#shared/contract/rest.ts';
import { ENCODER_ID } from '#shared/domain/sources.ts';
import type { BroadcastView } from '#shared/contract/features/broadcast.ts';
import { decodeErrors, median, probe, skewsMs } from '../../support/av.ts';
import { freePort } from '../../support/free-port.ts';
import { eventually, startLectern, type Lectern } from '../../support/lectern.ts';
import { Obs, obsMissing, obsVersion, type ObsOutput } from '../../support/obs.ts';
import { startRtmpTap, type RtmpTap } from '../../support/rtmp-tap.ts';
import { watchFlv } from '../../support/watch-flv.ts';
import { Person } from '../sfu/world.ts';
import { flashAndBeep } from './films.ts';

/** What Lectern may add to the distance between sound and picture. OBS's own is up to 75 ms on a busy machine. */
const MAX_ADDED_SKEW_MS = 10;
/** So many flashes are looked at at least. */
const ENOUGH = 6;
/** Longer than the tests: where OBS begins a film again it shifts its sound. */
const FILM_S = 240;

/** Flash and beep are as far apart for who watched as in what OBS sent, one pair after the other. */
async function areTogether(t: TestContext, sent: string, watched: string): Promise<void> {
  const here = await skewsMs(sent);
  const there = await skewsMs(watched);
  const text = (skews: number[]) => `${skews.map((skew) => skew.toFixed(0)).join(' ')} ms`;
  t.diagnostic(`skew as OBS sends it: ${text(here)}; as it is seen: ${text(there)}`);
  // Who watched came and left at other times: the rows are moved along each other until they fit.
  const fits: number[] = [];
  for (let shift = ENOUGH - there.length; shift <= here.length - ENOUGH; shift += 1) {
    const added = there.map((skew, index) => Math.abs(skew - (here[index + shift] ?? Number.NaN)));
    const known = added.filter((ms) => !Number.isNaN(ms));
    if (known.length >= ENOUGH) fits.push(median(known));
  }
  assert.ok(fits.length > 0, `${here.length} and ${there.length} flashes`);
  const addedMs = Math.min(...fits);
  t.diagnostic(`Lectern adds ${addedMs.toFixed(1)} ms`);
  assert.ok(addedMs <= MAX_ADDED_SKEW_MS, `${addedMs} ms`);
}

describe('OBS Studio', { skip: obsMissing ?? false }, () => {
  const folder = mkdtempSync(join(tmpdir(), 'lectern-obs-films-'));
  let lectern: Lectern;
  let tap: RtmpTap;
  let obs: Obs | undefined;

  before(async () => {
    // The gateway is killed below, and OBS has to find the next one at the same place.
    const port = await freePort();
    lectern = await startLectern({ LECTERN_RTMP_PORT: String(port) });
    tap = await startRtmpTap(port);
  });
  after(async () => {
    await obs?.close();
    await tap.close();
    await lectern.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  const open = async (output: ObsOutput): Promise<Obs> => {
    await obs?.close();
    obs = await Obs.open(flashAndBeep(FILM_S), output);
    return obs;
  };
  const ofLesson = async ({ id }: Lesson) => Lesson.parse(await lectern.api('GET', `/lessons/${id}`));
  const outside = ({ publish }: Lesson) => publish?.rtmp ?? assert.fail('nowhere to publish to');
  /** The same server by an entrance where what OBS sends is kept. */
  const throughTap = (url: string) => url.replace(/:\d+\//, `:${tap.port}/`);
  const sent = (name: string): string => {
    const file = join(folder, `${name}-sent.flv`);
    writeFileSync(file, tap.flv());
    return file;
  };
  const plays = (lesson: Lesson) =>
    eventually(
      'FLV plays',
      async () => {
        const response = await fetch(lesson.play.flv);
        await response.body?.cancel();
        return response.ok;
      },
      30_000,
    );
  /** The teacher comes into the room by the link. */
  const teach = (lesson: Lesson) => Person.byLink(lectern, lesson, 'teacher', 'Teacher');
  const attempts = () => (obs?.log ?? '').split('Connecting to RTMP URL').length - 1;

  describe('set as the guide says', () => {
    let lesson: Lesson;
    let teacher: Person;
    let publisher: Obs;
    before(async () => {
      lesson = await lectern.startClass();
      teacher = await teach(lesson);
      publisher = await open('advised');
    });
    after(() => teacher.leave());

    test('is told what is wrong with a wrong key, and does not try forever', async (t) => {
      t.diagnostic(obsVersion());
      const { url, key } = outside(lesson);
      await publisher.paste(url, `${key.slice(0, -4)}AAAA`);
      await publisher.press('StartStream');
      await eventually('OBS has stopped', () => publisher.log.includes('==== Streaming Stop'), 20_000);
      assert.match(publisher.log, /BadName \(publish-key-invalid: This stream key is wrong or was replaced/);
      assert.deepEqual(await publisher.status(), { active: false, reconnecting: false });
      assert.equal(attempts(), 1);
    });

    test('gives the room and the audience its picture and sound, as near to each other as it sends them', async (t) => {
      const { url, key } = outside(lesson);
      await publisher.paste(throughTap(url), key);
      const startedMs = performance.now();
      await publisher.press('StartStream');
      await plays(lesson);
      t.diagnostic(`FLV opens ${Math.round(performance.now() - startedMs)} ms after the button was pressed`);
      const encoder = await teacher.fact('peer:joined', ({ id }) => id === ENCODER_ID);
      assert.equal(encoder.name, 'OBS');
      assert.equal(encoder.notices, undefined, 'nothing is converted');
      const now = await lectern.api('GET', `/lessons/${lesson.id}/encoder`);
      assert.deepEqual(now, { encoder: { kind: 'rtmp', name: 'OBS', state: 'sending', notices: [] } });

      await eventually('HLS plays', async () => (await fetch(lesson.play.hls)).ok, 20_000);
      // What measures it trips over a first second in which the sound is not there yet.
      await sleep(3_000);
      const file = join(folder, 'flash.flv');
      await watchFlv(lesson.play.flv, file, 12_000);
      const whatItSent = sent('flash');
      for (const address of [file, lesson.play.hls, lesson.play.rtmp]) {
        const { streams } = await probe(address);
        const video = streams.find(({ type }) => type === 'video');
        assert.deepEqual([video?.codec, video?.width, video?.height], ['h264', 640, 360], address);
        const audio = streams.find(({ type }) => type === 'audio');
        assert.deepEqual([audio?.codec, audio?.sampleRate], ['aac', 48_000], address);
      }
      assert.equal(await decodeErrors(file), '');
      await areTogether(t, whatItSent, file);
    });

    test('that crashes and is started again keeps its viewers', async (t) => {
      const file = join(folder, 'crash.flv');
      const viewer = watchFlv(lesson.play.flv, file, 25_000);
      await publisher.kill();
      const killedMs = performance.now();
      await publisher.start('streaming');
      await eventually('it publishes', () => publisher.log.includes('==== Streaming Start'), 20_000);
      t.diagnostic(`it publishes again after ${Math.round(performance.now() - killedMs)} ms`);
      await viewer;
      assert.equal(await decodeErrors(file), '');
      assert.ok((await probe(file)).durationS > 24, 'one connection, over the gap');
      await areTogether(t, sent('crash'), file);
      assert.ok(!teacher.seen().includes('peer:left'), 'the room waited for it');
    });

    test('finds the next gateway by itself when one dies, and goes on in the same broadcast', async (t) => {
      const killedMs = performance.now();
      await lectern.kill('gateway');
      await eventually('OBS noticed', async () => (await publisher.status()).reconnecting, 10_000);
      // It waits longer after each attempt that finds no gateway yet.
      await eventually('OBS is back', async () => !(await publisher.status()).reconnecting, 40_000);
      await plays(lesson);
      t.diagnostic(`FLV opens again ${Math.round(performance.now() - killedMs)} ms after the gateway died`);
      assert.doesNotMatch(publisher.log, /already-publishing/, 'it is not in its own way');
      assert.equal((await ofLesson(lesson)).state, 'live');
      const broadcasts = teacher.facts.filter(({ name }) => name === 'broadcast:changed');
      assert.equal(new Set(broadcasts.map(({ data }) => (data as BroadcastView).id)).size, 1);
    });

    test('is cut off when the key is replaced, and told so when it tries again', async () => {
      const left = () => teacher.facts.filter(({ name }) => name === 'peer:left').length;
      const before = left();
      await lectern.api('POST', `/lessons/${lesson.id}/publish-key`);
      // OBS takes a refusal for a passing one once it was let in; it waits longer each time.
      const told = /Publish\.BadName \(publish-key-invalid: [^]*Reconnecting in/;
      await eventually('it was told', () => told.test(publisher.log));
      await publisher.press('StopStream');
      const { url, key } = outside(await ofLesson(lesson));
      await publisher.paste(url, key);
      await eventually('it has stopped', async () => !(await publisher.status()).active);
      const times = (text: string) => publisher.log.split(text).length - 1;
      const starts = times('==== Streaming Start');
      await publisher.press('StartStream');
      await eventually('it is let in with the new key', () => times('==== Streaming Start') > starts, 20_000);
      assert.equal(left(), before, 'its place was kept');
      await publisher.press('StopStream');
      await eventually('its goodbye reaches the room', () => left() > before, 10_000);
    });
  });

  test('out of the box has B-frames: the audience sees none, and the room says what to change', async () => {
    const publisher = await open('untouched');
    const lesson = await lectern.startClass();
    const teacher = await teach(lesson);
    const { url, key } = outside(lesson);
    await publisher.paste(url, key);
    await publisher.press('StartStream');
    await plays(lesson);
    const notices = await eventually(
      'the room is told',
      () => teacher.facts.map(({ data }) => (data as { notices?: unknown[] }).notices).find((some) => some),
      20_000,
    );
    assert.deepEqual(notices, [{ code: 'converted', reasons: ['b-frames'] }]);
    const file = join(folder, 'untouched.flv');
    await watchFlv(lesson.play.flv, file, 8_000);
    assert.equal(await decodeErrors(file), '');
    teacher.leave();
  });
});
