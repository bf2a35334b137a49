// The rules of a room, told as things that happen in a class.
import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, mock, test } from 'node:test';
import { RESUME_WINDOW_MS } from '#shared/contract/signalling.ts';
import { EMPTY_ROOM_MS } from '../../../sfu/room/room.ts';
import { ask, refuses, ROOM, settle, TestClass, type Attendee, TestLink, ticketFor } from './class.ts';
import { granted } from '../../support/permissions.ts';

beforeEach(() => mock.timers.enable({ apis: ['setTimeout'] }));
afterEach(() => mock.timers.reset());

describe('a room', () => {
  test('opens with its first peer and tells the school once', async () => {
    const day = new TestClass();
    assert.equal(day.room().state, 'opening');
    await day.join('teacher1', 'teacher');
    assert.equal(day.room().state, 'open');
    await day.join('student1', 'student');
    assert.equal(day.told(), 'room:opened peer:joined peer:joined');
    const nextProcess = new TestClass(day.events);
    await nextProcess.join('teacher1', 'teacher');
    assert.equal(nextProcess.told(), '', 'nobody new, and it was open already');
  });

  test('closes forever, in the order: broadcast, people, room', async () => {
    const day = new TestClass();
    const teacher = await day.join('teacher1', 'teacher');
    const student = await day.join('student1', 'student');
    const room = day.room();
    await ask(room, teacher.peer, 'broadcast:start', {});
    room.close();
    room.close();
    assert.equal(room.state, 'closed');
    assert.deepEqual(student.link.last('room:closed'), { reason: 'ended' });
    assert.equal(student.link.open, false);
    assert.equal(day.media.openPeers, 0);
    assert.equal(day.told(), 'room:opened peer:joined peer:joined peer:left peer:left room:closed');
    mock.timers.tick(0);
    await settle();
    assert.deepEqual(day.gateway.ended, ['channel1']);
    await refuses('room-closed', () => day.join('student1', 'student'));
    await refuses('room-closed', () => new TestClass(day.events).join('student1', 'student'));
  });

  test('that the school closes before anybody came stays closed', async () => {
    const day = new TestClass();
    day.rooms.close(ROOM);
    await refuses('room-closed', () => day.join('student1', 'student'));
    await refuses('room-closed', () => new TestClass(day.events).join('student1', 'student'));
  });

  test('is forgotten when it was empty for a while, and comes back with its chat', async () => {
    const day = new TestClass();
    const teacher = await day.join('teacher1', 'teacher');
    const room = day.room();
    await ask(room, teacher.peer, 'chat:send', { id: 'm1', text: 'Homework is on page 4.' });
    await ask(room, teacher.peer, 'room:leave', {});
    mock.timers.tick(EMPTY_ROOM_MS - 1);
    assert.equal(day.rooms.get(ROOM), room);
    mock.timers.tick(1);
    assert.equal(day.rooms.get(ROOM), undefined);
    const back = await day.join('teacher1', 'teacher');
    assert.equal(back.joined.chat[0]?.text, 'Homework is on page 4.');
  });

  test('that is on air is kept while empty', async () => {
    const day = new TestClass();
    const teacher = await day.join('teacher1', 'teacher');
    await ask(day.room(), teacher.peer, 'broadcast:start', {});
    await ask(day.room(), teacher.peer, 'room:leave', {});
    mock.timers.tick(EMPTY_ROOM_MS);
    assert.notEqual(day.rooms.get(ROOM), undefined);
    day.rooms.free();
  });

  test('tells the green room that the class ended, and stays as long as somebody waits there', async () => {
    const day = new TestClass();
    const waiting = new TestLink();
    const gone = new TestLink();
    const ticket = ticketFor('student1', 'student');
    await day.rooms.enter(ticket).welcome(ticket, waiting);
    await day.rooms.enter(ticket).welcome(ticket, gone);
    day.room().lost('student1', gone);
    mock.timers.tick(EMPTY_ROOM_MS * 2);
    assert.notEqual(day.rooms.get(ROOM), undefined);
    day.rooms.close(ROOM);
    assert.deepEqual(waiting.last('room:closed'), { reason: 'ended' });
    assert.ok(!waiting.open);
    assert.equal(gone.names(), '');
  });

  test('tells each of its people once why it closed', async () => {
    const day = new TestClass();
    const teacher = await day.join('teacher1', 'teacher');
    await day.room().welcome(teacher.ticket, teacher.link);
    day.room().close();
    assert.equal(teacher.link.names(), 'room:closed');
  });

  test('gives a newcomer everything in one answer, and the others one fact', async () => {
    const day = new TestClass();
    const teacher = await day.join('teacher1', 'teacher');
    const camera = await day.publish(teacher, 'camera');
    await ask(day.room(), teacher.peer, 'chat:send', { id: 'm1', text: 'Good morning.' });
    const { joined, link } = await day.join('student1', 'student');
    assert.deepEqual(joined.producers, [{ id: camera, peerId: 'teacher1', source: 'camera', paused: false }]);
    assert.deepEqual(
      joined.consumers.map(({ producerId, source, peerId }) => ({ producerId, source, peerId })),
      [{ producerId: camera, source: 'camera', peerId: 'teacher1' }],
    );
    assert.equal(joined.peers[0]?.id, 'teacher1');
    assert.equal(joined.chat.length, 1);
    assert.equal(link.names(), '');
    assert.equal(teacher.link.last('peer:joined')?.id, 'student1');
  });

  test('loses nothing that is published while somebody joins', async () => {
    const day = new TestClass();
    const teacher = await day.join('teacher1', 'teacher');
    let open = () => {};
    day.media.gate = new Promise((resolve) => (open = resolve));
    const joining = day.join('student1', 'student');
    const publishing = day.publish(teacher, 'camera');
    open();
    const [{ joined, link }, camera] = await Promise.all([joining, publishing]);
    await settle();
    const inAnswer = joined.consumers.map(({ producerId }) => producerId);
    const afterwards = link.facts.filter(({ name }) => name === 'consumer:created').map(({ data }) => data);
    const all = [...inAnswer, ...afterwards.map((data) => (data as { producerId: string }).producerId)];
    assert.deepEqual(all, [camera], 'once, and only once');
  });

  test('lets a second tab take over, and the others see no one leave', async () => {
    const day = new TestClass();
    const student = await day.join('student1', 'student');
    const first = await day.join('teacher1', 'teacher');
    await day.publish(first, 'camera');
    const second = await day.join('teacher1', 'teacher');
    assert.deepEqual(first.link.last('room:closed'), { reason: 'replaced' });
    assert.equal(first.link.open, false);
    assert.equal(second.joined.resumed, false);
    assert.equal(second.joined.producers.length, 0);
    assert.equal(second.joined.you.joinedAtMs, first.joined.you.joinedAtMs);
    assert.ok(!student.link.names().includes('peer:left'));
    await refuses('not-joined', () => day.room().peerBy('teacher1', first.link));
    day.room().lost('teacher1', first.link);
    assert.equal(second.peer.view().state, 'present', 'the old socket going does not matter');
    assert.equal(day.media.openPeers, 2);
  });

  test('lets the later of two joins at once win, and keeps no media of the other', async () => {
    const day = new TestClass();
    const [early, late] = await Promise.allSettled([
      day.join('teacher1', 'teacher'),
      day.join('teacher1', 'teacher'),
    ]);
    assert.equal((early as PromiseRejectedResult).reason.code, 'session-replaced');
    assert.equal(late.status, 'fulfilled');
    assert.equal(day.media.openPeers, 1);
  });

  test('keeps who lost the socket for the resume window, then lets go', async () => {
    const day = new TestClass();
    const teacher = await day.join('teacher1', 'teacher');
    const student = await day.join('student1', 'student');
    day.room().lost('student1', student.link);
    assert.equal(teacher.link.last('peer:updated')?.state, 'away');
    mock.timers.tick(RESUME_WINDOW_MS - 1);
    const camera = await day.publish(teacher, 'camera');
    await settle();
    const back = await day.join('student1', 'student', { session: student.joined.session });
    assert.equal(back.joined.resumed, true);
    assert.equal(back.joined.recvTransport.id, student.joined.recvTransport.id);
    assert.equal(back.joined.consumers[0]?.producerId, camera);
    assert.equal(teacher.link.last('peer:updated')?.state, 'present');

    day.room().lost('student1', back.link);
    mock.timers.tick(RESUME_WINDOW_MS);
    assert.deepEqual(teacher.link.last('peer:left'), { peerId: 'student1' });
    assert.equal(day.media.openPeers, 1);
    const late = await day.join('student1', 'student', { session: student.joined.session });
    assert.equal(late.joined.resumed, false);
  });

  test('does not give a session to who only has its id', async () => {
    const day = new TestClass();
    const student = await day.join('student1', 'student');
    const thief = await day.join('student2', 'student', { session: student.joined.session });
    assert.equal(thief.joined.resumed, false);
    assert.notEqual(thief.joined.recvTransport.id, student.joined.recvTransport.id);
    assert.equal(student.link.open, true);
  });

  test('takes everyone to another worker when theirs dies, on the same socket', async () => {
    const day = new TestClass();
    const teacher = await day.join('teacher1', 'teacher');
    const student = await day.join('student1', 'student');
    await day.publish(teacher, 'camera');
    day.media.lose();
    assert.ok(student.link.names().endsWith('room:restarted'));
    await refuses('conflict', () => day.publish(teacher, 'camera'));
    const back = await day.join('teacher1', 'teacher', { link: teacher.link });
    assert.equal(back.joined.resumed, false);
    assert.equal(back.link.last('room:closed'), undefined);
    await day.publish(back, 'camera');
    const again = await day.join('student1', 'student', { link: student.link });
    assert.equal(again.joined.consumers.length, 1);
  });

  test('joins by itself on the next worker if one dies under the join', async () => {
    const day = new TestClass();
    await day.join('teacher1', 'teacher');
    let open = () => {};
    day.media.gate = new Promise((resolve) => (open = resolve));
    const joining = day.join('student1', 'student');
    await settle();
    day.media.lose();
    open();
    assert.equal((await joining).joined.you.id, 'student1');
    assert.equal(day.media.openPeers, 1, 'the teacher has not come again yet');
  });

  test('knows after kill -9 who was there, and lets go of who does not come back', async () => {
    const before = new TestClass();
    const teacher = await before.join('teacher1', 'teacher');
    await before.join('student1', 'student');
    await ask(before.room(), teacher.peer, 'peer:permit', {
      peerId: 'student1',
      permissions: ['publish:camera'],
    });

    const after = new TestClass(before.events);
    const back = await after.join('teacher1', 'teacher', { session: teacher.joined.session });
    assert.equal(back.joined.resumed, false);
    const [student] = back.joined.peers;
    assert.equal(student?.state, 'away');
    assert.deepEqual(student?.permissions, granted('student', ['publish:camera']));
    mock.timers.tick(RESUME_WINDOW_MS);
    assert.equal(after.told(), 'peer:left');
    assert.deepEqual(back.link.last('peer:left'), { peerId: 'student1' });
  });

  test('has so many seats for each student link, and always one for those who teach', async () => {
    const day = new TestClass();
    const old = { invite: 'student.0' };
    for (let index = 0; index < 300; index += 1) await day.join(`student${index}`, 'student', old);
    await refuses('room-full', () => day.join('student300', 'student', old));
    await day.join('student7', 'student', old);
    for (let index = 0; index < 20; index += 1) {
      await day.join(`teacher${index}`, 'teacher', { invite: 'teacher.0' });
      await day.join(`assistant${index}`, 'assistant', { invite: 'assistant.0' });
    }
    const fresh = { invite: 'student.1' };
    for (let index = 0; index < 150; index += 1) await day.join(`newcomer${index}`, 'student', fresh);
    await refuses('room-full', () => day.join('newcomer150', 'student', fresh));
  });

  test('gives the seat of one who is away, first of those who never sent anything, and of nobody present', async () => {
    const day = new TestClass();
    const people = new Map<string, Attendee>();
    for (let index = 0; index < 300; index += 1) {
      people.set(`student${index}`, await day.join(`student${index}`, 'student'));
    }
    const leave = (id: string) => {
      const { link } = people.get(id) ?? assert.fail();
      link.close();
      day.room().lost(id, link);
    };
    await ask(day.room(), people.get('student0')!.peer, 'chat:send', { id: 'm', text: 'hello' });
    for (const id of ['student0', 'student1', 'student2']) leave(id);
    const order: string[] = [];
    const gone = () => day.events.all.flatMap((event) => (event.type === 'peer:left' ? [event.peerId] : []));
    for (let index = 0; index < 3; index += 1) {
      await day.join(`latecomer${index}`, 'student');
      order.push(gone().at(-1) ?? '');
    }
    assert.deepEqual(order, ['student1', 'student2', 'student0']);
    await refuses('room-full', () => day.join('latecomer3', 'student'));
    assert.equal(day.room().size, 300);
  });
});

