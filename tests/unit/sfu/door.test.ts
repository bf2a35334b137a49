// Who gets as far as the room: links that were replaced, and newcomers after a removal.
import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, mock, test } from 'node:test';
import { RESUME_WINDOW_MS } from '#shared/contract/signalling.ts';
import { door, MAX_KNOCKS, MAX_WAITING } from '../../../sfu/room/features/door.ts';
import { ask, refuses, ROOM, TestClass, TestLink, type Attendee } from './class.ts';

beforeEach(() => mock.timers.enable({ apis: ['setTimeout'] }));
afterEach(() => mock.timers.reset());

const names = ({ link }: Attendee) => link.names();

/** A class from which one student was removed, and another one stays. */
async function afterRemoval(day = new TestClass()) {
  const teacher = await day.join('teacher1', 'teacher');
  const rude = await day.join('rude0001', 'student');
  const kind = await day.join('kind0001', 'student');
  await ask(day.room(), teacher.peer, 'peer:remove', { peerId: rude.peer.id });
  const knock = async (id: string) => {
    const link = new TestLink();
    await refuses('must-wait', () => day.join(id, 'student', { link }));
    return link;
  };
  return { day, teacher, kind, knock };
}

describe('a door that is watched', () => {
  test('nobody waits before somebody was removed', async () => {
    const day = new TestClass();
    await day.join('teacher1', 'teacher');
    await day.join('student1', 'student');
    assert.equal(day.room().get(door).door.waiting, 0);
  });

  test('keeps newcomers of the same link waiting until they are admitted', async () => {
    const { day, teacher, kind, knock } = await afterRemoval();
    const link = await knock('again001');
    const { id, name } = teacher.link.last('door:knocked') ?? {};
    assert.deepEqual([id, name], ['again001', 'again001']);
    assert.doesNotMatch(names(kind), /door/, 'students hear nothing of it');
    assert.equal(day.media.openPeers, 2, 'who waits costs no media');
    await ask(day.room(), teacher.peer, 'door:admit', { peerIds: ['again001', 'nobody01'] });
    assert.ok(link.last('door:opened'));
    assert.deepEqual(teacher.link.last('door:left'), { peerIds: ['again001'] });
    await day.join('again001', 'student', { link });
  });

  test('lets those in at once whom the room knows, who teach, and who come by another link', async () => {
    const { day, kind } = await afterRemoval();
    await ask(day.room(), kind.peer, 'room:leave', {});
    await day.join('kind0001', 'student');
    await day.join('teacher2', 'teacher');
    await day.join('helper01', 'assistant');
    await day.join('other001', 'student', { invite: 'student.1' });
  });

  test('keeps those waiting who had come and gone before the removal, also over a restart', async () => {
    const day = new TestClass();
    const teacher = await day.join('teacher1', 'teacher');
    const spare = await day.join('spare001', 'student');
    await ask(day.room(), spare.peer, 'room:leave', {});
    const rude = await day.join('rude0001', 'student');
    const kind = await day.join('kind0001', 'student');
    await ask(day.room(), teacher.peer, 'peer:remove', { peerId: rude.peer.id });
    await refuses('must-wait', () => day.join('spare001', 'student'));
    const after = new TestClass(day.events);
    await refuses('must-wait', () => after.join('spare001', 'student'));
    await after.join(kind.peer.id, 'student');
  });

  test('refuses for good who is refused, and tells them', async () => {
    const { day, teacher, knock } = await afterRemoval();
    const link = await knock('again001');
    await ask(day.room(), teacher.peer, 'door:refuse', { peerIds: ['again001'] });
    assert.deepEqual(link.last('room:closed'), { reason: 'refused' });
    assert.equal(link.open, false);
    await refuses('peer-removed', () => day.join('again001', 'student'));
    assert.equal(day.room().get(door).door.waiting, 0);
  });

  test('shows who waits to a teacher who comes later, and to nobody else', async () => {
    const { day, knock } = await afterRemoval();
    await knock('again001');
    const late = await day.join('teacher2', 'teacher');
    assert.deepEqual(
      late.joined.waiting.map(({ name }) => name),
      ['again001'],
    );
    const student = await day.join('kind0001', 'student');
    assert.deepEqual(student.joined.waiting, []);
  });

  test('keeps the place of a lost connection, announces it once, and then forgets it', async () => {
    const { day, teacher, knock } = await afterRemoval();
    const first = await knock('again001');
    day.room().lost('again001', first);
    const second = await knock('again001');
    mock.timers.tick(RESUME_WINDOW_MS);
    assert.equal(teacher.link.facts.filter(({ name }) => name === 'door:knocked').length, 1);
    assert.equal(day.room().get(door).door.waiting, 1, 'it came back');
    day.room().lost('again001', second);
    mock.timers.tick(RESUME_WINDOW_MS);
    assert.equal(day.room().get(door).door.waiting, 0);
    assert.deepEqual(teacher.link.last('door:left'), { peerIds: ['again001'] });
  });

  test('is bounded: one too many asks again, and who is away gives the place up', async () => {
    const { day, knock } = await afterRemoval();
    const links: TestLink[] = [];
    for (let index = 0; index < MAX_WAITING; index += 1) links.push(await knock(`guest${100 + index}`));
    await refuses('rate-limited', () => day.join('onemore1', 'student'));
    day.room().lost('guest107', links[7] as TestLink);
    await knock('onemore1');
    assert.equal(day.room().get(door).door.waiting, MAX_WAITING);
  });

  test('announces so many newcomers a minute, and not more', async () => {
    const { day, teacher, knock } = await afterRemoval();
    for (let index = 0; index < MAX_KNOCKS.count; index += 1) {
      await knock(`guest${100 + index}`);
      await ask(day.room(), teacher.peer, 'door:refuse', { peerIds: [`guest${100 + index}`] });
    }
    await refuses('rate-limited', () => day.join('onemore1', 'student'));
    day.nowMs += MAX_KNOCKS.withinMs;
    await knock('onemore1');
    const told = teacher.link.facts.filter(({ name }) => name === 'door:knocked').length;
    assert.equal(told, MAX_KNOCKS.count + 1);
  });

  test('is watched after kill -9 as before, and remembers whom it knows', async () => {
    const { day, teacher, knock } = await afterRemoval();
    await knock('again001');
    await knock('again002');
    await ask(day.room(), teacher.peer, 'door:admit', { peerIds: ['again001'] });
    const after = new TestClass(day.events);
    await after.join('kind0001', 'student');
    await after.join('again001', 'student');
    await refuses('must-wait', () => after.join('again002', 'student'));
    await refuses('peer-removed', () => after.join('rude0001', 'student'));
  });

  test('stops a newcomer whose join was under way when somebody was removed', async () => {
    const day = new TestClass();
    const teacher = await day.join('teacher1', 'teacher');
    await day.join('rude0001', 'student');
    let open = () => {};
    day.media.gate = new Promise((resolve) => (open = resolve));
    const joining = refuses('must-wait', () => day.join('again001', 'student'));
    await ask(day.room(), teacher.peer, 'peer:remove', { peerId: 'rude0001' });
    open();
    await joining;
    assert.equal(day.media.openPeers, 1);
  });
});

