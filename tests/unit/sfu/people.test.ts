// What people in a room say to each other, and who may manage whom.
import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, mock, test } from 'node:test';
import { CHAT_HISTORY, CHAT_HISTORY_BYTES } from '#shared/contract/features/chat.ts';
import { RESUME_WINDOW_MS } from '#shared/contract/signalling.ts';
import { chat, MAX_BYTES_PER_LESSON, MAX_BYTES_PER_PERSON } from '../../../sfu/room/features/chat/chat.ts';
import { memoryOf } from '../../../sfu/room/record.ts';
import { ask, refuses, ROOM, TestClass, TestLink, ticketFor } from './class.ts';

const LINKS = { teacher: 0, assistant: 0, student: 0, watch: 0 };

beforeEach(() => mock.timers.enable({ apis: ['setTimeout'] }));
afterEach(() => mock.timers.reset());

describe('whose class asks for consent', () => {
  test('comes in with it alone, and when it was given is kept', async () => {
    const day = new TestClass();
    const ticket = { ...ticketFor('student1', 'student'), asksConsent: true };
    const room = day.rooms.enter(ticket);
    const join = (link: TestLink, consents?: boolean) =>
      room.join({ ticket, link, session: undefined }, { name: 'Ada', rtpCapabilities: {}, consents });
    for (const consents of [undefined, false])
      await refuses('consent-needed', () => join(new TestLink(), consents));
    assert.equal(room.members.size, 0);
    await join(new TestLink(), true);
    const consented = () =>
      day.events.all.flatMap((event) => ('peer' in event ? [event.peer.consentedAtMs] : []));
    const [firstMs] = consented();
    assert.ok(firstMs !== undefined && firstMs <= day.nowMs);
    day.nowMs += 60_000;
    await join(new TestLink(), true);
    assert.deepEqual(consented(), [firstMs, firstMs], 'in another tab, too');
  });

  test('asks as the school says now, whatever an older ticket says, but nobody who is inside', async () => {
    const before = new TestClass();
    const inside = await before.join('student1', 'student');
    before.rooms.setAccess(ROOM, { links: LINKS, asksConsent: true });
    const back = new TestLink();
    await before
      .room()
      .join({ ticket: inside.ticket, link: back, session: undefined }, { name: 'Ada', rtpCapabilities: {} });
    await refuses('consent-needed', () => before.join('student2', 'student'));
    await before.join('assistant1', 'assistant');
    // Over a restart, too.
    const after = new TestClass(before.events);
    await refuses('consent-needed', () => after.join('student2', 'student'));
    after.rooms.setAccess(ROOM, { links: LINKS, asksConsent: false });
    await after.join('student2', 'student');
  });

  test('is known of a room that is not open yet', async () => {
    const day = new TestClass();
    day.rooms.setAccess(ROOM, { links: LINKS, asksConsent: true });
    await refuses('consent-needed', () => day.join('student1', 'student'));
  });

  test('lets in who is not asked, and keeps nothing of it', async () => {
    const day = new TestClass();
    await day.join('teacher1', 'teacher');
    assert.ok(day.events.all.every((event) => !('peer' in event) || !('consentedAtMs' in event.peer)));
  });
});

