// What the people of a room, and the program that publishes to it, are called.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { PeerView } from '#shared/contract/signalling.ts';
import { ENCODER_ID } from '#shared/domain/sources.ts';
import '../web-shell/svelte-modules.ts';

const { nameOf, partOf } = await import('../../../web/view/classroom/words.ts');
const { setLocale } = await import('../../../web/state/i18n.svelte.ts');

const peer = (name: string, role: PeerView['role'], id = 'somebody'): PeerView => ({
  id,
  name,
  role,
  permissions: [],
  state: 'present',
  joinedAtMs: 0,
});

test('a program without a name of its own is called what it is, in the language of the page', (t) => {
  t.after(() => setLocale('en'));
  const nameless = peer('Encoder', 'assistant', ENCODER_ID);
  assert.deepEqual([nameOf(nameless), partOf(nameless)], ['Encoder', null]);
  setLocale('zh');
  assert.deepEqual([nameOf(nameless), partOf(nameless)], ['外部编码器', null]);
  const obs = peer('OBS', 'assistant', ENCODER_ID);
  assert.deepEqual([nameOf(obs), partOf(obs)], ['OBS', '外部编码器']);
});

test('a person keeps the name that was typed, and students need no word for what they are', () => {
  assert.deepEqual(
    [nameOf(peer('Encoder', 'student')), partOf(peer('Encoder', 'student'))],
    ['Encoder', null],
  );
  assert.equal(partOf(peer('Ada', 'assistant')), 'Assistant');
});
