// What a room can do is a list of features: each side has the same one, and a new one changes no other file.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { z } from 'zod';
import { FEATURES as DECLARED } from '#shared/contract/features/index.ts';
import { Nothing, type FeatureSpec } from '#shared/contract/features/feature.ts';
import { REQUESTS } from '#shared/contract/signalling.ts';
import { feature } from '../../../sfu/room/features/feature.ts';
import { FEATURES } from '../../../sfu/room/features/index.ts';
import { emptyRecord } from '../../../sfu/room/record.ts';
import { Room } from '../../../sfu/room/room.ts';
import { ask, refuses, ROOM, TestClass, TestLink, ticketFor } from './class.ts';

describe('the features of a room', () => {
  test('are handled as they are declared, all of them', () => {
    assert.deepEqual(
      FEATURES.map(({ spec }) => spec.name),
      DECLARED.map(({ name }) => name),
    );
    const handled = new Set(FEATURES.flatMap(({ spec }) => Object.keys(spec.requests)));
    const others = Object.keys(REQUESTS).filter((name) => !handled.has(name));
    assert.deepEqual(others, ['room:join', 'room:close', 'room:leave', 'peer:permit', 'peer:remove']);
  });

  test('can be one more, which nothing else knows of', async () => {
    const bell = {
      name: 'bell',
      permissions: {},
      requests: { 'bell:ring': { in: Nothing, out: z.object({ rings: z.number() }), permission: null } },
      facts: {},
      events: {},
      snapshot: { rings: z.number() },
    } as const satisfies FeatureSpec;
    const toy = feature({
      spec: bell,
      memory: () => ({ rings: 0 }),
      // Rings at each coming, and when it is asked to.
      remember(memory, entry) {
        if (entry.type === 'peer:joined') memory.rings += 1;
      },
      open: (_room, memory) => ({
        requests: { 'bell:ring': () => ({ rings: (memory.rings += 1) }) },
        snapshot: () => ({ rings: memory.rings }),
        memory,
      }),
    });
    const day = new TestClass();
    const room = new Room(ROOM, emptyRecord([...FEATURES, toy]), day.deps, () => {});
    const ticket = ticketFor('teacher1', 'teacher');
    const link = new TestLink();
    const joined = await room.join({ ticket, link, session: undefined }, { name: 'T', rtpCapabilities: {} });
    assert.equal((joined as { rings?: number }).rings, 1);
    const peer = room.peerBy('teacher1', link);
    assert.deepEqual(await room.answer('bell:ring', { peer, ticket }, {}), { rings: 2 });
    assert.equal(room.get(toy).memory.rings, 2);
    room.close();
    room.free();
  });
});

describe('raised hands', () => {
  const names = (day: TestClass) =>
    day.join('late0001', 'student').then(({ joined }) => joined.hands.map(({ peerId }) => peerId));

  test('are seen by everyone in the order in which they went up, by newcomers and after kill -9 too', async () => {
    const day = new TestClass();
    const teacher = await day.join('teacher1', 'teacher');
    const ada = await day.join('student1', 'student');
    const bob = await day.join('student2', 'student');
    await ask(day.room(), bob.peer, 'hand:raise', {});
    await ask(day.room(), ada.peer, 'hand:raise', {});
    // A hand that is up keeps its place, and nobody is told twice.
    await ask(day.room(), bob.peer, 'hand:raise', {});
    const told = teacher.link.facts.filter(({ name }) => name === 'hand:raised');
    assert.deepEqual(
      told.map(({ data }) => (data as { peerId: string }).peerId),
      ['student2', 'student1'],
    );
    assert.deepEqual(await names(day), ['student2', 'student1']);
    const after = new TestClass(day.events);
    assert.deepEqual(await names(after), ['student2', 'student1']);
  });

  test('go down by their owners, by who teaches, and with who leaves', async () => {
    const day = new TestClass();
    const teacher = await day.join('teacher1', 'teacher');
    const people = await Promise.all([1, 2, 3, 4].map((id) => day.join(`student${id}`, 'student')));
    for (const { peer } of people) await ask(day.room(), peer, 'hand:raise', {});
    const [ada, bob, eve, kay] = people.map(({ peer }) => peer);
    await ask(day.room(), ada!, 'hand:lower', {});
    await ask(day.room(), ada!, 'hand:lower', {});
    await ask(day.room(), teacher.peer, 'hand:lower', { peerId: bob!.id });
    await ask(day.room(), eve!, 'room:leave', {});
    assert.deepEqual(await names(day), [kay!.id]);
    assert.equal(kay!.link !== null, true);
    await ask(day.room(), teacher.peer, 'peer:remove', { peerId: kay!.id });
    assert.deepEqual(await names(new TestClass(day.events)), []);
    await refuses('not-found', () => ask(day.room(), teacher.peer, 'hand:lower', { peerId: 'nobody01' }));
  });
});
