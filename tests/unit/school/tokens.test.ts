// Invitations, tickets and playback addresses, over time.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Links } from '../../../school/lessons/links.ts';
import { Tokens } from '../../../school/people/tokens.ts';
import { readSettings } from '#server/settings.ts';

const DAY_MS = 86_400_000;
const SECRETS = Object.fromEntries(
  ['internal', 'ticket', 'playback', 'session', 'owner'].map((name) => [name, `${name}-`.padEnd(43, 'x')]),
) as Record<'internal' | 'ticket' | 'playback' | 'session' | 'owner', string>;
const NOON = Date.parse('2026-03-02T12:00:00Z');

function at(clock: { ms: number }): Tokens {
  return new Tokens(SECRETS, () => clock.ms);
}

describe('an invitation', () => {
  const invite = { lesson: 'abcdefgh2345', role: 'student', version: 2 } as const;

  it('is good for a year at least, and not forever', async () => {
    for (let day = 0; day < 90; day += 1) {
      const clock = { ms: NOON + day * DAY_MS };
      const token = await at(clock).invite(invite);
      clock.ms += 365 * DAY_MS;
      assert.deepEqual(await at(clock).readInvite(token), invite, `made on day ${day}`);
      clock.ms += 61 * DAY_MS;
      await assert.rejects(at(clock).readInvite(token), { code: 'ticket-expired' });
    }
  });

  it('is the same text all through a day', async () => {
    const clock = { ms: NOON };
    const morning = await at(clock).invite(invite);
    clock.ms += 8 * 3_600_000;
    assert.equal(await at(clock).invite(invite), morning);
  });

  it('is no ticket, nor the other way round', async () => {
    const tokens = at({ ms: NOON });
    const invitation = await tokens.invite(invite);
    const { lesson: room, role } = invite;
    const ticket = await tokens.ticket({
      ...{ sub: 'peer-ann-1', room, channel: 'channel1', title: 'Algebra', role, permissions: [] },
    });
    await assert.rejects(tokens.readTicket(invitation), { code: 'ticket-invalid' });
    await assert.rejects(tokens.readInvite(ticket), { code: 'ticket-invalid' });
  });
});

describe('a playback address', () => {
  const make = (env: Record<string, string>, clock: { ms: number }) =>
    new Links(readSettings(env), SECRETS, at(clock), () => clock.ms).play('abcdefgh2345', 0);
  const expiresMs = (address: string) => Number(new URL(address).searchParams.get('expires')) * 1_000;

  it('is good for as long as the settings say, and hardly longer', () => {
    for (const ttlS of [10, 59, 600, 43_200]) {
      for (const offsetMs of [0, 1, 999, 61_234, 718_000]) {
        const clock = { ms: NOON + offsetMs };
        const left = expiresMs(make({ LECTERN_PLAYBACK_TTL_S: String(ttlS) }, clock).hls) - clock.ms;
        assert.ok(left >= ttlS * 1_000, `${ttlS} s: ${left} ms`);
        assert.ok(left <= ttlS * 1_000 * 1.02 + 1_000, `${ttlS} s: ${left} ms`);
      }
    }
  });

  it('is the same for everyone who asks in the same minute, so that a CDN keeps one', () => {
    const clock = { ms: NOON + 1 };
    const first = make({}, clock);
    clock.ms += 60_000;
    assert.deepEqual(make({}, clock), first);
  });

  it('keeps to the public address, with its path, port and protocol', () => {
    const { hls, wsFlv, rtmp } = make(
      { LECTERN_PUBLIC_URL: 'https://[2001:db8::1]:8443/', LECTERN_RTMP_PORT: '1936' },
      { ms: NOON },
    );
    assert.match(hls, /^https:\/\/\[2001:db8::1\]:8443\/live\/abcdefgh2345\/index\.m3u8\?/);
    assert.match(wsFlv, /^wss:\/\/\[2001:db8::1\]:8443\/live\/abcdefgh2345\.flv\?/);
    assert.match(rtmp, /^rtmp:\/\/\[2001:db8::1\]:1936\/live\/abcdefgh2345\?/);
  });
});