describe('a link that was replaced', () => {
  const replaced = { teacher: 0, assistant: 0, student: 1, watch: 0 };

  test('lets nobody in any more, and those inside stay, also over a restart', async () => {
    const day = new TestClass();
    const student = await day.join('student1', 'student');
    const gone = await day.join('student2', 'student');
    const away = await day.join('student3', 'student');
    await ask(day.room(), gone.peer, 'room:leave', {});
    day.room().lost('student3', away.link);
    day.rooms.setAccess(ROOM, { links: replaced });
    assert.equal(student.link.open, true);
    for (const id of ['student2', 'newcomer']) {
      await refuses('link-replaced', () => day.join(id, 'student'));
    }
    await day.join('student1', 'student');
    await day.join('student3', 'student');
    await day.join('newcomer', 'student', { invite: 'student.1' });
    await day.join('teacher1', 'teacher');

    const after = new TestClass(day.events);
    await after.join('student1', 'student');
    await refuses('link-replaced', () => after.join('student2', 'student'));
  });

  test('sends those away who wait by it, and its versions never count down', async () => {
    const { day, knock } = await afterRemoval();
    const link = await knock('again001');
    day.rooms.setAccess(ROOM, { links: replaced });
    assert.deepEqual(link.last('room:closed'), { reason: 'link-replaced' });
    day.rooms.setAccess(ROOM, { links: { teacher: 0, assistant: 0, student: 0, watch: 0 } });
    await refuses('link-replaced', () => day.join('again001', 'student'));
    await day.join('again001', 'student', { invite: 'student.1' });
  });

  test('is remembered of a room that is not in memory, once, and not of one that is over', async () => {
    const day = new TestClass();
    for (let times = 0; times < 3; times += 1) day.rooms.setAccess(ROOM, { links: replaced });
    assert.equal(day.events.all.length, 1);
    await refuses('link-replaced', () => day.join('student1', 'student'));
    day.rooms.close(ROOM);
    const kept = day.events.all.length;
    day.rooms.setAccess(ROOM, { links: { ...replaced, student: 2 } });
    assert.equal(day.events.all.length, kept);
  });
});
