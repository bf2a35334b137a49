// The search of a replay: asked once a person stops writing, and never showing what another word found.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import { LecternError } from '#shared/contract/errors.ts';
import type { ReplayFound } from '#shared/contract/rest.ts';
import './svelte-modules.ts';

const { Moments } = await import('../../../web/state/moments.svelte.ts');

function search() {
  const asked: { q: string; answer: (found: ReplayFound) => void; refuse: (error: Error) => void }[] = [];
  let due: (() => void) | undefined;
  const moments = new Moments((q) => new Promise((answer, refuse) => asked.push({ q, answer, refuse })), {
    after(_ms, call) {
      due = call;
      return () => (due = undefined);
    },
  });
  const pause = () => {
    due?.();
    due = undefined;
  };
  return { moments, asked, pause };
}
const found = (text: string): ReplayFound => ({
  found: [{ kind: 'message', id: 'm1', name: 'Ada', text, atMs: 1 }],
  hasMore: false,
});

test('asks when the writing pauses, and for nothing without a word', async () => {
  const { moments, asked, pause } = search();
  for (const text of ['l', 'le', 'leaf', 'leaf ']) moments.search(text);
  assert.equal(moments.state.name, 'searching');
  pause();
  assert.deepEqual(
    asked.map(({ q }) => q),
    ['leaf'],
  );
  asked[0]?.answer(found('A leaf'));
  await setImmediate();
  assert.partialDeepStrictEqual(moments.state, { name: 'ready', found: [{ text: 'A leaf' }] });
  moments.search('  ');
  assert.equal(moments.state.name, 'idle');
  pause();
  assert.equal(asked.length, 1);
});

test('an answer to another word is not shown, and a refusal is asked again by the person', async () => {
  const { moments, asked, pause } = search();
  moments.search('old');
  pause();
  moments.search('new');
  pause();
  asked[0]?.answer(found('old'));
  await setImmediate();
  assert.equal(moments.state.name, 'searching');
  asked[1]?.refuse(new LecternError('rate-limited'));
  await setImmediate();
  assert.deepEqual(moments.state, { name: 'failed', code: 'rate-limited' });
  moments.again();
  asked[2]?.answer(found('new'));
  await setImmediate();
  assert.equal(moments.state.name, 'ready');
  moments.search('late');
  pause();
  moments.close();
  asked[3]?.answer(found('late'));
  await setImmediate();
  assert.partialDeepStrictEqual(moments.state, { found: [{ text: 'new' }] });
});
