// Settings: defaults that work, and errors that a person can act on.
import assert from 'node:assert/strict';
import { isAbsolute } from 'node:path';
import { describe, it } from 'node:test';
import { readSettings, readVariables } from '#server/settings.ts';

describe('settings', () => {
  it('have defaults for everything', () => {
    const settings = readSettings({});
    assert.equal(settings.door.port, 8080);
    assert.equal(settings.sfu.rtc.port, 44_400);
    assert.equal(settings.school.playbackTtlS, 12 * 3_600);
    assert.ok(isAbsolute(settings.dataDir), 'wherever a service is started from');
    assert.equal(settings.school.apiKey, undefined);
    assert.equal(settings.door.origin, 'http://localhost:8080');
  });

  it('take empty for unset, as compose files and shells leave it', () => {
    const settings = readSettings({ LECTERN_PORT: '', LECTERN_API_KEY: '', LECTERN_PUBLIC_URL: '' });
    assert.equal(settings.door.port, 8080);
    assert.equal(settings.school.apiKey, undefined);
    assert.equal(settings.door.origin, 'http://localhost:8080');
  });

  it('take an address with or without a slash at its end', () => {
    for (const url of ['https://class.example.org', 'https://class.example.org/']) {
      const settings = readSettings({ LECTERN_PUBLIC_URL: url, LECTERN_GATEWAY_URL: url });
      assert.equal(settings.door.origin, 'https://class.example.org');
      assert.deepEqual(settings.gateway.addresses, ['https://class.example.org']);
    }
  });

  it('take several addresses of a service', () => {
    const list = 'http://10.0.0.5:8083/, http://10.0.0.6:8083';
    const { sfu } = readSettings({ LECTERN_SFU_URL: list });
    assert.deepEqual(sfu.addresses, ['http://10.0.0.5:8083', 'http://10.0.0.6:8083']);
  });

  it('survive being handed on to a service as text', () => {
    const variables = readVariables({
      LECTERN_PUBLIC_URL: 'https://class.example.org/',
      LECTERN_PORT: '9000',
    });
    const handed = Object.entries(variables).map(([name, value]) => [name, String(value ?? '')]);
    assert.deepEqual(readVariables(Object.fromEntries(handed)), variables);
  });

  const wrong: [string, string][] = [
    ['LECTERN_PORT', 'eighty'],
    ['LECTERN_PORT', '70000'],
    ['LECTERN_PORT', '-1'],
    ['LECTERN_PORT', '80.5'],
    ['LECTERN_PUBLIC_URL', 'class.example.org'],
    ['LECTERN_PUBLIC_URL', 'ftp://class.example.org'],
    ['LECTERN_PUBLIC_URL', 'https://class.example.org/lectern'],
    ['LECTERN_PUBLIC_URL', 'https://class.example.org/?a=b'],
    ['LECTERN_PUBLIC_URL', 'https://me:secret@class.example.org'],
    ['LECTERN_SCHOOL_URL', 'javascript:alert(1)'],
    ['LECTERN_SCHOOL_URL', 'http://10.0.0.5:8082,'],
    ['LECTERN_INGEST_IP', 'localhost'],
    ['LECTERN_DATABASE_URL', 'mysql://db.example.org/lectern'],
    ['LECTERN_API_KEY', 'short'],
    ['LECTERN_LOG', 'loud'],
    ['LECTERN_WORKERS', '0'],
    ['LECTERN_PLAYBACK_TTL_S', '5'],
    // As a timer it would fire at once, and end every interrupted broadcast.
    ['LECTERN_RESUME_MS', '2147483648'],
  ];
  for (const [name, value] of wrong) {
    it(`name ${name} when it is ${JSON.stringify(value)}`, () => {
      assert.throws(
        () => readSettings({ [name]: value }),
        new RegExp(`^Error: Wrong settings:\\n {2}${name}: `),
      );
    });
  }

  it('name every wrong one at once, and repeat no key', () => {
    assert.throws(
      () => readSettings({ LECTERN_PORT: 'x', LECTERN_API_KEY: 'too-short-key' }),
      (error: Error) =>
        error.message.includes('LECTERN_PORT') &&
        error.message.includes('LECTERN_API_KEY') &&
        !error.message.includes('too-short-key'),
    );
  });
});
