// What happens to a message between its writer and the room, and what a tab remembers.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { LecternError, type ErrorCode } from '#shared/contract/errors.ts';
import type { ChatMessage } from '#shared/contract/features/chat.ts';
import { ChatLog } from '../../../web/features/chat/engine.ts';
import { PresenceNotices } from '../../../web/engine/presence-notices.ts';
import { readTicket, recall, remember, type TabMemory } from '../../../web/engine/tab-memory.ts';

/** The room's end of the conversation. */
class FarEnd {
  refuse: ErrorCode | undefined;
  readonly posted: ChatMessage[] = [];
  readonly changed = () => undefined;

  readonly request = (async (_name: string, { id, text }: { id: string; text: string }) => {
    await sleep(1);
    if (this.refuse !== undefined) throw new LecternError(this.refuse);
    const known = this.posted.find((message) => message.id === id);
    const message = known ?? said(id, text);
    if (known === undefined) this.posted.push(message);
    return { message };
  }) as never;
}

const said = (id: string, text: string, peerId = 'peer_me00'): ChatMessage => ({
  id,
  peerId,
  name: 'Ada',
  role: 'student',
  text,
  sentAtMs: 1,
});

describe('the chat', () => {
  const texts = (log: ChatLog) => log.messages.map(({ text }) => text);

  it('shows one’s own message at once and once only', async () => {
    const room = new FarEnd();
    const log = new ChatLog(room);
    log.send('Hello');
    assert.equal(log.outgoing[0]?.state.name, 'sending');
    await sleep(10);
    const [posted] = room.posted;
    if (posted !== undefined) log.posted(posted, true);
    assert.deepEqual(texts(log), ['Hello']);
    assert.equal(log.outgoing.length, 0);
  });

  it('waits out a lost connection and delivers with the next join', async () => {
    const room = new FarEnd();
    room.refuse = 'service-unavailable';
    const log = new ChatLog(room);
    log.send('Are you there?');
    await sleep(10);
    assert.equal(log.outgoing[0]?.state.name, 'sending');
    room.refuse = undefined;
    log.joined([]);
    await sleep(10);
    assert.deepEqual(texts(log), ['Are you there?']);
  });

  it('does not send again what arrived although its answer was lost', async () => {
    const room = new FarEnd();
    room.refuse = 'service-unavailable';
    const log = new ChatLog(room);
    log.send('Once');
    await sleep(10);
    const id = log.outgoing[0]?.id ?? '';
    log.joined([said(id, 'Once')]);
    await sleep(10);
    assert.deepEqual(texts(log), ['Once']);
    assert.equal(room.posted.length, 0);
  });

  it('keeps a refused message for another try under the same id', async () => {
    const room = new FarEnd();
    room.refuse = 'forbidden';
    const log = new ChatLog(room);
    log.send('Let me speak');
    await sleep(10);
    const [failed] = log.outgoing;
    assert.deepEqual(failed?.state, { name: 'failed', code: 'forbidden' });
    room.refuse = undefined;
    log.retry(failed?.id ?? '');
    await sleep(10);
    assert.deepEqual(
      room.posted.map(({ id }) => id),
      [failed?.id],
    );
    assert.equal(log.outgoing.length, 0);
  });

  it('forgets what a moderator deleted, and speaks up only for others', () => {
    const log = new ChatLog(new FarEnd());
    log.joined([said('old', 'before')]);
    log.posted(said('new', 'from another', 'peer_else'), false);
    log.posted(said('mine', 'from me'), true);
    log.deleted('old');
    assert.deepEqual(texts(log), ['from another', 'from me']);
    assert.equal(log.unread, 1);
    log.inSight = true;
    assert.equal(log.unread, 0);
    log.posted(said('seen', 'in sight', 'peer_else'), false);
    assert.equal(log.unread, 0);
  });
});

describe('presenceNotices and goings', () => {
  it('are told in one word when a whole class comes at once, and not at all once it is over', async () => {
    const told: string[] = [];
    const presenceNotices = new PresenceNotices((type, names) => told.push(`${type} ${names.join(' ')}`));
    presenceNotices.add('peer-joined', 'Ada');
    presenceNotices.add('peer-joined', 'Blaise');
    presenceNotices.add('peer-left', 'Emmy');
    await sleep(900);
    assert.deepEqual(told, ['peer-joined Ada Blaise', 'peer-left Emmy']);
    presenceNotices.add('peer-left', 'Ada');
    presenceNotices.close();
    await sleep(900);
    assert.equal(told.length, 2);
  });
});

describe('what a tab remembers', () => {
  const store = () => {
    const entries = new Map<string, string>();
    return {
      get: (key: string) => entries.get(key) ?? null,
      set(key: string, value: string | null) {
        if (value === null) entries.delete(key);
        else entries.set(key, value);
      },
    };
  };
  const memory: TabMemory = {
    invite: 'as-teacher',
    ticket: 'a.b.c',
    links: null,
    name: 'Ada',
    joined: true,
    consents: false,
    camera: true,
    microphone: false,
    screen: false,
  };

  it('comes back for the same link, and is nobody’s for another', () => {
    const tab = store();
    remember(tab, 'lesson123', memory);
    assert.deepEqual(recall(tab, 'lesson123', 'as-teacher'), memory);
    assert.equal(recall(tab, 'lesson123', 'as-student'), undefined);
    assert.equal(recall(tab, 'lesson456', 'as-teacher'), undefined);
  });

  it('is nothing where it was damaged', () => {
    const tab = store();
    tab.set('lectern:class:lesson123', '{"invite":');
    assert.equal(recall(tab, 'lesson123', 'as-teacher'), undefined);
  });

  it('reads who a ticket is for, in any script', () => {
    const claims = {
      sub: 'peer_0001',
      room: 'lesson123',
      channel: 'channel123',
      title: '几何第四课',
      role: 'teacher',
      permissions: ['chat:send'],
      exp: 2_000_000_000,
    };
    const part = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url');
    assert.deepEqual(readTicket(`${part({ alg: 'HS256' })}.${part(claims)}.signature`), claims);
    assert.equal(readTicket('nonsense'), undefined);
    assert.equal(readTicket(`x.${part({ role: 'owner' })}.y`), undefined);
  });
});
