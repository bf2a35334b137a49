// The replay of a class in parts: where they meet, where it begins and goes on, and how it is listed.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import './svelte-modules.ts';
import type { Recording } from '#shared/contract/rest.ts';
import { Api } from '../../../web/engine/api.ts';
import type { ReplayPlayer, ReplayPlayerOptions } from '../../../web/engine/player/replay-player.ts';
import { replaysOf } from '../../../web/state/replays.ts';
import { HandClock } from './hand-player.ts';

const { ReplayStore } = await import('../../../web/state/replay.svelte.ts');

const T0 = Date.parse('2026-03-02T09:00:00Z');
const MINUTE_MS = 60_000;

/** A recording that begins `atMin` minutes after nine and lasts `min` minutes. */
const recording = (id: string, atMin: number, min: number, more: Partial<Recording> = {}): Recording => ({
  ...{ id, lesson: 'lesson1234', firstPart: 'part0001', title: null, state: 'ready' },
  ...{ startedAtMs: T0 + atMin * MINUTE_MS, durationMs: min * MINUTE_MS, bytes: 1 },
  ...{ kept: false, mayGo: false, goesAtMs: null, trim: null, files: [], still: null },
  replay: `http://lectern/replay/${id}#invite=x`,
  hls: `http://lectern/replay/${id}/index.m3u8`,
  ...more,
});
const PARTS = [recording('part0001', 0, 20), recording('part0002', 30, 10), recording('part0003', 60, 5)];

/** What a browser keeps. */
function memory() {
  const kept = new Map<string, string>();
  return {
    get: (key: string) => kept.get(key) ?? null,
    set(key: string, value: string | null) {
      if (value === null) kept.delete(key);
      else kept.set(key, value);
    },
  };
}

/** Opens the page of the recording `asked`; the replay consists of `parts`, which may change. */
async function open(asked: string, parts = PARTS.slice(0, 2), store = memory()) {
  const clock = new HandClock();
  let now = parts;
  let count = 0;
  const api = new Api((address) => {
    if (!String(address).endsWith('/playback')) return Promise.resolve(Response.json({ chapters: [] }));
    count += 1;
    const name = now.map(({ id }) => id).join('-');
    const found = now.find(({ id }) => id === asked);
    const hls = `http://lectern/replay/parts-${name}/index.m3u8?sign=${count}`;
    return Promise.resolve(
      found === undefined
        ? Response.json({ error: { code: 'not-found', message: 'no' } }, { status: 404 })
        : Response.json({
            ...{ title: 'Cells', watermark: null, hasChat: true, mayEdit: false },
            ...{ recording: found, parts: now, hls },
          }),
    );
  });
  let options: Pick<ReplayPlayerOptions, 'fromS' | 'address' | 'events'> | undefined;
  const pictures = { load: () => Promise.resolve(null), release: () => undefined };
  const replay = new ReplayStore({
    pictures,
    ...{ recording: asked, invite: 'invitation', api, clock, random: () => 0, wallMs: () => T0, store },
    createPlayer: (_video, given) => {
      options = given;
      return { close: () => undefined, beginAt: () => undefined } as unknown as ReplayPlayer;
    },
  });
  const settled = async () => {
    for (let turns = 0; turns < 10; turns += 1) await turn();
  };
  await settled();
  const detach = replay.attach({} as HTMLVideoElement);
  return {
    replay,
    settled,
    player: () => options ?? assert.fail('nothing plays'),
    become: (changed: readonly Recording[]) => (now = [...changed]),
    asked: () => count,
    leave() {
      detach();
      replay.close();
      assert.equal(clock.pending, 0);
    },
  };
}

const seamsOf = ({ replay }: Awaited<ReturnType<typeof open>>) =>
  replay.seams.map(({ number, atS }) => [number, atS]);