describe('what is published', () => {
  test('ends with its permission, and its owner is told why', async () => {
    const day = new TestClass();
    const teacher = await day.join('teacher1', 'teacher');
    const student = await day.join('student1', 'student');
    const room = day.room();
    await ask(room, teacher.peer, 'peer:permit', {
      peerId: 'student1',
      permissions: ['publish:camera', 'publish:microphone'],
    });
    const camera = await day.publish(student, 'camera');
    await day.publish(student, 'microphone');
    await ask(room, teacher.peer, 'peer:permit', { peerId: 'student1', permissions: ['publish:microphone'] });
    assert.deepEqual(student.link.last('producer:closed'), { producerId: camera, reason: 'revoked' });
    assert.deepEqual(teacher.link.last('producer:closed'), { producerId: camera, reason: 'revoked' });
    assert.equal(student.link.facts.filter(({ name }) => name === 'producer:closed').length, 1);
    await ask(room, teacher.peer, 'peer:mute', { peerId: 'student1', source: 'microphone' });
    assert.equal(student.link.last('producer:closed')?.reason, 'muted');
  });

  test('does not begin if the permission goes while it is being made', async () => {
    const day = new TestClass();
    const teacher = await day.join('teacher1', 'teacher');
    const student = await day.join('student1', 'student');
    await ask(day.room(), teacher.peer, 'peer:permit', {
      peerId: 'student1',
      permissions: ['publish:camera'],
    });
    const publishing = day.publish(student, 'camera');
    await ask(day.room(), teacher.peer, 'peer:permit', { peerId: 'student1', permissions: [] });
    await refuses('forbidden', () => publishing);
    assert.ok(!teacher.link.names().includes('producer:created'));
  });

  test('is one of each source: a second takes the place of the first', async () => {
    const day = new TestClass();
    const teacher = await day.join('teacher1', 'teacher');
    const student = await day.join('student1', 'student');
    const first = await day.publish(teacher, 'camera');
    const second = await day.publish(teacher, 'camera');
    assert.deepEqual(student.link.last('producer:closed'), { producerId: first, reason: 'closed' });
    assert.deepEqual(
      (await day.join('student2', 'student')).joined.producers.map(({ id }) => id),
      [second],
    );
  });

  test('belongs to its owner', async () => {
    const day = new TestClass();
    const teacher = await day.join('teacher1', 'teacher');
    const assistant = await day.join('helper01', 'assistant');
    const camera = await day.publish(teacher, 'camera');
    await refuses('not-found', () =>
      ask(day.room(), assistant.peer, 'producer:pause', { producerId: camera }),
    );
    await refuses('not-found', () =>
      ask(day.room(), assistant.peer, 'producer:close', { producerId: camera }),
    );
    await ask(day.room(), teacher.peer, 'producer:pause', { producerId: camera });
    assert.equal(assistant.link.last('producer:updated')?.paused, true);
    assert.equal(teacher.link.last('producer:updated'), undefined);
    await refuses('bad-request', () =>
      ask(day.room(), teacher.peer, 'producer:create', {
        transportId: 't',
        kind: 'audio',
        source: 'camera',
        rtpParameters: {},
      }),
    );
  });
});
