// Each change of a recording is told to one listener: the broadcast that holds it, else the store's own.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { createLog } from '#server/log.ts';
import { RecordingStore } from '../../../gateway/store/recording-store.ts';

const INFO = { broadcast: 'broadcast123', lesson: 'lesson123', channel: 'channel123', title: 'Told once' };

test('what happens to a recording is told once, also after a restart', async (context) => {
  const dir = mkdtempSync(join(tmpdir(), 'lectern-told-'));
  context.after(() => rmSync(dir, { recursive: true, force: true }));
  const told: string[] = [];
  const open = () =>
    RecordingStore.open({
      dir,
      resumeMs: 60_000,
      log: createLog('silent', 'test'),
      onChanged: ({ state }) => told.push(`store: ${state}`),
    });
  const hooks = {
    changed: ({ state }: { state: string }) => told.push(`broadcast: ${state}`),
    troubled: () => told.push('broadcast: could not write'),
  };

  const before = await open();
  before.take(INFO, hooks);
  await before.close();
  const after = await open();
  await after.take(INFO, hooks).end();
  await after.close();
  assert.deepEqual(told, ['broadcast: failed'], 'nothing came, and that is said once');
});
