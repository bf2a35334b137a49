// What a room does for its people, and what it does not let anybody do to the others.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { io } from 'socket.io-client';
import { MAX_SIGNAL_BYTES } from '#shared/contract/signalling.ts';
import { makeWorld, Person, randomId, rtpParameters, until, type World } from './world.ts';
import { granted } from '../../support/permissions.ts';

const refuses = (code: string, call: Promise<unknown>) => assert.rejects(call, { message: code });
/** A room of its own for each story. */
const elsewhere = () => ({ room: randomId() });

describe('signalling', () => {
  let world: World;
  before(async () => {
    world = await makeWorld();
  });
  after(() => world.close());

  test('a teacher and a student meet, talk, and part', async () => {
    const there = elsewhere();
    const teacher = await Person.join(world, 'teacher', 'teacher', there);
    const student = await Person.join(world, 'student', 'student', there);
    assert.deepEqual(
      student.joined?.peers.map(({ name, role, state }) => ({ name, role, state })),
      [{ name: 'teacher', role: 'teacher', state: 'present' }],
    );
    assert.equal((await teacher.fact('peer:joined')).name, 'student');

    const { message } = await student.ask('chat:send', { id: 'm1', text: '  Is this on the exam? ' });
    assert.equal(message.text, 'Is this on the exam?');
    assert.deepEqual(await teacher.fact('chat:posted'), message);
    const again = await student.ask('chat:send', { id: 'm1', text: 'Is this on the exam?' });
    assert.deepEqual(again.message, message);
    assert.equal(teacher.facts.filter(({ name }) => name === 'chat:posted').length, 1);

    await refuses('forbidden', student.ask('chat:delete', { messageId: 'm1' }));
    await teacher.ask('chat:delete', { messageId: 'm1' });
    await student.fact('chat:deleted', ({ messageId }) => messageId === 'm1');

    await student.ask('room:leave', {});
    await teacher.fact('peer:left', ({ peerId }) => peerId === 'student_');
    await until('school heard it all', () => {
      const heard = world.events.filter(
        (event) => 'room' in event && event.room === there.room && event.type !== 'peer:changed',
      );
      return (
        heard.map(({ type }) => type).join(' ') ===
        'room:opened peer:joined peer:joined chat:posted chat:deleted peer:left'
      );
    });
    teacher.leave();
    student.leave();
  });

  test('tickets that are wrong, expired or of another kind let nobody in', async () => {
    const good = await world.ticket('teacher', 'teacher');
    const expired = await world.ticket('teacher', 'teacher', { exp: Math.floor(Date.now() / 1_000) - 60 });
    await refuses('ticket-expired', Person.connect(world.url, expired));
    const [head, body] = good.split('.');
    await refuses('ticket-invalid', Person.connect(world.url, `${head}.${body}.AAAA`));
    const none = Buffer.from('{"alg":"none"}').toString('base64url');
    await refuses('ticket-invalid', Person.connect(world.url, `${none}.${body}.`));
    await refuses('ticket-invalid', Person.connect(world.url, 'nonsense'));
    await refuses('bad-request', Person.connect(world.url, 'x'.repeat(3_000)));
    const badRole = await world.ticket('teacher', 'teacher', { role: 'headmaster' as 'teacher' });
    await refuses('ticket-invalid', Person.connect(world.url, badRole));
  });

  test('a ticket that runs out in class ends the stay', async () => {
    const there = elsewhere();
    const exp = Math.floor(Date.now() / 1_000) + 3;
    const student = await Person.join(world, 'student', 'student', { ...there, exp });
    assert.equal((await student.fact('room:closed')).reason, 'ticket-expired');
    await until('cut off', () => !student.socket.connected);
  });

  test('malformed, unknown, oversized and unanswerable messages harm nobody', async () => {
    const there = elsewhere();
    const teacher = await Person.join(world, 'teacher', 'teacher', there);
    const student = await Person.join(world, 'student', 'student', there);
    const codeOf = async (name: string, ...args: unknown[]) => {
      const answer = await student.raw(name, ...args);
      return answer.ok ? 'ok' : answer.error.code;
    };
    for (const name of ['room:destroy', '__proto__', 'constructor', 'toString']) {
      assert.equal(await codeOf(name, {}), 'bad-request');
    }
    for (const data of [null, 7, 'text', [], { id: '', text: 'x' }, { id: 'a', text: 'x'.repeat(3_000) }]) {
      assert.equal(await codeOf('chat:send', data), 'bad-request');
    }
    assert.equal(await codeOf('chat:send'), 'bad-request');
    assert.equal(await codeOf('room:join', { name: '\u0000 ', rtpCapabilities: {} }), 'bad-request');
    student.socket.emit('chat:send', { id: 'silent', text: 'no way to answer' });
    student.socket.emit('room:leave');
    student.socket.emit('x'.repeat(5_000), () => undefined);

    const flooder = await Person.join(world, 'flooder_', 'student', there);
    flooder.socket.emit('chat:send', { id: 'big', text: 'x'.repeat(MAX_SIGNAL_BYTES) }, () => undefined);
    await until('the oversized one is cut off', () => !flooder.socket.connected);

    await teacher.ask('chat:send', { id: 'm1', text: 'Still here.' });
    await student.fact('chat:posted', ({ id }) => id === 'm1');
    assert.ok(!teacher.facts.some(({ data }) => (data as { id?: string } | undefined)?.id === 'silent'));
    teacher.leave();
    student.leave();
  });

  test('a flood is refused, and others do not feel it', async () => {
    const there = elsewhere();
    const flooder = await Person.join(world, 'flooder', 'student', there);
    const teacher = await Person.join(world, 'teacher', 'teacher', there);
    const answers = await Promise.all(
      Array.from({ length: 500 }, (_, index) => flooder.raw('chat:send', { id: `f${index}`, text: 'flood' })),
    );
    const refused = answers.filter((answer) => !answer.ok && answer.error.code === 'rate-limited');
    assert.ok(refused.length > 200, `${refused.length} refused`);
    await teacher.ask('chat:send', { id: 'calm', text: 'Calm down.' });
    flooder.leave();
    teacher.leave();
  });

  test('media parameters of any shape neither break the worker nor the room', async () => {
    const there = elsewhere();
    const teacher = await Person.join(world, 'teacher', 'teacher', there);
    const { id: transportId } = await teacher.ask('transport:create', { direction: 'send' });
    const video = rtpParameters('video', 1_111);
    const create = (rtp: unknown, kind = 'video') =>
      teacher.raw('producer:create', { transportId, kind, source: 'camera', rtpParameters: rtp });
    const wrong: unknown[] = [
      {},
      { ...video, codecs: 'none' },
      { ...video, codecs: [{ ...video.codecs[0], mimeType: 'video/H265' }] },
      { ...video, codecs: [{ ...video.codecs[0], parameters: { deep: { er: 1 } } }] },
      { ...video, encodings: [{ ssrc: 1, maxBitrate: 'much' }] },
      { ...video, encodings: [{ ssrc: -1 }] },
      { ...video, encodings: Array.from({ length: 50 }, (_, index) => ({ rid: `r${index}` })) },
      { ...video, encodings: [{ rid: { toString: 'x' } }] },
      { ...video, headerExtensions: [{ uri: 'urn:x', id: 1e9 }] },
      { ...video, mid: 'm'.repeat(500) },
    ];
    for (const rtp of wrong) {
      const answer = await create(rtp);
      assert.ok(!answer.ok, JSON.stringify(rtp));
      assert.match(answer.error.code, /^(bad-request|unsupported-codec)$/, JSON.stringify(rtp));
    }
    assert.equal(((await create(video, 'audio')) as { error: { code: string } }).error.code, 'bad-request');
    for (const dtlsParameters of [
      {},
      { role: 'king', fingerprints: [] },
      { role: 'client', fingerprints: [{ algorithm: 'md5', value: '00' }] },
      { role: 'client', fingerprints: [{ algorithm: 'sha-256', value: 5 }] },
    ]) {
      await refuses('bad-request', teacher.ask('transport:connect', { transportId, dtlsParameters }));
    }
    // A fraction used to break the serializer for every room of the worker; it is rounded.
    await create({ ...video, encodings: [{ ssrc: 77, maxBitrate: 1_500_000.5 }] });
    const student = await Person.join(world, 'student', 'student', there);
    assert.equal(student.joined?.consumers.length, 1);
    teacher.leave();
    student.leave();
  });

  test('nobody touches what belongs to another person or another room', async () => {
    const [here, other] = [elsewhere(), elsewhere()];
    const teacher = await Person.join(world, 'teacher', 'teacher', here);
    const stranger = await Person.join(world, 'stranger', 'teacher', other);
    const camera = await teacher.publish('camera', 2_001);
    const { recvTransport } = teacher.joined ?? assert.fail();
    for (const name of ['producer:pause', 'producer:resume', 'producer:close'] as const) {
      await refuses('not-found', stranger.ask(name, { producerId: camera }));
    }
    await refuses('not-found', stranger.ask('transport:restart', { transportId: recvTransport.id }));
    await refuses(
      'not-found',
      stranger.ask('producer:create', {
        transportId: recvTransport.id,
        kind: 'video',
        source: 'camera',
        rtpParameters: rtpParameters('video', 3),
      }),
    );
    await refuses('not-found', stranger.ask('peer:remove', { peerId: 'teacher_' }));
    const student = await Person.join(world, 'student', 'student', here);
    const [consumer] = student.joined?.consumers ?? [];
    assert.ok(consumer);
    await refuses('not-found', stranger.ask('consumer:pause', { consumerId: consumer.id }));
    await student.ask('consumer:pause', { consumerId: consumer.id });
    await student.ask('consumer:resume', { consumerId: consumer.id });
    await student.ask('consumer:prefer', { consumerId: consumer.id, spatialLayer: 0 });
    for (const person of [teacher, stranger, student]) person.leave();
  });

  test('a change of network gets fresh ICE parameters, and connecting twice is connecting once', async () => {
    const teacher = await Person.join(world, 'teacher', 'teacher', elsewhere());
    const { recvTransport } = teacher.joined ?? assert.fail();
    const transportId = recvTransport.id;
    const { iceParameters } = await teacher.ask('transport:restart', { transportId });
    assert.notEqual(iceParameters.usernameFragment, recvTransport.iceParameters.usernameFragment);
    const dtlsParameters = {
      role: 'client',
      fingerprints: [{ algorithm: 'sha-256', value: Array.from({ length: 32 }, () => 'AB').join(':') }],
    };
    await teacher.ask('transport:connect', { transportId, dtlsParameters });
    await teacher.ask('transport:connect', { transportId, dtlsParameters });
    const same = await teacher.ask('transport:create', { direction: 'recv' });
    assert.equal(same.id, transportId);
    teacher.leave();
  });

  test('a student sees the timer of the class, and is refused who wants to start, extend or stop one', async () => {
    const there = elsewhere();
    const teacher = await Person.join(world, 'teacher', 'teacher', there);
    const student = await Person.join(world, 'student', 'student', there);
    const start = { minutes: 5, label: null };
    await refuses('forbidden', student.ask('timer:start', start));
    const { timer } = await teacher.ask('timer:start', start);
    assert.deepEqual(await student.fact('timer:changed'), { timer });
    await refuses('forbidden', student.ask('timer:extend', { timerId: timer.id, minutes: 5 }));
    await refuses('forbidden', student.ask('timer:stop', { timerId: timer.id }));
    await refuses('bad-request', teacher.ask('timer:extend', { timerId: timer.id, minutes: 181 }));
    teacher.leave();
    student.leave();
  });

  test('a student publishes only while a teacher lets it', async () => {
    const there = elsewhere();
    const teacher = await Person.join(world, 'teacher', 'teacher', there);
    const student = await Person.join(world, 'student', 'student', there);
    await refuses('forbidden', student.publish('camera', 3_001));
    await refuses(
      'forbidden',
      student.ask('peer:permit', { peerId: 'student_', permissions: ['publish:camera'] }),
    );

    const publish = ['publish:camera', 'publish:microphone', 'chat:send'] as const;
    await teacher.ask('peer:permit', { peerId: 'student_', permissions: [...publish, 'room:close'] });
    const told = await student.fact('peer:updated');
    assert.deepEqual([...told.permissions].sort(), [...granted('student', publish)].sort());
    const camera = await student.publish('camera', 3_002);
    await teacher.fact('consumer:created', ({ producerId }) => producerId === camera);

    await teacher.ask('peer:mute', { peerId: 'student_', source: 'camera' });
    assert.equal((await student.fact('producer:closed')).reason, 'muted');
    const second = await student.publish('camera', 3_003);
    await teacher.ask('peer:permit', { peerId: 'student_', permissions: ['chat:send'] });
    const closed = await student.fact('producer:closed', ({ producerId }) => producerId === second);
    assert.equal(closed.reason, 'revoked');
    await teacher.fact('producer:closed', ({ producerId }) => producerId === second);
    await refuses('forbidden', student.publish('camera', 3_004));

    await teacher.ask('peer:permit', { peerId: 'student_', permissions: [] });
    await refuses('forbidden', student.ask('chat:send', { id: 'm', text: 'hi' }));
    await refuses('forbidden', student.ask('peer:remove', { peerId: 'teacher_' }));
    teacher.leave();
    student.leave();
  });

  test('who is removed stays out, with the same ticket and after a restart', async () => {
    const there = elsewhere();
    const teacher = await Person.join(world, 'teacher', 'teacher', there);
    const student = await Person.join(world, 'student', 'student', there);
    await teacher.ask('peer:remove', { peerId: 'student_' });
    assert.equal((await student.fact('room:closed')).reason, 'removed');
    await until('cut off', () => !student.socket.connected);
    await refuses('peer-removed', Person.join(world, 'student', 'student', there));
    await world.restart();
    await refuses('peer-removed', Person.join(world, 'student', 'student', there));
    teacher.leave();
  });

  test('a second tab takes over from the first', async () => {
    const there = elsewhere();
    const first = await Person.join(world, 'teacher', 'teacher', there);
    const student = await Person.join(world, 'student', 'student', there);
    await first.publish('camera', 4_001);
    const second = await Person.join(world, 'teacher', 'teacher', there);
    assert.equal((await first.fact('room:closed')).reason, 'replaced');
    assert.equal(second.joined?.resumed, false);
    await student.fact('producer:closed');
    await student.fact('consumer:closed');
    assert.ok(!student.facts.some(({ name }) => name === 'peer:left'));
    await until('the old one is cut off', () => !first.socket.connected);
    await second.ask('chat:send', { id: 'm1', text: 'It is me.' });
    second.leave();
    student.leave();
  });

  test('a lost socket is away for a while and resumes with all that came meanwhile', async () => {
    const there = elsewhere();
    const teacher = await Person.join(world, 'teacher', 'teacher', there);
    const student = await Person.join(world, 'student', 'student', there);
    student.leave();
    await teacher.fact('peer:updated', ({ id, state }) => id === 'student_' && state === 'away');
    await teacher.ask('chat:send', { id: 'm1', text: 'Where is everybody?' });
    const camera = await teacher.publish('camera', 5_001);

    const session = student.joined?.session;
    const back = await Person.connect(world.url, await world.ticket('student', 'student', there), session);
    const joined = await back.enter('student');
    assert.equal(joined.resumed, true);
    assert.equal(joined.session, session);
    assert.equal(joined.recvTransport.id, student.joined?.recvTransport.id);
    assert.deepEqual(
      joined.consumers.map(({ producerId }) => producerId),
      [camera],
    );
    assert.equal(joined.chat.at(-1)?.text, 'Where is everybody?');
    await teacher.fact('peer:updated', ({ id, state }) => id === 'student_' && state === 'present');
    back.leave();
    teacher.leave();
  });

  test('a restart of the service keeps chat, grants and people, and asks for fresh media', async () => {
    const there = elsewhere();
    const teacher = await Person.join(world, 'teacher', 'teacher', there);
    const student = await Person.join(world, 'student', 'student', there);
    await teacher.ask('chat:send', { id: 'm1', text: 'Remember this.' });
    await teacher.ask('peer:permit', { peerId: 'student_', permissions: ['publish:camera'] });
    await world.restart();

    const ticket = await world.ticket('teacher', 'teacher', there);
    const back = await Person.connect(world.url, ticket, teacher.joined?.session);
    const joined = await back.enter('teacher');
    assert.equal(joined.resumed, false);
    assert.equal(joined.chat[0]?.text, 'Remember this.');
    assert.deepEqual(
      joined.peers.map(({ id, state, permissions }) => ({ id, state, permissions })),
      [{ id: 'student_', state: 'away', permissions: granted('student', ['publish:camera']) }],
    );
    assert.equal(joined.you.joinedAtMs, teacher.joined?.you.joinedAtMs);
    back.leave();
    student.leave();
  });

  test('a class that is ended stays ended', async () => {
    const there = elsewhere();
    const teacher = await Person.join(world, 'teacher', 'teacher', there);
    const student = await Person.join(world, 'student', 'student', there);
    const waiting = await Person.connect(world.url, await world.ticket('late', 'student', there));
    await refuses('forbidden', student.ask('room:close', {}));
    await teacher.ask('room:close', {});
    assert.equal((await waiting.fact('room:closed')).reason, 'ended');
    await until('the green room is cut off', () => !waiting.socket.connected);
    assert.equal((await student.fact('room:closed')).reason, 'ended');
    await refuses('room-closed', Person.join(world, 'student', 'student', there));
    await world.restart();
    await refuses('room-closed', Person.join(world, 'student', 'student', there));
    await until('school heard it', () =>
      world.events.some((event) => event.type === 'room:closed' && event.room === there.room),
    );
  });

  test('the school closes a room over the internal API, and nobody else does', async () => {
    const there = elsewhere();
    const student = await Person.join(world, 'student', 'student', there);
    const call = (method: string, secret: string) =>
      fetch(`${world.url}/internal/rooms/${there.room}`, {
        method,
        headers: { authorization: `Bearer ${secret}` },
      });
    assert.equal((await call('DELETE', 'guess')).status, 401);
    assert.equal((await call('POST', world.secrets.internal)).status, 405);
    assert.equal((await call('GET', world.secrets.internal)).status, 200);
    assert.equal((await call('DELETE', world.secrets.internal)).status, 200);
    assert.equal((await student.fact('room:closed')).reason, 'ended');
    assert.equal((await call('DELETE', world.secrets.internal)).status, 200);
    const headers = { authorization: `Bearer ${world.secrets.internal}` };
    assert.equal((await fetch(`${world.url}/internal/rooms/../secrets`, { headers })).status, 404);
  });

  test('health, readiness and metrics are there', async () => {
    const person = await Person.join(world, 'teacher', 'teacher', elsewhere());
    for (const path of ['/healthz', '/readyz']) assert.equal((await fetch(world.url + path)).status, 200);
    const metrics = await (await fetch(`${world.url}/metrics`)).text();
    assert.match(metrics, /lectern_sfu_peers\{service="sfu"\} [1-9]/);
    assert.match(metrics, /lectern_sfu_worker_open_files\{worker="0",service="sfu"\} [1-9]/);
    assert.match(metrics, /lectern_sfu_chat_refused_total\{reason="chat-full",service="sfu"\} 0/);
    assert.match(metrics, /lectern_sfu_worker_cpu_seconds\{worker="0",service="sfu"\} [0-9.]+/);
    person.leave();
  });

  test('polling works where a network lets no WebSocket through', async () => {
    const ticket = await world.ticket('student', 'student', elsewhere());
    const socket = io(world.url, { auth: { ticket }, transports: ['polling'], reconnection: false });
    const person = new Person(socket);
    await person.enter('student');
    person.leave();
  });
});
