// The chapters of a replay: where they are in the picture, and that they are asked for until they are there.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import './svelte-modules.ts';
import { Api } from '../../../web/engine/api.ts';
import type { ReplayPlayer, ReplayPlayerOptions } from '../../../web/engine/player/replay-player.ts';
import { HandClock } from './hand-player.ts';

const { ReplayStore } = await import('../../../web/state/replay.svelte.ts');

const AT = Date.parse('2026-11-21T10:00:00.000Z');
const marked = (id: string, afterMs: number) => ({ id, title: null, markedAtMs: AT + afterMs });

/** A replay of which the chapters cannot be had the first `failures` times. */
function open(failures: number) {
  const clock = new HandClock();
  let asked = 0;
  const recording = {
    ...{ id: 'abcdefgh', lesson: 'ijklmnop', state: 'ready', startedAtMs: AT, durationMs: 20_000 },
    ...{
      bytes: 1,
      firstPart: 'abcdefgh',
      title: null,
      kept: false,
      mayGo: false,
      goesAtMs: null,
      trim: null,
      files: [],
      replay: 'http://lectern/replay/abcdefgh',
      hls: 'http://lectern/index.m3u8',
      still: null,
    },
  };
  const issued = { title: 'Cells', watermark: null, hls: recording.hls };
  // The last one was marked while the teacher's network was away.
  const chapters = [marked('start', -500), marked('leaves', 4_000), marked('gap', 40_000)];
  const api = new Api((address) => {
    if (!String(address).endsWith('/chapters'))
      return Promise.resolve(
        Response.json({ ...issued, hasChat: true, mayEdit: false, recording, parts: [recording] }),
      );
    asked += 1;
    return asked > failures
      ? Promise.resolve(Response.json({ chapters }))
      : Promise.reject(new TypeError('away'));
  });
  let events: ReplayPlayerOptions['events'] | undefined;
  const replay = new ReplayStore({
    ...{ recording: 'abcdefgh', invite: 'invitation', api, clock, random: () => 0, wallMs: () => AT },
    store: { get: () => null, set: () => undefined },
    pictures: { load: () => Promise.resolve(null), release: () => undefined },
    createPlayer: (_video, options) => {
      events = options.events;
      return { close: () => undefined } as unknown as ReplayPlayer;
    },
  });
  const marks: ReplayPlayerOptions['events']['marks'] = (all) => events?.marks(all);
  const settled = async () => {
    for (let turns = 0; turns < 10; turns += 1) await turn();
  };
  const places = () => replay.chapters.map(({ id, atS }) => [id, atS]);
  return { replay, clock, marks, settled, places, asked: () => asked };
}

test('a chapter is where the picture was when it was marked, after an interruption too', async () => {
  const { replay, marks, settled, places } = open(0);
  await settled();
  replay.attach({} as HTMLVideoElement);
  // Ten seconds of class, a minute without, ten more.
  marks([
    { startS: 0, endS: 10, wallMs: AT },
    { startS: 10, endS: 20, wallMs: AT + 70_000 },
  ]);
  assert.deepEqual(places(), [
    ['start', 0],
    ['leaves', 4],
    ['gap', 10],
  ]);
  replay.close();
});

test('chapters that cannot be had are asked for again, until the page is left', async () => {
  const { replay, clock, settled, places, asked } = open(2);
  await settled();
  assert.deepEqual(places(), []);
  clock.pass(3_000);
  await settled();
  clock.pass(3_000);
  await settled();
  assert.equal(asked(), 3);
  assert.deepEqual(places()[1], ['leaves', 4], 'before the player knows better');
  replay.close();
  assert.equal(clock.pending, 0);
});
