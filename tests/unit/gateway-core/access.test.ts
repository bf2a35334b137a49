// The one decision on who may watch and publish: how rules join, and each rule for itself.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { DEFAULT_ACCESS, SchoolAccess, type AccessRules } from '#shared/contract/access.ts';
import { signPlayback } from '#server/playback-sign.ts';
import {
  createDecide,
  explain,
  UNKNOWN_CHANNEL,
  type AccessRequest,
  type AccessRule,
  type ChannelAccess,
} from '../../../gateway/access/decide.ts';
import { callback } from '../../../gateway/access/rules/callback.ts';
import { eachPart } from '../../../gateway/access/rules/each-part.ts';
import { addressLists } from '../../../gateway/access/rules/ip.ts';
import { sites } from '../../../gateway/access/rules/referer.ts';
import { regions } from '../../../gateway/access/rules/region.ts';
import { signedAddress } from '../../../gateway/access/rules/tokens.ts';

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

const channel = (access: Partial<AccessRules> = {}, epoch = 0): ChannelAccess => ({
  ...UNKNOWN_CHANNEL,
  access: { ...DEFAULT_ACCESS, ...access },
  epoch,
});

/** `allow`, or why one rule refuses; `off` if it is not in use. */
async function said(rule: AccessRule, asked: AccessRequest, set: ChannelAccess): Promise<string> {
  const { steps } = await explain([rule], asked, set);
  const [step] = steps;
  return step?.outcome === 'deny' ? (step.reason ?? 'deny') : (step?.outcome ?? 'nothing');
}

describe('the decision', () => {
  const rule = (name: AccessRule['name'], judge: AccessRule['judge']): AccessRule => ({
    name,
    action: 'play',
    judge,
  });

  it('needs all rules, goes by the first refusal, and does not ask later ones', async () => {
    const asked: string[] = [];
    const noting = (name: AccessRule['name'], allow: boolean) =>
      rule(name, async () => {
        asked.push(name);
        return Promise.resolve(allow ? { allow } : { allow, code: 'forbidden' });
      });
    const rules = [noting('tokens', true), noting('ip', false), noting('callback', true)];
    assert.deepEqual(await createDecide(rules)(request()), { allow: false, code: 'forbidden', rule: 'ip' });
    assert.deepEqual(asked, ['tokens', 'ip']);
  });

  it('refuses where a rule fails, where nothing is known, and where there is no rule', async () => {
    const broken = rule('callback', () => Promise.reject(new Error('the disk is gone')));
    assert.deepEqual(await createDecide([broken])(request()), {
      allow: false,
      code: 'service-unavailable',
      rule: 'callback',
      reason: 'broken',
    });
    const damaged = () => {
      throw new Error('settings are damaged');
    };
    const open = rule('tokens', () => ({ allow: true }));
    assert.deepEqual(await createDecide([open], damaged)(request()), {
      allow: false,
      code: 'service-unavailable',
    });
    assert.deepEqual(await createDecide([])(request()), { allow: false, code: 'forbidden' });
  });

  it('does not let a rule of viewing let anyone publish', async () => {
    const open = rule('tokens', () => ({ allow: true }));
    assert.equal((await createDecide([open])(request({ action: 'publish' }))).allow, false);
  });

  it('holds until the first of its rules has to be asked again', async () => {
    const until = (name: AccessRule['name'], untilMs: number) => rule(name, () => ({ allow: true, untilMs }));
    const decide = createDecide([until('tokens', 3), until('ip', 1), until('region', 2)]);
    assert.deepEqual(await decide(request()), { allow: true, untilMs: 1 });
  });
});

