// Relays as the owner changes them on the page.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import './svelte-modules.ts';
import type { RelaysInfo, RelaysWanted } from '#shared/contract/relay.ts';
import { Api } from '../../../web/engine/api.ts';
import { HandClock } from './hand-player.ts';

const { RelaysStore, pushAddress } = await import('../../../web/state/relays.svelte.ts');

const info = (id: string) => ({
  id,
  url: 'rtmp://live.example.com/app/***',
  state: 'running' as const,
  reason: null,
  sinceMs: 0,
  retryAtMs: null,
});

function page(first: RelaysInfo) {
  const said: RelaysWanted[] = [];
  let asked = 0;
  const api = new Api((_url, options) => {
    if (options?.method !== 'PUT') {
      asked += 1;
      return Promise.resolve(Response.json(first));
    }
    said.push(JSON.parse(String(options.body)) as RelaysWanted);
    return Promise.resolve(Response.json({ push: [], pull: null }));
  });
  const clock = new HandClock();
  const store = new RelaysStore(api, clock, 'lesson1234');
  return { store, said, clock, asked: () => asked };
}

test('a server and its stream key are one address', () => {
  assert.equal(pushAddress(' rtmp://a.example/live2/ ', ' abcd '), 'rtmp://a.example/live2/abcd');
  assert.equal(pushAddress('rtmp://a.example/live2/abcd', ''), 'rtmp://a.example/live2/abcd');
});

test('what is there is kept by its id when something is added or removed', async () => {
  const { store, said } = page({ push: [info('aaaaaaaa'), info('bbbbbbbb')], pull: info('cccccccc') });
  assert.equal(await store.addPush('rtmp://a.example/live2', 'abcd'), undefined);
  await store.remove('aaaaaaaa');
  await store.remove('cccccccc');
  await store.setPull('https://a.example/live.m3u8');
  const [a, b, c] = ['aaaaaaaa', 'bbbbbbbb', 'cccccccc'].map((id) => ({ id }));
  assert.deepEqual(said, [
    { push: [a, b, { url: 'rtmp://a.example/live2/abcd' }], pull: c },
    { push: [b], pull: c },
    { push: [a, b], pull: null },
    { push: [a, b], pull: { url: 'https://a.example/live.m3u8' } },
  ]);
});

test('what is no address is said on the page, and nobody is asked', async () => {
  const { store, said, asked } = page({ push: [], pull: null });
  assert.deepEqual(await store.addPush('http://a.example/live2', ''), { kind: 'address' });
  assert.deepEqual(await store.setPull('file:///etc/passwd'), { kind: 'address' });
  assert.deepEqual([said.length, asked()], [0, 0]);
});
