// A file is the old one or the new one, whole.
import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { DRAFT, writeAtomically, writeAtomicallySync } from '../../../server/atomic-file.ts';

const folder = mkdtempSync(join(tmpdir(), 'lectern-atomic-'));
after(() => rmSync(folder, { recursive: true, force: true }));

const WRITERS = {
  writeAtomically,
  writeAtomicallySync: async (...args: [string, string]) => writeAtomicallySync(...args),
};

for (const [name, write] of Object.entries(WRITERS)) {
  test(`${name}: a file is replaced, is its owner’s alone, and nothing is left next to it`, async () => {
    const dir = join(folder, name);
    mkdirSync(dir);
    const path = join(dir, 'a.json');
    await write(path, 'old');
    // What a crash left behind is no hindrance.
    writeFileSync(path + DRAFT, 'half of what never', { mode: 0o600 });
    await write(path, 'new');
    assert.equal(readFileSync(path, 'utf8'), 'new');
    assert.equal(statSync(path).mode & 0o077, 0);
    assert.deepEqual(readdirSync(dir), ['a.json']);
  });

  test(`${name}: what cannot be written leaves the file as it was`, async () => {
    const path = join(folder, `${name}.json`);
    await write(path, 'old');
    mkdirSync(path + DRAFT);
    await assert.rejects(write(path, 'new'), { code: 'EISDIR' });
    assert.equal(readFileSync(path, 'utf8'), 'old');
  });
}
