// What all players have in common: their keys, their volume, their choice of a quality.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import './svelte-modules.ts';

const { Playback } = await import('../../../web/view/player/playback.svelte.ts');
const { pressKey } = await import('../../../web/view/player/keys.ts');
const { qualityItems } = await import('../../../web/view/player/quality.ts');

/** A player, and what its keys did. */
function player() {
  const playback = new Playback();
  const did: string[] = [];
  const press = (key: string) =>
    pressKey({ key } as KeyboardEvent, {
      playback,
      fullscreen: () => did.push('fullscreen'),
      toggle: () => did.push('toggle'),
      unmute: () => {
        did.push('unmute');
        playback.unmute();
      },
      own: { l: () => did.push('own') },
    });
  return { playback, did, press };
}

test('keys do the same in every player, also with caps lock, and others are left to the page', () => {
  const { did, press } = player();
  for (const key of [' ', 'k', 'K', 'F', 'l']) assert.equal(press(key), true, key);
  assert.deepEqual(did, ['toggle', 'toggle', 'toggle', 'fullscreen', 'own']);
  for (const key of ['x', 'Tab', 'Enter']) assert.equal(press(key), false, key);
});

test('sound goes off and on by a key; the volume stops at its ends', () => {
  const { playback, did, press } = player();
  press('m');
  assert.equal(playback.muted, true);
  press('m');
  assert.equal(playback.muted, false);
  assert.deepEqual(did, ['unmute']);
  press('ArrowUp');
  assert.equal(playback.volume, 1);
  for (let times = 0; times < 12; times += 1) press('ArrowDown');
  assert.equal(playback.volume, 0);
});

test('what the browser muted is shown as muted', () => {
  const { playback } = player();
  playback.video = { muted: true } as HTMLVideoElement;
  playback.noticeMuted();
  assert.equal(playback.muted, true);
});

test('what is loaded counts from where it plays, up to the first gap', () => {
  const { playback } = player();
  const ranges = [
    [0, 4],
    [10, 25],
  ] as const;
  const buffered = { length: 2, start: (at: 0 | 1) => ranges[at][0], end: (at: 0 | 1) => ranges[at][1] };
  playback.video = { buffered } as unknown as HTMLVideoElement;
  const loadedAt = (position: number) => {
    playback.position = position;
    return playback.buffered;
  };
  assert.deepEqual([2, 12, 7].map(loadedAt), [4, 25, 0]);
});

test('qualities are offered from the finest to the coarsest, and automatic says what it took', () => {
  const chosen: (number | null)[] = [];
  const levels = [180, 360, 720].map((height, index) => ({ index, height, bitrate: 0 }));
  const items = qualityItems({ levels, current: 1, chosen: null }, (index) => chosen.push(index));
  const lines = items.flatMap((item) => ('id' in item ? [item] : []));
  assert.deepEqual(
    lines.map(({ label, checked }) => [label, checked]),
    [
      ['Automatic (360p)', true],
      ['720p', false],
      ['360p', false],
      ['180p', false],
    ],
  );
  for (const { onselect } of lines) onselect();
  assert.deepEqual(chosen, [null, 2, 1, 0]);
  const one = { levels: levels.slice(0, 1), current: 0, chosen: null };
  assert.deepEqual(
    qualityItems(one, () => undefined),
    [],
  );
});

test('qualities that are equally high are told apart by their rate', () => {
  const levels = [
    { index: 0, height: 360, bitrate: 640_000 },
    { index: 1, height: 720, bitrate: 950_000 },
    { index: 2, height: 720, bitrate: 2_100_000 },
  ];
  const labels = qualityItems({ levels, current: 1, chosen: null }, () => undefined).flatMap((item) =>
    'id' in item ? [item.label] : [],
  );
  assert.deepEqual(labels, ['Automatic (720p, 950 kb/s)', '720p, 2.1 Mb/s', '720p, 950 kb/s', '360p']);
});
