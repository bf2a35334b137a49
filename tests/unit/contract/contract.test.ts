// The values that come from outside: what is let in, what is tidied, what is refused.
import assert from 'node:assert/strict';
import { randomFillSync } from 'node:crypto';
import { describe, it } from 'node:test';
import { SignJWT } from 'jose';
import { ErrorBody, ERRORS, LecternError, type ErrorCode } from '#shared/contract/errors.ts';
import { DisplayName, LessonId, LessonTitle, makeId, PeerId } from '#shared/contract/ids.ts';
import { BroadcastFeed, EventBatch } from '#shared/contract/internal.ts';
import { FACTS, REQUESTS } from '#shared/contract/signalling.ts';
import { MAX_TOKEN_LENGTH, Ticket, TICKET_AUDIENCE } from '#shared/contract/tickets.ts';
import { Permission } from '#shared/domain/permissions.ts';

describe('a name', () => {
  it('is tidied: no control characters, no halves of characters, no space around it', () => {
    assert.equal(DisplayName.parse('  A\u0000nna\u001b[31m \n'), 'Anna[31m');
    assert.equal(DisplayName.parse('李老师 👩🏽‍🏫'), '李老师 👩🏽‍🏫');
    assert.equal(LessonTitle.parse(' Cells\ud83d '), 'Cells');
    assert.equal(DisplayName.parse('Ada\u202e\u2066'), 'Ada');
    assert.equal(DisplayName.parse('\u200fمريم'), '\u200fمريم');
    for (const nothing of [
      '\u200b\u200d',
      '\u00a0',
      '\ufeff',
      '\u202e',
      '\u3164',
      '\u115f',
      '\u2800',
      '\u0301',
    ]) {
      assert.ok(!DisplayName.safeParse(nothing).success);
      assert.ok(!LessonTitle.safeParse(nothing).success);
    }
  });

  it('is refused when nothing or too much is left', () => {
    for (const name of ['', '   ', '\u0000\u0007', 'x'.repeat(61), 7, null, undefined]) {
      assert.ok(!DisplayName.safeParse(name).success, String(name));
    }
    for (const title of ['', ' ', '\ud83d', 'x'.repeat(201), {}]) {
      assert.ok(!LessonTitle.safeParse(title).success, String(title));
    }
    assert.ok(DisplayName.safeParse('x'.repeat(60)).success);
    assert.ok(LessonTitle.safeParse('x'.repeat(200)).success);
  });
});

describe('an id', () => {
  const random = (bytes: Uint8Array<ArrayBuffer>) => void randomFillSync(bytes);

  it('is made of letters and digits that nobody mistakes, evenly', () => {
    const counts = new Map<string, number>();
    for (let n = 0; n < 2_000; n += 1) {
      const id = makeId(random);
      assert.ok(LessonId.safeParse(id).success, id);
      for (const letter of id) counts.set(letter, (counts.get(letter) ?? 0) + 1);
    }
    assert.equal(counts.size, 32);
    for (const letter of 'lo01') assert.ok(!counts.has(letter));
    const mean = (2_000 * 12) / 32;
    for (const [letter, count] of counts)
      assert.ok(Math.abs(count - mean) < mean * 0.3, `${letter}: ${count}`);
  });

  it('cannot lead anywhere else when it stands in a path', () => {
    for (const id of [
      '../../etc',
      'abcdefgh/..',
      'abcdefg%2f',
      'ABCDEFGH',
      'short',
      'x'.repeat(25),
      'abcdefgh\n',
    ]) {
      assert.ok(!LessonId.safeParse(id).success, id);
      if (id.length > 40 || /[^A-Za-z0-9_-]/.test(id)) assert.ok(!PeerId.safeParse(id).success, id);
    }
  });
});

describe('a refusal', () => {
  it('has a status, a sentence for a person, and survives the way through JSON', () => {
    for (const code of Object.keys(ERRORS) as ErrorCode[]) {
      const error = new LecternError(code);
      assert.ok(error.status >= 400 && error.status < 600, code);
      assert.match(error.message, /^[A-Z].*\.$/, code);
      assert.deepEqual(ErrorBody.parse(JSON.parse(JSON.stringify(error.toBody()))), {
        error: { code, message: error.message },
      });
    }
  });
});