describe('chat', () => {
  test('posts a message once, however often it is sent', async () => {
    const day = new TestClass();
    const teacher = await day.join('teacher1', 'teacher');
    const student = await day.join('student1', 'student');
    const first = (await ask(day.room(), student.peer, 'chat:send', { id: 'm1', text: 'hello' })).message;
    const second = (await ask(day.room(), student.peer, 'chat:send', { id: 'm1', text: 'hello' })).message;
    assert.equal(second, first);
    assert.equal(teacher.link.facts.filter(({ name }) => name === 'chat:posted').length, 1);
    await refuses('conflict', () => ask(day.room(), teacher.peer, 'chat:send', { id: 'm1', text: 'mine' }));
  });

  test('recognises a repeat after kill -9, and brings back no deleted message', async () => {
    const before = new TestClass();
    const teacher = await before.join('teacher1', 'teacher');
    const student = await before.join('student1', 'student');
    const message = (await ask(before.room(), student.peer, 'chat:send', { id: 'm1', text: 'hello' }))
      .message;
    await ask(before.room(), student.peer, 'chat:send', { id: 'm2', text: 'oops' });
    await ask(before.room(), teacher.peer, 'chat:delete', { messageId: 'm2' });
    await refuses('not-found', () => ask(before.room(), teacher.peer, 'chat:delete', { messageId: 'm2' }));
    await refuses('conflict', () =>
      ask(before.room(), student.peer, 'chat:send', { id: 'm2', text: 'oops' }),
    );

    const after = new TestClass(before.events);
    const back = await after.join('student1', 'student');
    assert.deepEqual(back.joined.chat, [message]);
    const again = await ask(after.room(), back.peer, 'chat:send', { id: 'm1', text: 'hello' });
    assert.deepEqual(again.message, message);
  });

  test('keeps a bounded history', async () => {
    const day = new TestClass();
    const teacher = await day.join('teacher1', 'teacher');
    for (let index = 0; index < 6 * CHAT_HISTORY; index += 1) {
      await ask(day.room(), teacher.peer, 'chat:send', { id: `m${index}`, text: `${index}` });
    }
    const { joined } = await day.join('student1', 'student');
    assert.equal(joined.chat.length, CHAT_HISTORY);
    assert.equal(joined.chat.at(-1)?.id, `m${6 * CHAT_HISTORY - 1}`);
  });

  const LONG = '长'.repeat(2_000);
  const LONG_BYTES = 6_200;

  test('keeps a history that is bounded in bytes, over a restart too', async () => {
    const before = new TestClass();
    const teacher = await before.join('teacher1', 'teacher');
    for (let index = 0; index < CHAT_HISTORY; index += 1) {
      await ask(before.room(), teacher.peer, 'chat:send', { id: `m${index}`, text: LONG });
    }
    const { size } = memoryOf(before.events.load('algebra1'), chat);
    assert.ok(size < 100, `${size} are remembered`);
    for (const day of [before, new TestClass(before.events)]) {
      const { joined } = await day.join('student1', 'student');
      assert.equal(joined.chat.length, Math.floor(CHAT_HISTORY_BYTES / LONG_BYTES));
      assert.equal(joined.chat.at(-1)?.id, `m${CHAT_HISTORY - 1}`);
    }
  });

  test('has a rate for all students together, which the teacher is not held to', async () => {
    const day = new TestClass();
    const teacher = await day.join('teacher1', 'teacher');
    const students = await Promise.all([1, 2, 3].map((id) => day.join(`student${id}`, 'student')));
    const write = (who: (typeof students)[number], id: string) =>
      ask(day.room(), who.peer, 'chat:send', { id, text: 'flood' });
    let posted = 0;
    await refuses('rate-limited', async () => {
      for (; posted < 1_000; posted += 1) await write(students[posted % 3]!, `f${posted}`);
    });
    assert.ok(posted >= 150 && posted < 200, `${posted} posted`);
    await write(teacher, 'calm');
    day.nowMs += 1_000;
    await write(students[0]!, 'later');
  });

  test('has a cap for each person and for the lesson, and says so to the teacher', async () => {
    const day = new TestClass();
    const teacher = await day.join('teacher1', 'teacher');
    const fill = async (id: string) => {
      const { peer, link } = await day.join(id, 'student');
      let written = 0;
      const more = async () => {
        for (; ; written += 1) {
          day.nowMs += 1_000;
          await ask(day.room(), peer, 'chat:send', { id: `${id}-${written}`, text: LONG });
        }
      };
      await refuses('chat-full', more);
      return { written, link };
    };
    const { written, link } = await fill('student0');
    assert.equal(written, Math.floor(MAX_BYTES_PER_PERSON / LONG_BYTES));
    assert.equal(teacher.link.last('chat:filled'), undefined);
    const most = Math.ceil(MAX_BYTES_PER_LESSON / LONG_BYTES);
    let all = written;
    for (let id = 1; all < most; id += 1) all += (await fill(`student${id}`)).written;
    assert.equal(all, most);
    assert.ok(teacher.link.names().includes('chat:filled'));
    assert.ok(!link.names().includes('chat:filled'));
    await ask(day.room(), teacher.peer, 'chat:send', { id: 'beyond', text: 'Go on in the course.' });
    const after = new TestClass(day.events);
    const late = await after.join('latecomer', 'student');
    await refuses('chat-full', () => ask(after.room(), late.peer, 'chat:send', { id: 'late', text: 'x' }));
    const back = await after.join('teacher1', 'teacher');
    await refuses('chat-full', async () => {
      for (let index = 0; index < 50; index += 1)
        await ask(after.room(), back.peer, 'chat:send', { id: `t${index}`, text: LONG });
    });
    // Who sends those away who filled it has it back, over a restart, too.
    await ask(after.room(), back.peer, 'peer:remove', { peerId: 'student1' });
    await ask(after.room(), late.peer, 'chat:send', { id: 'late', text: 'x' });
    const again = new TestClass(day.events);
    const { peer } = await again.join('teacher1', 'teacher');
    await ask(again.room(), peer, 'chat:send', { id: 'again', text: 'x' });
  });
});

