// The door of a real SFU: newcomers after a removal, and links that were replaced.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { makeWorld, Person, randomId, type World } from './world.ts';

const refuses = (code: string, call: Promise<unknown>) => assert.rejects(call, { message: code });
/** A room of its own for each story. */
const elsewhere = () => ({ room: randomId() });

describe('the door', () => {
  let world: World;
  before(async () => {
    world = await makeWorld();
  });
  after(() => world.close());

  test('after a removal newcomers wait for the teacher, also over a lost network and a restart', async () => {
    const there = { ...elsewhere(), invite: 'student.3' as const };
    const teacher = await Person.join(world, 'teacher', 'teacher', { room: there.room });
    await Person.join(world, 'rude', 'student', there);
    await teacher.ask('peer:remove', { peerId: 'rude____' });
    const comes = async () => Person.connect(world.url, await world.ticket('again', 'student', there));
    const first = await comes();
    await refuses('must-wait', first.enter('Once more'));
    assert.equal((await teacher.fact('door:knocked')).name, 'Once more');
    await refuses('not-joined', first.ask('chat:send', { id: 'm1', text: 'let me in' }));
    await refuses('not-joined', first.ask('door:admit', { peerIds: ['again___'] }));
    first.leave();
    teacher.leave();
    await world.restart();
    const second = await comes();
    await refuses('must-wait', second.enter('Once more'));
    const back = await Person.join(world, 'teacher', 'teacher', { room: there.room });
    assert.deepEqual(
      back.joined?.waiting.map(({ id, name }) => ({ id, name })),
      [{ id: 'again___', name: 'Once more' }],
    );
    await back.ask('door:admit', { peerIds: ['again___'] });
    await second.fact('door:opened');
    await second.enter('Once more');
    await back.fact('peer:joined', ({ name }) => name === 'Once more');
    back.leave();
    second.leave();
  });

  test('tickets of a link that was replaced let in those alone who are inside', async () => {
    const there = elsewhere();
    const access = (links: object, method = 'PUT') =>
      fetch(`${world.url}/internal/rooms/${there.room}/access`, {
        method,
        headers: { authorization: `Bearer ${world.secrets.internal}` },
        ...(method === 'PUT' && { body: JSON.stringify({ links }) }),
      });
    const student = await Person.join(world, 'student', 'student', there);
    const waiting = await Person.connect(world.url, await world.ticket('greenroom', 'student', there));
    assert.equal((await access({ student: 1 })).status, 400);
    assert.equal((await access({}, 'GET')).status, 405);
    assert.equal((await access({ teacher: 0, assistant: 0, student: 1, watch: 0 })).status, 200);
    await refuses('link-replaced', waiting.enter('from the green room'));
    await refuses('link-replaced', Person.join(world, 'newcomer', 'student', there));
    await student.ask('chat:send', { id: 'm1', text: 'still here' });
    student.leave();
    await world.restart();
    const back = await Person.join(world, 'student', 'student', there);
    await refuses('link-replaced', Person.join(world, 'newcomer', 'student', there));
    const fresh = { ...there, invite: 'student.1' as const };
    (await Person.join(world, 'newcomer', 'student', fresh)).leave();
    back.leave();
    waiting.leave();
  });
});