describe('a ticket', () => {
  it('is never longer than what is looked at, whatever the title', async () => {
    for (const title of ['课'.repeat(200), '"'.repeat(200), '\\'.repeat(200), '👩'.repeat(100)]) {
      const ticket = {
        sub: 'x'.repeat(40),
        room: 'x'.repeat(24),
        channel: 'x'.repeat(24),
        title: LessonTitle.parse(title),
        role: 'teacher',
        permissions: Permission.options,
        exp: 9_999_999_999,
      };
      Ticket.parse(ticket);
      const token = await new SignJWT(ticket)
        .setProtectedHeader({ alg: 'HS256' })
        .setAudience(TICKET_AUDIENCE)
        .sign(new Uint8Array(32));
      assert.ok(token.length <= MAX_TOKEN_LENGTH, `${token.length} characters`);
    }
  });

  it('has no permission that does not exist, and does not last forever', () => {
    const ticket = {
      sub: 'peer-anna-1',
      room: 'abcdefgh2345',
      channel: 'abcdefgh2346',
      title: 'Cells',
      role: 'student',
      permissions: ['chat:send'],
      exp: 1,
    };
    assert.ok(Ticket.safeParse(ticket).success);
    for (const wrong of [
      { permissions: ['root'] },
      { role: 'owner' },
      { exp: undefined },
      { exp: -1 },
      { sub: '' },
    ]) {
      assert.ok(!Ticket.safeParse({ ...ticket, ...wrong }).success, JSON.stringify(wrong));
    }
  });
});

describe('a message between services or over a socket', () => {
  it('is bounded in every list', () => {
    const track = {
      id: 'p:0',
      kind: 'video',
      source: 'camera',
      codec: 'h264',
      ssrc: 1,
      payloadType: 100,
      clockRate: 90_000,
      layer: 0,
    };
    const feed = { broadcast: 'abcdefgh', lesson: 'abcdefgh', title: 'x', from: null, tracks: [track] };
    assert.ok(BroadcastFeed.safeParse(feed).success);
    assert.ok(!BroadcastFeed.safeParse({ ...feed, tracks: Array.from({ length: 17 }, () => track) }).success);
    for (const wrong of [
      { ssrc: 2 ** 32 },
      { payloadType: 128 },
      { layer: 3 },
      { source: 'desk' },
      { codec: 'h265' },
    ]) {
      assert.ok(!BroadcastFeed.safeParse({ ...feed, tracks: [{ ...track, ...wrong }] }).success);
    }
    const event = { id: 1, event: { type: 'room:opened', atMs: 1, lesson: 'abcdefgh' } };
    assert.ok(
      !EventBatch.safeParse({ outbox: 'x', events: Array.from({ length: 201 }, () => event) }).success,
    );
    assert.ok(!EventBatch.safeParse({ outbox: 'x', events: [{ ...event, id: 0 }] }).success);
  });

  it('is named as noun and verb; requests are commands, facts are in the past', () => {
    for (const name of Object.keys(REQUESTS)) assert.match(name, /^[a-z]+:[a-z]+$/);
    for (const name of Object.keys(FACTS)) {
      assert.match(name, /^[a-z]+:[a-z]+$/);
      assert.ok(!(name in REQUESTS), name);
    }
  });

  it('of chat is trimmed, and neither empty nor endless', () => {
    const { in: input } = REQUESTS['chat:send'];
    assert.equal(input.parse({ id: 'm1', text: '  Hello  ' }).text, 'Hello');
    assert.equal(input.parse({ id: 'm1', text: 'a\u0000\n\tb\ud83d 👩‍🏫' }).text, 'a\n\tb 👩‍🏫');
    for (const text of ['', '   ', '\u200b\u2060', 'x'.repeat(2_001)])
      assert.ok(!input.safeParse({ id: 'm1', text }).success);
    assert.ok(!input.safeParse({ id: 'no spaces', text: 'x' }).success);
  });
});
