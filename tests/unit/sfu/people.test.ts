// What people in a room say to each other, and who may manage whom.
import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, mock, test } from 'node:test';
import { CHAT_HISTORY } from '#shared/contract/signalling.ts';
import { refuses, TestClass, TestLink } from './class.ts';

beforeEach(() => mock.timers.enable({ apis: ['setTimeout'] }));
afterEach(() => mock.timers.reset());

describe('chat', () => {
  test('posts a message once, however often it is sent', async () => {
    const day = new TestClass();
    const teacher = await day.join('teacher1', 'teacher');
    const student = await day.join('student1', 'student');
    const first = day.room().post(student.peer, { id: 'm1', text: 'hello' });
    assert.equal(day.room().post(student.peer, { id: 'm1', text: 'hello' }), first);
    assert.equal(teacher.link.facts.filter(({ name }) => name === 'chat:posted').length, 1);
    await refuses('conflict', () => day.room().post(teacher.peer, { id: 'm1', text: 'mine' }));
  });

  test('recognises a repeat after kill -9, and brings back no deleted message', async () => {
    const before = new TestClass();
    const student = await before.join('student1', 'student');
    const message = before.room().post(student.peer, { id: 'm1', text: 'hello' });
    before.room().post(student.peer, { id: 'm2', text: 'oops' });
    before.room().deleteMessage('m2');
    await refuses('not-found', () => before.room().deleteMessage('m2'));
    await refuses('conflict', () => before.room().post(student.peer, { id: 'm2', text: 'oops' }));

    const after = new TestClass(before.journal);
    const back = await after.join('student1', 'student');
    assert.deepEqual(back.joined.chat, [message]);
    assert.deepEqual(after.room().post(back.peer, { id: 'm1', text: 'hello' }), message);
  });

  test('keeps a bounded history', async () => {
    const day = new TestClass();
    const teacher = await day.join('teacher1', 'teacher');
    for (let index = 0; index < 6 * CHAT_HISTORY; index += 1) {
      day.room().post(teacher.peer, { id: `m${index}`, text: `${index}` });
    }
    const { joined } = await day.join('student1', 'student');
    assert.equal(joined.chat.length, CHAT_HISTORY);
    assert.equal(joined.chat.at(-1)?.id, `m${6 * CHAT_HISTORY - 1}`);
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
          () => day.room().permit(peer, { peerId: 'target01', permissions: [] }),
          () => day.room().mute(peer, { peerId: 'target01', source: 'camera' }),
          () => day.room().remove(peer, { peerId: 'target01' }),
        ];
        const allowed = (may[actor] as readonly string[]).includes(target);
        for (const act of acts) {
          if (allowed) act();
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
    day.room().remove(teacher.peer, { peerId: 'student1' });
    assert.deepEqual(student.link.last('room:closed'), { reason: 'removed' });
    assert.deepEqual(teacher.link.last('peer:left'), { peerId: 'student1' });
    await refuses('peer-removed', () => day.join('student1', 'student'));
    await refuses('peer-removed', () => new TestClass(day.journal).join('student1', 'student'));
    await refuses('not-found', () => day.room().remove(teacher.peer, { peerId: 'student1' }));
  });

  test('grants only what may be granted, and leaves the rest alone', async () => {
    const day = new TestClass();
    const teacher = await day.join('teacher1', 'teacher');
    const helper = await day.join('helper01', 'assistant');
    day.room().permit(teacher.peer, { peerId: 'helper01', permissions: ['publish:screen', 'room:close'] });
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
