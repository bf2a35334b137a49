import assert from 'node:assert/strict';
import { mock, test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { LecternError } from '#shared/contract/errors.ts';
import './svelte-modules.ts';
import type { Replay } from '../../../web/state/replay-search.svelte.ts';

const { ReplaySearch } = await import('../../../web/state/replay-search.svelte.ts');

/** Lets `ms` pass in steps, with the answers that come in it. */
async function pass(ms: number): Promise<void> {
  for (let passed = 0; passed < ms; passed += 500) {
    for (let turns = 0; turns < 4; turns += 1) await turn();
    mock.timers.tick(500);
  }
  for (let turns = 0; turns < 4; turns += 1) await turn();
}

function search(first: Replay | 'no answer') {
  let said = first;
  let asked = 0;
  const found = new ReplaySearch(() => {
    asked += 1;
    return said === 'no answer' ? Promise.reject(new Error('no answer')) : Promise.resolve(said);
  });
  return { found, asked: () => asked, say: (next: Replay | 'no answer') => void (said = next) };
}

test('while a replay is made ready, however long, the page says so, and has it when it is there', async (t) => {
  mock.timers.enable({ apis: ['setTimeout'] });
  t.after(() => mock.timers.reset());
  for (const meanwhile of [{ name: 'preparing' }, 'no answer'] as const) {
    const { found, say, asked } = search(meanwhile);
    await pass(70_000);
    assert.equal(found.found.name, 'preparing');
    assert.ok(asked() <= 15, `${asked()} questions`);
    say({ name: 'ready', url: 'https://class.example.org/replay/x' });
    await pass(10_000);
    assert.equal(found.found.name, 'ready');
    const before = asked();
    await pass(60_000);
    assert.equal(asked(), before);
  }
});

test('that nothing was recorded is said once it is known, and asked about for a while longer', async (t) => {
  mock.timers.enable({ apis: ['setTimeout'] });
  t.after(() => mock.timers.reset());
  const { found, asked } = search({ name: 'none' });
  await pass(0);
  assert.equal(found.found.name, 'none');
  await pass(600_000);
  assert.ok(asked() >= 4 && asked() < 12, `${asked()} questions`);
});

test('a link that was replaced during the class is told, and not asked about forever', async (t) => {
  mock.timers.enable({ apis: ['setTimeout'] });
  t.after(() => mock.timers.reset());
  let asked = 0;
  const found = new ReplaySearch(() => {
    asked += 1;
    return Promise.reject(new LecternError(asked === 1 ? 'service-unavailable' : 'link-replaced'));
  });
  await pass(0);
  assert.equal(found.found.name, 'preparing', 'a server that is away says nothing of the link');
  await pass(60_000);
  assert.deepEqual(found.found, { name: 'refused', code: 'link-replaced' });
  assert.equal(asked, 2);
});
