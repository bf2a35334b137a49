// The thumbnails of a seek bar: one request at a time, and what is shown is what is pointed at.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import './svelte-modules.ts';
import { thumbnailAddress } from '../../../web/engine/player/signed-address.ts';
import { HandClock } from './hand-player.ts';

const { Thumbnails } = await import('../../../web/state/thumbnails.svelte.ts');

const LENGTH_S = 100;

/** A bar of which the test answers the requests. */
function bar() {
  const clock = new HandClock();
  const asked: { address: string; answer: (picture: string | null) => void; refuse: () => void }[] = [];
  const released: string[] = [];
  let base: string | undefined = 'thumb';
  const thumbnails = new Thumbnails({
    clock,
    addressOf: (atS) => base && `${base}-${atS}`,
    pictures: {
      load: (address) =>
        new Promise((answer, reject) => {
          asked.push({ address, answer, refuse: () => reject(new Error('busy')) });
        }),
      release: (picture) => released.push(picture),
    },
  });
  return {
    thumbnails,
    clock,
    released,
    asked: () => asked.map(({ address }) => address),
    lead: (to: string | undefined) => (base = to),
    async answer(picture: string | null) {
      asked.at(-1)?.answer(picture);
      await turn();
    },
    async refuse() {
      asked.at(-1)?.refuse();
      await turn();
    },
  };
}

test('a mouse that passes over the whole bar asks for what it began with, and then for where it is', async () => {
  const { thumbnails, asked, answer } = bar();
  for (let atS = 0; atS <= 80; atS += 0.5) thumbnails.lookAt(atS, LENGTH_S);
  assert.deepEqual(asked(), ['thumb-0']);
  await answer('first');
  assert.equal(thumbnails.picture, null, 'not that of another moment');
  assert.deepEqual(asked(), ['thumb-0', 'thumb-80']);
  await answer('last');
  assert.equal(thumbnails.picture, 'last');
  thumbnails.lookAt(0.9, LENGTH_S);
  assert.equal(thumbnails.picture, 'first');
  thumbnails.lookAt(undefined, LENGTH_S);
  assert.equal(thumbnails.picture, null);
  assert.equal(asked().length, 2, 'what was loaded is not asked for again');
});

test('where there is none, it is asked for again only after a while', async () => {
  const { thumbnails, clock, asked, answer } = bar();
  thumbnails.lookAt(98, LENGTH_S);
  await answer(null);
  thumbnails.lookAt(98.4, LENGTH_S);
  assert.equal(asked().length, 1);
  clock.pass(6_000);
  thumbnails.lookAt(98.4, LENGTH_S);
  await answer('there by now');
  assert.equal(thumbnails.picture, 'there by now');
});

test('a server that is busy is left alone for a moment', async () => {
  const { thumbnails, clock, asked, refuse, answer } = bar();
  thumbnails.lookAt(10, LENGTH_S);
  await refuse();
  for (let atS = 12; atS <= 40; atS += 2) thumbnails.lookAt(atS, LENGTH_S);
  assert.deepEqual(asked(), ['thumb-10']);
  clock.pass(2_000);
  assert.deepEqual(asked(), ['thumb-10', 'thumb-40']);
  await answer('forty');
  assert.equal(thumbnails.picture, 'forty');
});

test('of another broadcast nothing is kept, and what comes late of the one before is let go', async () => {
  const { thumbnails, released, asked, lead, answer } = bar();
  thumbnails.lookAt(10, LENGTH_S);
  await answer('old');
  thumbnails.lookAt(20, LENGTH_S);
  lead('other');
  thumbnails.clear();
  await answer('late');
  assert.deepEqual(released, ['old', 'late']);
  assert.deepEqual(asked(), ['thumb-10', 'thumb-20', 'other-20']);
  await answer('new');
  assert.equal(thumbnails.picture, 'new');
  thumbnails.close();
  assert.deepEqual(released, ['old', 'late', 'new']);
});

test('nothing is asked for before there is an address', () => {
  const { thumbnails, asked, lead } = bar();
  lead(undefined);
  thumbnails.lookAt(10, LENGTH_S);
  assert.deepEqual(asked(), []);
});

test('its address is next to the playlist, with the same signature', () => {
  assert.equal(
    thumbnailAddress('https://class.example.org/replay/abc/index.m3u8?expires=9&sign=s', 12),
    'https://class.example.org/replay/abc/thumb-12.jpg?expires=9&sign=s',
  );
});