describe('managing people', () => {
  test('goes down the ranks only', async () => {
    const ROLES = ['teacher', 'assistant', 'student', 'auditor'] as const;
    const may = {
      teacher: ['assistant', 'student', 'auditor'],
      assistant: ['student', 'auditor'],
      student: [],
      auditor: [],
    } as const satisfies Record<(typeof ROLES)[number], readonly string[]>;
    for (const actor of ROLES) {
      for (const target of ROLES) {
        const day = new TestClass();
        const { peer } = await day.join('actor001', actor);
        const other = await day.join('target01', target);
        const acts = [
          () => ask(day.room(), peer, 'peer:permit', { peerId: 'target01', permissions: [] }),
          () => ask(day.room(), peer, 'peer:mute', { peerId: 'target01', source: 'camera' }),
          () => ask(day.room(), peer, 'peer:remove', { peerId: 'target01' }),
        ];
        const allowed = (may[actor] as readonly string[]).includes(target);
        for (const act of acts) {
          if (allowed) await act();
          else await refuses('forbidden', act);
        }
        assert.equal(other.link.open, !allowed, `${actor} removes ${target}`);
      }
    }
  });

  test('removes for good', async () => {
    const day = new TestClass();
    const teacher = await day.join('teacher1', 'teacher');
    const student = await day.join('student1', 'student');
    await ask(day.room(), teacher.peer, 'peer:remove', { peerId: 'student1' });
    assert.deepEqual(student.link.last('room:closed'), { reason: 'removed' });
    assert.deepEqual(teacher.link.last('peer:left'), { peerId: 'student1' });
    await refuses('peer-removed', () => day.join('student1', 'student'));
    await refuses('peer-removed', () => new TestClass(day.events).join('student1', 'student'));
    await refuses('not-found', () => ask(day.room(), teacher.peer, 'peer:remove', { peerId: 'student1' }));
  });

  test('grants only what may be granted, and leaves the rest alone', async () => {
    const day = new TestClass();
    const teacher = await day.join('teacher1', 'teacher');
    const helper = await day.join('helper01', 'assistant');
    await ask(day.room(), teacher.peer, 'peer:permit', {
      peerId: 'helper01',
      permissions: ['publish:screen', 'room:close'],
    });
    assert.ok(helper.peer.may('peer:manage') && helper.peer.may('broadcast:control'));
    assert.ok(helper.peer.may('publish:screen') && !helper.peer.may('publish:camera'));
    assert.ok(!helper.peer.may('room:close') && !helper.peer.may('chat:send'));
  });

  test('a ticket that ran out ends the stay of its own link only', async () => {
    const day = new TestClass();
    const student = await day.join('student1', 'student');
    day.room().expire('student1', new TestLink());
    assert.equal(student.link.open, true);
    day.room().expire('student1', student.link);
    assert.deepEqual(student.link.last('room:closed'), { reason: 'ticket-expired' });
    assert.equal(day.room().size, 0);
  });
});

describe('the green room', () => {
  test('hears how many others are in, at most twice a second and without itself', async () => {
    const day = new TestClass();
    const waiting = new TestLink();
    const ticket = ticketFor('student1', 'student');
    assert.equal((await day.rooms.enter(ticket).welcome(ticket, waiting)).present, 0);
    const told = () => waiting.facts.map(({ data }) => (data as { present: number }).present);
    const teacher = await day.join('teacher1', 'teacher');
    for (let index = 0; index < 30; index += 1) await day.join(`crowd${1000 + index}`, 'student');
    mock.timers.tick(500);
    assert.equal(waiting.names(), 'room:presence', 'a class that begins is one fact');
    assert.deepEqual(told(), [31]);
    await ask(day.room(), teacher.peer, 'room:leave', {});
    mock.timers.tick(500);
    assert.deepEqual(told(), [31, 30]);
    assert.equal(teacher.link.names().includes('room:presence'), false, 'who is in has the list');
  });

  test('hears of the broadcast, and those inside hear of it once', async () => {
    const day = new TestClass();
    const waiting = new TestLink();
    const ticket = ticketFor('assistant1', 'assistant');
    await day.rooms.enter(ticket).welcome(ticket, waiting);
    const teacher = await day.join('teacher1', 'teacher');
    await ask(day.room(), teacher.peer, 'broadcast:start', {});
    assert.equal(waiting.last('broadcast:changed')?.state, 'starting');
    assert.equal(teacher.link.facts.filter(({ name }) => name === 'broadcast:changed').length, 1);
  });

  test('counts nobody as the ghost of their own closed tab', async () => {
    const day = new TestClass();
    await day.join('teacher1', 'teacher');
    const student = await day.join('student1', 'student');
    day.room().lost('student1', student.link);
    const back = new TestLink();
    const welcome = await day.room().welcome(student.ticket, back);
    assert.equal(welcome.present, 1, 'the teacher');
    mock.timers.tick(RESUME_WINDOW_MS + 1_000);
    assert.equal(back.names(), '', 'the ghost goes, and nothing changed');
  });
});