describe('a signed address', () => {
  const rule = signedAddress(SECRET);
  const decide = createDecide([rule]);

  it('opens what it was signed for, until it expires', async () => {
    assert.deepEqual(await decide(request()), { allow: true, untilMs: EXPIRES * 1_000 });
    const late = await decide(request({ nowMs: (EXPIRES + 1) * 1_000 }));
    assert.deepEqual(late, { allow: false, code: 'signature-expired', rule: 'tokens', reason: 'expired' });
  });

  it('opens nothing else', async () => {
    const refused = async (over: Partial<AccessRequest>) => {
      const verdict = await decide(request(over));
      return verdict.allow ? 'allowed' : verdict.code;
    };
    assert.equal(await refused({ resource: '/live/channel13' }), 'signature-invalid');
    assert.equal(await refused({ resource: '/replay/channel12' }), 'signature-invalid');
    assert.equal(await refused({ action: 'publish' }), 'forbidden');
    assert.equal(await refused({ query: new URLSearchParams() }), 'signature-missing');
    const query = new URLSearchParams(request().query);
    query.set('viewer', 'viewer2');
    assert.equal(await refused({ query }), 'signature-invalid');
    query.set('expires', String(EXPIRES + 1_000));
    assert.equal(await refused({ query }), 'signature-invalid');
    query.set('sign', 'x');
    assert.equal(await refused({ query }), 'signature-invalid');
  });

  it('is worth nothing after it was revoked, and one of later is', async () => {
    const of = (epoch: number) =>
      request({
        query: new URLSearchParams(signPlayback(SECRET, 'play', RESOURCE, EXPIRES, undefined, epoch)),
      });
    assert.equal(await said(rule, of(0), channel({}, 1)), 'revoked');
    assert.equal(await said(rule, of(1), channel({}, 1)), 'allow');
    // The gateway may hear of a revocation after an address of the new epoch was handed out.
    assert.equal(await said(rule, of(2), channel({}, 1)), 'allow');
    const forged = of(0);
    forged.query.set('epoch', '1');
    assert.equal(await said(rule, forged, channel({}, 1)), 'wrong-signature');
  });

  it('is not needed where the lesson is open to everyone', async () => {
    const open = channel({ tokens: { required: false } });
    assert.equal(await said(rule, request({ query: new URLSearchParams() }), open), 'off');
  });
});

describe('lists of addresses', () => {
  const rule = addressLists();
  const ask = (ip: string, lists: { allow?: string[]; deny?: string[] }) =>
    said(rule, request({ ip }), channel({ ip: { allow: [], deny: [], ...lists } }));

  it('let in, or keep out, networks of v4 and v6', async () => {
    assert.equal(await ask('192.0.2.1', {}), 'off');
    const school = { allow: ['192.0.2.0/24', '2001:db8::/32', '203.0.113.7'] };
    assert.equal(await ask('192.0.2.255', school), 'allow');
    assert.equal(await ask('192.0.3.0', school), 'ip-not-allowed');
    assert.equal(await ask('2001:db8:ffff::1', school), 'allow');
    assert.equal(await ask('2001:db9::1', school), 'ip-not-allowed');
    assert.equal(await ask('203.0.113.7', school), 'allow');
    assert.equal(await ask('203.0.113.8', school), 'ip-not-allowed');
    assert.equal(await ask('192.0.2.5', { ...school, deny: ['192.0.2.5'] }), 'ip-denied');
    assert.equal(await ask('198.51.100.1', { deny: ['192.0.2.0/24'] }), 'allow');
  });

  it('know a v4 address that comes as v6', async () => {
    assert.equal(await ask('::ffff:192.0.2.1', { deny: ['192.0.2.0/24'] }), 'ip-denied');
    assert.equal(await ask('192.0.2.1', { deny: ['::ffff:192.0.2.0/120'] }), 'ip-denied');
  });

  it('let nobody in whose address is not known, even where the list only denies', async () => {
    assert.equal(await ask('unknown', { deny: ['192.0.2.0/24'] }), 'ip-unknown');
    assert.equal(await ask('', { allow: ['0.0.0.0/0', '::/0'] }), 'ip-unknown');
  });
});