test('parts meet where the playlist says, and before it is there where their lengths do', async () => {
  const page = await open('part0001', PARTS);
  assert.deepEqual(seamsOf(page), [
    [2, 1_200],
    [3, 1_800],
  ]);
  assert.equal(
    page.player().address(),
    'http://lectern/replay/parts-part0001-part0002-part0003/index.m3u8?sign=1',
  );
  const at = (min: number) => T0 + min * MINUTE_MS;
  assert.equal(page.replay.positionOf(at(31)), 1_260, 'a message of the second part');
  // Each recording was begun half a second before its first picture; the first lasts three more than was told.
  page.player().events.marks([
    { startS: 0, endS: 1_203, wallMs: at(0) + 500 },
    { startS: 1_203, endS: 1_803, wallMs: at(30) + 500 },
    { startS: 1_803, endS: 2_103, wallMs: at(60) + 500 },
  ]);
  assert.deepEqual(seamsOf(page), [
    [2, 1_203],
    [3, 1_803],
  ]);
  assert.equal(page.replay.positionOf(at(25)), 1_203, 'what was written in the break is where class goes on');
  assert.deepEqual(
    [0, 1_202, 1_203, 1_900].map((atS) => page.replay.partAt(atS).number),
    [1, 1, 2, 3],
  );
  assert.equal(page.replay.partAt(1_203).startedAtMs, at(30));
  page.leave();
});

test('a class of one part has no seam', async () => {
  const page = await open('part0001', PARTS.slice(0, 1));
  assert.deepEqual(seamsOf(page), []);
  assert.equal(page.replay.partAt(600).number, 1);
  page.leave();
});

test('the page of a later part begins with it, but goes on behind that where somebody left', async () => {
  const fromS = async (asked: string, store = memory()) => {
    const page = await open(asked, PARTS, store);
    const { resumedAtS } = page.replay;
    const begins = page.player().fromS;
    page.leave();
    return [begins, resumedAtS];
  };
  assert.deepEqual(await fromS('part0001'), [0, null]);
  assert.deepEqual(await fromS('part0002'), [1_200.1, null]);
  const store = memory();
  const page = await open('part0001', PARTS, store);
  page.replay.sought(1_500, 2_100);
  page.leave();
  assert.deepEqual(await fromS('part0001', store), [1_500, 1_500]);
  assert.deepEqual(await fromS('part0002', store), [1_500, 1_500]);
  assert.deepEqual(await fromS('part0003', store), [1_800.1, null]);
});

test('where somebody left is known after the class went on in another part', async () => {
  const store = memory();
  const page = await open('part0001', PARTS.slice(0, 1), store);
  page.replay.sought(900, 1_200);
  page.leave();
  const later = await open('part0001', PARTS, store);
  assert.equal(later.player().fromS, 900);
  later.leave();
});

test('after a part was deleted or addresses were revoked the player is given others, and is told of an end', async () => {
  const page = await open('part0001', PARTS);
  const { events } = page.player();
  page.become(PARTS.slice(0, 2));
  events.state({ name: 'retrying', failure: { kind: 'network' } });
  await page.settled();
  assert.equal(page.asked(), 1, 'a network that fails is no reason');
  events.state({ name: 'retrying', failure: { kind: 'refused', status: 404 } });
  events.state({ name: 'retrying', failure: { kind: 'refused', status: 404 } });
  await page.settled();
  assert.equal(page.asked(), 2, 'one question at a time');
  assert.equal(page.player().address(), 'http://lectern/replay/parts-part0001-part0002/index.m3u8?sign=2');
  assert.equal(page.replay.seams.length, 1);
  page.become(PARTS.slice(1));
  events.state({ name: 'retrying', failure: { kind: 'refused', status: 404 } });
  await page.settled();
  assert.deepEqual(page.replay.phase, { name: 'refused', code: 'not-found' });
  page.leave();
});

test('a class is listed once, with its whole length and under the first name that one of its parts has', () => {
  const evening = recording('evening1', 600, 30, { firstPart: 'evening1', title: 'Evening' });
  const onAir = recording('onair001', 700, 1, { firstPart: 'onair001', state: 'writing' });
  const named = { ...PARTS[1]!, title: 'The leaf' };
  const listed = replaysOf([onAir, evening, PARTS[2]!, named, PARTS[0]!]);
  assert.deepEqual(
    listed.map(({ first, parts, title, durationMs }) => [
      first.id,
      parts.length,
      title,
      durationMs / MINUTE_MS,
    ]),
    [
      ['onair001', 1, null, 1],
      ['evening1', 1, 'Evening', 30],
      ['part0001', 3, 'The leaf', 35],
    ],
  );
});
