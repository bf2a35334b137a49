// Every rule on every protocol: the same verdict, and not one byte of media before it.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { after, before, describe, it } from 'node:test';
import { WebSocket } from 'ws';
import type { LessonAccess } from '#shared/contract/access.ts';
import { signPlayback } from '#server/playback-sign.ts';
import { SECRET } from '../gateway-egress/rig.ts';
import {
  CDN_KEY,
  classOnAir,
  hasRtmpdump,
  inAnHour,
  LIVE,
  signed,
  type ClassOnAir,
  type Sign,
} from './class-on-air.ts';

const md5 = (text: string) => createHash('md5').update(text).digest();

interface Case {
  readonly what: string;
  /** Read once the school's server has its address. */
  readonly access?: () => Partial<LessonAccess>;
  readonly sign?: Sign;
  /** What every protocol says; `allow`, or a code. */
  readonly says: string;
}

describe('who may watch', () => {
  let stage: ClassOnAir;
  before(async () => {
    stage = await classOnAir();
  });
  after(() => stage.close());

  const callback = (path: string): Partial<LessonAccess> => ({
    callback: { url: `${stage.schoolUrl}${path}`, timeoutMs: 300, cacheMs: 0 },
  });
  const ip = (lists: object): Partial<LessonAccess> => ({ ip: { allow: [], deny: [], ...lists } });
  const region = (mode: 'allow' | 'deny', countries: string[]): Partial<LessonAccess> => ({
    region: { mode, countries, allowUnknown: false },
  });
  const referer = (allowEmpty: boolean): Partial<LessonAccess> => ({
    referer: { mode: 'allow', hosts: ['school.edu'], allowEmpty },
  });

  const cases: readonly Case[] = [
    { what: 'a signed address', says: 'allow' },
    { what: 'no signature', sign: () => '', says: 'signature-missing' },
    {
      what: 'a forged signature',
      sign: () => `expires=${inAnHour()}&sign=${'A'.repeat(43)}`,
      says: 'signature-invalid',
    },
    {
      what: 'an expired signature',
      sign: (resource) => signPlayback(SECRET, 'play', resource, 1_700_000_000),
      says: 'signature-expired',
    },
    {
      what: 'the signature of another channel',
      sign: () => signed('/live/otherchannel', 0),
      says: 'signature-invalid',
    },
    {
      what: 'an open lesson',
      access: () => ({ tokens: { required: false } }),
      sign: () => '',
      says: 'allow',
    },
    {
      what: 'the MD5 form of nginx',
      sign: (resource) =>
        `expires=${inAnHour()}&md5=${md5(`${inAnHour()}${resource} ${CDN_KEY}`).toString('base64url')}`,
      says: 'allow',
    },
    {
      what: 'the MD5 form of CDNs, type A',
      sign: (resource) =>
        `auth_key=${inAnHour()}-r-0-${md5(`${resource}-${inAnHour()}-r-0-${CDN_KEY}`).toString('hex')}`,
      says: 'allow',
    },
    {
      what: 'a forged MD5 form',
      sign: (resource) =>
        `expires=${inAnHour()}&md5=${md5(`${inAnHour()}${resource} guess`).toString('base64url')}`,
      says: 'signature-invalid',
    },
    {
      what: 'an address on the list of those who may',
      access: () => ip({ allow: ['127.0.0.0/8'] }),
      says: 'allow',
    },
    {
      what: 'an address that is not on it',
      access: () => ip({ allow: ['192.0.2.0/24', '2001:db8::/32'] }),
      says: 'forbidden',
    },
    { what: 'an address that is kept out', access: () => ip({ deny: ['127.0.0.1'] }), says: 'forbidden' },
    { what: 'a country that may', access: () => region('allow', ['CN']), says: 'allow' },
    { what: 'a country that may not', access: () => region('allow', ['DE', 'FR']), says: 'forbidden' },
    { what: 'a country that is kept out', access: () => region('deny', ['CN']), says: 'forbidden' },
    { what: 'no site, where that is allowed', access: () => referer(true), says: 'allow' },
    { what: 'no site, where that is not', access: () => referer(false), says: 'forbidden' },
    { what: 'the school’s yes', access: () => callback('/yes'), says: 'allow' },
    { what: 'the school’s no', access: () => callback('/no'), says: 'forbidden' },
    { what: 'a school that fails', access: () => callback('/error'), says: 'service-unavailable' },
    { what: 'a school that says nothing', access: () => callback('/silent'), says: 'service-unavailable' },
    {
      what: 'a school that is not there',
      access: () => ({ callback: { url: 'http://127.0.0.1:9/', timeoutMs: 300, cacheMs: 0 } }),
      says: 'service-unavailable',
    },
  ];
  it('is asked over RTMP by rtmpdump', (context) => {
    if (!hasRtmpdump) context.skip('rtmpdump is not installed: RTMP is missing from the table below');
  });

  for (const { what, access, sign = signed, says } of cases) {
    it(`${what}: ${says} on every protocol`, async () => {
      await stage.set(access?.());
      const said = await Promise.all(
        stage.protocols.map(async ([protocol, ask]) => [protocol, await ask(sign)]),
      );
      assert.deepEqual(
        said,
        stage.protocols.map(([protocol]) => [protocol, says]),
      );
    });
  }

  it('goes by the client that a trusted proxy names, and by nobody it cannot name', async () => {
    const as = (client: string) =>
      stage.overHttp(`${LIVE}.flv`, signed(LIVE, stage.epoch()), { 'x-forwarded-for': client });
    await stage.set(ip({ allow: ['203.0.113.0/24', '2001:db8::/32'] }));
    assert.equal(await as('203.0.113.9'), 'allow');
    assert.equal(await as('2001:db8::9'), 'allow');
    assert.equal(await as('198.51.100.9'), 'forbidden');
    assert.equal(
      await as('203.0.113.9, 198.51.100.9'),
      'forbidden',
      'what a client says of itself is no proof',
    );
    assert.equal(await as('unknown'), 'forbidden');
    await stage.set(region('allow', ['DE']));
    assert.equal(await as('203.0.113.9'), 'allow');
    assert.equal(await as('198.51.100.9'), 'forbidden');
  });

  it('goes by the site that shows the player, over HTTP and WebSocket', async () => {
    await stage.set(referer(false));
    const from = (headers: Record<string, string>) =>
      stage.overHttp(`${LIVE}/index.m3u8`, signed(LIVE, stage.epoch()), headers);
    assert.equal(await from({ referer: 'https://school.edu/lesson' }), 'allow');
    assert.equal(await from({ origin: 'https://school.edu' }), 'allow');
    assert.equal(await from({ referer: 'https://evil.org/?school.edu' }), 'forbidden');
    assert.equal(await from({ origin: 'null' }), 'forbidden');
    assert.equal(
      await from({ referer: 'http://localhost:8080/watch/x' }),
      'allow',
      'our own page may always',
    );
    // A name of theirs that leads here is not ours, nor is the address itself.
    assert.equal(await from({ referer: `${stage.rig.url}/watch/x` }), 'forbidden');
    const alias = { referer: 'http://class.evil.org/watch/x', 'x-forwarded-host': 'class.evil.org' };
    assert.equal(await from(alias), 'forbidden');
    const socket = new WebSocket(
      `${stage.rig.url.replace('http', 'ws')}${LIVE}.flv?${signed(LIVE, stage.epoch())}`,
      {
        origin: 'https://school.edu',
      },
    );
    await new Promise((resolve, reject) => {
      socket.once('message', resolve);
      socket.once('error', reject);
    });
    socket.terminate();
  });

  it('believes no answer of the school’s server but a plain yes', async () => {
    for (const path of ['/garbage', '/other', '/elsewhere', '/long', '/nothing-here']) {
      await stage.set(callback(path));
      assert.equal(
        await stage.overHttp(`${LIVE}.flv`, signed(LIVE, stage.epoch())),
        'service-unavailable',
        path,
      );
    }
  });

  it('does not speak with private addresses that the operator has not named', async () => {
    const { port } = new URL(stage.rig.url);
    for (const host of ['127.0.0.1', 'localhost', '[::1]', '0.0.0.0', '2130706433', '[::ffff:127.0.0.1]']) {
      const url = `http://${host}:${port}/healthz`;
      await stage.set({ callback: { url, timeoutMs: 300, cacheMs: 0 } });
      const verdict = await stage.rig.access.decide({
        action: 'play',
        resource: LIVE,
        query: new URLSearchParams(signed(LIVE, stage.epoch())),
        ip: '127.0.0.1',
        referer: undefined,
        nowMs: Date.now(),
      });
      assert.equal(!verdict.allow && verdict.reason, 'callback-private', host);
    }
  });
});