describe('regions', () => {
  const known = { '192.0.2.1': 'CN', '198.51.100.1': 'DE' } as Record<string, string>;
  const rule = regions({ isReady: true, of: (ip) => known[ip] ?? null });
  const ask = (ip: string, region: Partial<AccessRules['region']>, of = rule) =>
    said(of, request({ ip }), channel({ region: { ...DEFAULT_ACCESS.region, ...region } }));

  it('let in or keep out countries', async () => {
    assert.equal(await ask('192.0.2.1', {}), 'off');
    assert.equal(await ask('192.0.2.1', { mode: 'allow', countries: ['CN'] }), 'allow');
    assert.equal(await ask('198.51.100.1', { mode: 'allow', countries: ['CN'] }), 'country-not-allowed');
    assert.equal(await ask('192.0.2.1', { mode: 'deny', countries: ['CN'] }), 'country-denied');
    assert.equal(await ask('198.51.100.1', { mode: 'deny', countries: ['CN'] }), 'allow');
    assert.equal(await ask('192.0.2.1', { mode: 'allow', countries: [] }), 'country-not-allowed');
  });

  it('let in whom the database does not know only if told to', async () => {
    for (const mode of ['allow', 'deny'] as const) {
      assert.equal(await ask('203.0.113.1', { mode, countries: ['CN'] }), 'country-unknown');
      assert.equal(await ask('203.0.113.1', { mode, countries: ['CN'], allowUnknown: true }), 'allow');
    }
  });

  it('let nobody in without a database, or with one that fails', async () => {
    const none = regions({ isReady: false, of: () => null });
    const wish = { mode: 'deny' as const, countries: ['CN'], allowUnknown: true };
    assert.equal(await ask('198.51.100.1', wish, none), 'no-database');
    const failing = regions({
      isReady: true,
      of: () => {
        throw new Error('its tree does not end');
      },
    });
    assert.equal(await ask('198.51.100.1', wish, failing), 'broken');
  });
});

describe('sites', () => {
  const rule = sites(['class.example.org', 'cdn.example.org']);
  const ask = (referer: string | undefined, wish: Partial<AccessRules['referer']>) =>
    said(rule, request({ referer }), channel({ referer: { ...DEFAULT_ACCESS.referer, ...wish } }));

  it('that are listed may show the player, and with a star all below them', async () => {
    const list = { mode: 'allow' as const, hosts: ['school.edu', '*.partner.org'] };
    for (const good of [
      'https://school.edu/lesson?x=1',
      'http://SCHOOL.edu:8443/',
      'https://a.partner.org/',
      'https://a.b.partner.org/',
    ]) {
      assert.equal(await ask(good, list), 'allow', good);
    }
    for (const bad of [
      'https://partner.org/',
      'https://evilschool.edu/',
      'https://school.edu.evil.org/',
      'https://evil.org/?school.edu',
      'https://school.edu@evil.org/',
      'school.edu',
      'javascript://school.edu/',
      'null',
    ]) {
      assert.equal(await ask(bad, list), 'referer-not-allowed', bad);
    }
  });

  it('that are unwanted may not, and nonsense does not pass for anyone', async () => {
    const list = { mode: 'deny' as const, hosts: ['*.evil.org', 'evil.org'] };
    assert.equal(await ask('https://www.evil.org/', list), 'referer-denied');
    assert.equal(await ask('https://school.edu/', list), 'allow');
    assert.equal(await ask('null', list), 'referer-denied');
  });

  it('that say nothing are let in or not, as it is set', async () => {
    for (const mode of ['allow', 'deny'] as const) {
      for (const nothing of [undefined, '']) {
        assert.equal(await ask(nothing, { mode, hosts: [], allowEmpty: true }), 'allow');
        assert.equal(await ask(nothing, { mode, hosts: [], allowEmpty: false }), 'referer-empty');
      }
    }
  });

  it('of our own always may, and no other name that leads here', async () => {
    const list = { mode: 'allow' as const, hosts: [] };
    assert.equal(await ask('https://class.example.org/watch/x', list), 'allow');
    assert.equal(await ask('https://cdn.example.org/watch/x', list), 'allow');
    assert.equal(await ask('https://class.example.org:8443/watch/x', list), 'referer-not-allowed');
    assert.equal(await ask('http://alias.evil.org/watch/x', list), 'referer-not-allowed');
  });
});

