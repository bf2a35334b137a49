// What the SFU tells the school of itself.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { INTERNAL } from '#shared/contract/internal-api.ts';
import { internalClient } from '#server/internal-client.ts';
import { makeWorld } from './world.ts';

test('the SFU tells of its rooms and workers, to the other services alone', async () => {
  const world = await makeWorld();
  try {
    const url = `${world.url}/internal/status`;
    assert.equal((await fetch(url)).status, 401);
    const told = await internalClient(INTERNAL.sfu, () => [world.url], world.secrets.internal).status();
    assert.deepEqual([told.rooms, told.people, told.workers, told.workerDeaths], [0, 0, 1, 0]);
    assert.ok(told.vitals.memoryBytes > 10e6);
    const post = await fetch(url, {
      method: 'POST',
      headers: { authorization: `Bearer ${world.secrets.internal}` },
    });
    assert.equal(post.status, 405);
  } finally {
    await world.close();
  }
});
