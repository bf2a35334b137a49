// Generated secrets: made once, by whichever process comes first, and never shown.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { promisify } from 'node:util';
import { loadSecrets } from '#server/secrets.ts';

const run = promisify(execFile);
const MODULE = join(import.meta.dirname, '../../../server/secrets.ts');

describe('the secrets of a data folder', () => {
  let dir: string;
  beforeEach(() => {
    dir = join(mkdtempSync(join(tmpdir(), 'lectern-secrets-')), 'data');
  });
  afterEach(() => rmSync(join(dir, '..'), { recursive: true, force: true }));

  it('are made on first use, for their owner’s eyes only, and stay', () => {
    const first = loadSecrets(dir);
    assert.equal(statSync(join(dir, 'secrets.json')).mode & 0o777, 0o600);
    assert.equal(new Set(Object.values(first)).size, 5, 'each is another');
    for (const secret of Object.values(first)) assert.ok(Buffer.from(secret, 'base64url').length >= 32);
    assert.deepEqual(loadSecrets(dir), first);
    assert.deepEqual(readdirSync(dir), ['secrets.json'], 'no draft is left behind');
  });

  it('are the same for all processes that start at once', async () => {
    const script = `
      const { loadSecrets } = await import(${JSON.stringify(MODULE)});
      const wait = Number(process.argv[2]) - Date.now();
      if (wait > 0) await new Promise((resolve) => setTimeout(resolve, wait));
      process.stdout.write(JSON.stringify(loadSecrets(process.argv[1])));`;
    const startAtMs = String(Date.now() + 1_500);
    const outputs = await Promise.all(
      Array.from({ length: 5 }, () =>
        run(process.execPath, ['--input-type=module', '-e', script, dir, startAtMs]),
      ),
    );
    const seen = new Set(outputs.map(({ stdout }) => stdout));
    assert.equal(seen.size, 1);
    assert.deepEqual(JSON.parse([...seen][0] ?? ''), loadSecrets(dir));
    assert.deepEqual(readdirSync(dir), ['secrets.json']);
  });

  it('are neither replaced nor quoted when the file is damaged', () => {
    const { internal } = loadSecrets(dir);
    const path = join(dir, 'secrets.json');
    for (const damaged of [`{"internal": ${internal}`, `{"internal": "${internal}"}`, '[]', '']) {
      writeFileSync(path, damaged);
      assert.throws(
        () => loadSecrets(dir),
        (error: Error) => {
          assert.match(error.message, /secrets\.json is damaged: restore it from a backup, or remove it\.$/);
          assert.ok(!`${error.message}${error.stack}${String(error.cause)}`.includes(internal.slice(0, 8)));
          return true;
        },
      );
      assert.equal(readFileSync(path, 'utf8'), damaged);
    }
  });
});