describe('the school’s own server', () => {
  const wish = { url: 'https://school.edu/may', timeoutMs: 1_000, cacheMs: 5_000 };
  const set = (cacheMs = 5_000, version = 1): ChannelAccess => ({
    ...channel({ callback: { ...wish, cacheMs } }),
    version,
  });

  it('is asked once for the same viewer while its answer holds, and for each other one', async () => {
    const asked: unknown[] = [];
    const rule = callback((_url, body) => {
      asked.push(body);
      return Promise.resolve(true);
    });
    await Promise.all([said(rule, request(), set()), said(rule, request(), set())]);
    await said(rule, request({ nowMs: NOW_MS + 4_999 }), set());
    assert.equal(asked.length, 1);
    assert.deepEqual(asked[0], {
      action: 'play',
      lesson: null,
      channel: 'channel12',
      recording: null,
      viewer: 'viewer1',
      ip: '192.0.2.1',
      referer: null,
    });
    await said(rule, request({ nowMs: NOW_MS + 5_001 }), set());
    await said(rule, request({ ip: '192.0.2.2' }), set());
    await said(rule, request(), set(5_000, 2));
    assert.equal(asked.length, 4, 'later, for another, and after a change it is asked again');
    await said(rule, request({ ip: '192.0.2.3' }), set(0));
    await said(rule, request({ ip: '192.0.2.3' }), set(0));
    assert.equal(asked.length, 6);
  });

  it('is not kept from answering for others by one who asks in many ways', async () => {
    const ask = Promise.withResolvers<boolean>();
    const rule = callback(() => ask.promise);
    const from = (ip: string, index: number) =>
      said(rule, request({ ip, referer: `https://school.edu/${index}` }), set());
    const flood = Array.from({ length: 40 }, (_, index) => from('2001:db8::1', index));
    const neighbour = from('2001:db8::2', 100);
    const other = from('2001:db8:0:1::1', 0);
    ask.resolve(true);
    const outcomes = await Promise.all(flood);
    assert.equal(outcomes.filter((outcome) => outcome === 'allow').length, 32);
    assert.equal(await neighbour, 'callback-failed', 'a household has a whole /64');
    assert.equal(await other, 'allow');
    assert.equal(await from('2001:db8::1', 39), 'allow', 'and it may ask again later');
  });

  it('is asked about each part of a replay, and has to allow all of them', async () => {
    const asked: unknown[] = [];
    const rule = eachPart(
      callback((_url, body) => {
        const { recording } = body as { recording: string | null };
        asked.push(recording);
        return Promise.resolve(recording !== 'recording2');
      }),
    );
    const of = (resource: AccessRequest['resource']) => said(rule, request({ resource }), set());
    assert.equal(await of('/replay/parts-recording1-recording3'), 'allow');
    assert.equal(await of('/replay/parts-recording1-recording2-recording4'), 'callback-denied');
    assert.equal(await of('/replay/recording1'), 'allow');
    assert.deepEqual(
      asked,
      ['recording1', 'recording3', 'recording2'],
      'an answer holds for any replay of it',
    );
    assert.equal(await of(RESOURCE), 'allow');
    assert.equal(asked.at(-1), null);
    assert.equal(await said(rule, request(), channel()), 'off');
  });

  it('lets nobody in by a no, nor by silence, and a failure is not remembered', async () => {
    assert.equal(
      await said(
        callback(() => Promise.resolve(false)),
        request(),
        set(),
      ),
      'callback-denied',
    );
    let fails = true;
    const flaky = callback(() => (fails ? Promise.reject(new Error('timeout')) : Promise.resolve(true)));
    assert.equal(await said(flaky, request(), set()), 'callback-failed');
    fails = false;
    assert.equal(await said(flaky, request(), set()), 'allow');
  });
});

describe('what can be set', () => {
  const wrong = (rules: object) => !SchoolAccess.safeParse(rules).success;

  it('is checked before it is kept', () => {
    assert.deepEqual(SchoolAccess.parse({}), DEFAULT_ACCESS);
    assert.ok(wrong({ ip: { allow: ['192.0.2.0/33'] } }));
    assert.ok(wrong({ ip: { allow: ['everyone'] } }));
    assert.ok(wrong({ ip: { allow: Array.from({ length: 201 }, () => '192.0.2.1') } }));
    assert.ok(wrong({ referer: { mode: 'allow', hosts: ['https://school.edu'] } }));
    assert.ok(wrong({ referer: { mode: 'allow', hosts: ['*'] } }));
    assert.ok(wrong({ region: { mode: 'allow', countries: ['cn'] } }));
    for (const url of ['ftp://school.edu/', 'file:///etc/passwd', 'https://a:b@school.edu/', 'school.edu']) {
      assert.ok(wrong({ callback: { url } }), url);
    }
    assert.ok(wrong({ callback: { url: null, timeoutMs: 60_000 } }));
  });
});
