// Addresses signed by MD5, as CDNs check them, and in a shell as docs/access.md shows.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { describe, it } from 'node:test';
import { explain, UNKNOWN_CHANNEL, type AccessRequest } from '../../../gateway/access/decide.ts';
import { signedAddress } from '../../../gateway/access/rules/tokens.ts';

const SECRET = 's'.repeat(40);
const CDN_KEY = 'a-key-of-the-cdn-1';
const NOW_MS = 1_700_000_000_000;
const EXPIRES = NOW_MS / 1_000 + 60;
const RESOURCE = '/live/channel12';

describe('an address signed by MD5, for CDNs', () => {
  const rule = signedAddress(SECRET, CDN_KEY);
  const md5 = (text: string) => createHash('md5').update(text).digest();
  const nginx = (path: string, over: Record<string, string> = {}, epoch = '') => {
    const text = `${EXPIRES}${path} ${epoch === '' ? '' : `${epoch} `}${CDN_KEY}`;
    const query = { md5: md5(text).toString('base64url'), expires: String(EXPIRES) };
    return new URLSearchParams({ ...query, ...(epoch === '' ? {} : { epoch }), ...over });
  };
  const typeA = (path: string, uid = '0', rand = 'x1') =>
    new URLSearchParams({
      auth_key: `${EXPIRES}-${rand}-${uid}-${md5(`${path}-${EXPIRES}-${rand}-${uid}-${CDN_KEY}`).toString('hex')}`,
    });
  const path = `${RESOURCE}.flv`;
  const ask = async (
    query: URLSearchParams,
    over: Partial<AccessRequest> = {},
    epoch = 0,
    by = rule,
  ): Promise<string> => {
    const request: AccessRequest = {
      action: 'play',
      resource: RESOURCE,
      path,
      query,
      ip: '192.0.2.1',
      referer: undefined,
      nowMs: NOW_MS,
      ...over,
    };
    const { steps } = await explain([by], request, { ...UNKNOWN_CHANNEL, epoch });
    return steps[0]?.reason ?? steps[0]?.outcome ?? 'nothing';
  };

  for (const [name, sign] of [
    ['nginx', (of: string) => nginx(of)],
    ['type A', (of: string) => typeA(of)],
  ] as const) {
    it(`(${name}) opens its resource and what is below it, until it expires`, async () => {
      assert.equal(await ask(sign(path)), 'allow');
      const segment = { path: `${RESOURCE}/broadcast1/v0-1.m4s` };
      assert.equal(await ask(sign(`${RESOURCE}/index.m3u8`), segment), 'allow', 'a playlist opens segments');
      assert.equal(await ask(sign(segment.path), segment), 'allow');
      assert.equal(await ask(sign('/live/channel13.flv')), 'wrong-signature');
      assert.equal(await ask(sign(path), { nowMs: (EXPIRES + 1) * 1_000 }), 'expired');
      assert.equal(await ask(sign(path), {}, 1), 'revoked');
    });
  }

  it('carries the epoch after a revocation, and it cannot be made up', async () => {
    assert.equal(await ask(nginx(path, {}, '2'), {}, 2), 'allow');
    assert.equal(await ask(nginx(path, { epoch: '2' }), {}, 2), 'wrong-signature');
    assert.equal(await ask(typeA(path, '2'), {}, 2), 'allow');
  });

  it('is nothing without the key, and nothing that is malformed passes', async () => {
    const without = signedAddress(SECRET);
    assert.equal(await ask(nginx(path), {}, 0, without), 'no-signature');
    assert.equal(await ask(new URLSearchParams('auth_key=1-2-3')), 'wrong-signature');
    assert.equal(await ask(new URLSearchParams('md5=x&expires=1')), 'wrong-signature');
    assert.equal(await ask(new URLSearchParams('md5=x')), 'no-signature');
    assert.equal(await ask(nginx(path, { expires: String(EXPIRES + 1) })), 'wrong-signature');
    // Both forms at once must not let the weaker one decide over a wrong signature.
    const both = nginx(path);
    both.set('sign', 'A'.repeat(43));
    assert.equal(await ask(both), 'wrong-signature');
  });

  it('says everything once, and its end in decimal digits', async () => {
    for (const name of ['md5', 'expires', 'viewer']) {
      const twice = nginx(path, { viewer: 'anna' });
      twice.append(name, twice.get(name) ?? '');
      assert.equal(await ask(twice), 'wrong-signature', name);
    }
    const twice = typeA(path);
    twice.append('auth_key', twice.get('auth_key') ?? '');
    assert.equal(await ask(twice), 'wrong-signature');
    for (const expires of [`0${EXPIRES}`, `+${EXPIRES}`, ` ${EXPIRES}`, `${EXPIRES}.0`, '17e8', '0x6554']) {
      const text = `${expires}${path} ${CDN_KEY}`;
      assert.equal(
        await ask(nginx(path, { expires, md5: md5(text).toString('base64url') })),
        'wrong-signature',
      );
    }
  });

  it('is made in a shell as docs/access.md shows', async () => {
    const shell = (script: string) => execFileSync('sh', ['-c', script], { encoding: 'utf8' }).trim();
    const made = shell(`
      expires=${EXPIRES}; path=${path}; key=${CDN_KEY}
      printf '%s' "$expires$path $key" | openssl md5 -binary | openssl base64 | tr '+/' '-_' | tr -d '='`);
    assert.equal(await ask(new URLSearchParams({ md5: made, expires: String(EXPIRES) })), 'allow');
    const hash = shell(`
      expires=${EXPIRES}; path=${path}; key=${CDN_KEY}; rand=x1
      printf '%s' "$path-$expires-$rand-0-$key" | openssl md5 -r | cut -d' ' -f1`);
    assert.equal(await ask(new URLSearchParams({ auth_key: `${EXPIRES}-x1-0-${hash}` })), 'allow');
    const hmac = shell(`
      resource=${RESOURCE}; expires=${EXPIRES}; secret=${SECRET}
      printf 'play\\n%s\\n%s\\n' "$resource" "$expires" |
        openssl dgst -sha256 -hmac "$secret" -binary | openssl base64 | tr '+/' '-_' | tr -d '='`);
    assert.equal(await ask(new URLSearchParams({ sign: hmac, expires: String(EXPIRES) })), 'allow');
  });
});
