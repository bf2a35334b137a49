// The one decision on who may watch and publish.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { signPlayback } from '#server/playback-sign.ts';
import {
  createDecide,
  signedAddress,
  type AccessRequest,
  type AccessRule,
} from '../../../gateway/access/decide.ts';

const SECRET = 's'.repeat(40);
const NOW_MS = 1_700_000_000_000;
const EXPIRES = NOW_MS / 1_000 + 60;
const RESOURCE = '/live/channel12';

function request(over: Partial<AccessRequest> = {}): AccessRequest {
  return {
    action: 'play',
    resource: RESOURCE,
    query: new URLSearchParams(signPlayback(SECRET, 'play', RESOURCE, EXPIRES, 'viewer1')),
    ip: '192.0.2.1',
    referer: undefined,
    nowMs: NOW_MS,
    ...over,
  };
}

const decide = createDecide([signedAddress(SECRET)]);

test('a signed address opens what it was signed for, until it expires', async () => {
  assert.deepEqual(await decide(request()), { allow: true });
  assert.deepEqual(await decide(request({ nowMs: (EXPIRES + 1) * 1_000 })), {
    allow: false,
    code: 'signature-expired',
  });
});

test('it opens nothing else', async () => {
  const refused = async (over: Partial<AccessRequest>) => {
    const verdict = await decide(request(over));
    return verdict.allow ? 'allowed' : verdict.code;
  };
  assert.equal(await refused({ resource: '/live/channel13' }), 'signature-invalid');
  assert.equal(await refused({ resource: '/replay/channel12' }), 'signature-invalid');
  assert.equal(await refused({ action: 'publish' }), 'signature-invalid');
  assert.equal(await refused({ query: new URLSearchParams() }), 'signature-missing');
  const query = new URLSearchParams(request().query);
  query.set('viewer', 'viewer2');
  assert.equal(await refused({ query }), 'signature-invalid');
  query.set('expires', String(EXPIRES + 1_000));
  assert.equal(await refused({ query }), 'signature-invalid');
  query.set('sign', 'x');
  assert.equal(await refused({ query }), 'signature-invalid');
});

test('all rules must allow, the first refusal counts, and later ones are not asked', async () => {
  const asked: string[] = [];
  const rule =
    (name: string, allow: boolean): AccessRule =>
    async () => {
      asked.push(name);
      return Promise.resolve(allow ? { allow } : { allow, code: 'forbidden' });
    };
  const verdict = await createDecide([rule('a', true), rule('b', false), rule('c', true)])(request());
  assert.deepEqual(verdict, { allow: false, code: 'forbidden' });
  assert.deepEqual(asked, ['a', 'b']);
});

test('a rule that fails, and no rule at all, refuse', async () => {
  const broken: AccessRule = () => Promise.reject(new Error('the callback is down'));
  assert.deepEqual(await createDecide([broken])(request()), { allow: false, code: 'service-unavailable' });
  assert.deepEqual(await createDecide([])(request()), { allow: false, code: 'forbidden' });
});
