// What one hostile student, with a link that everyone has, can do to the others: nothing.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { connect, type AddressInfo } from 'node:net';
import { after, before, describe, test } from 'node:test';
import { Server, type Socket } from 'socket.io';
import { WebSocket } from 'ws';
import { guardPolling } from '../../../sfu/signalling/polling.ts';
import { guardConnection, MAX_UNSENT_BYTES, type CutReason } from '../../../sfu/signalling/connection.ts';
import { RawSocket } from './raw-socket.ts';
import { makeWorld, Person, randomId, until, type World } from './world.ts';

const refuses = (code: string, call: Promise<unknown>) => assert.rejects(call, { message: code });
const elsewhere = () => ({ room: randomId() });

describe('what one socket may cost', () => {
  let world: World;
  before(async () => {
    world = await makeWorld();
  });
  after(() => world.close());

  const metric = async (name: string, reason: string) => {
    const text = await (await fetch(`${world.url}/metrics`)).text();
    const line = text
      .split('\n')
      .find((one) => one.startsWith(`lectern_sfu_${name}_total{reason="${reason}"`));
    assert.ok(line, `${name} ${reason} is there`);
    return Number(line.split(' ').at(-1));
  };

  test('a live link gets the room once, however often it joins', async () => {
    const there = elsewhere();
    const teacher = await Person.join(world, 'teacher', 'teacher', there);
    const raw = await RawSocket.connect(world, 'student', 'student', there);
    const join = { name: 'student', rtpCapabilities: {} };
    assert.equal((await raw.answer(raw.ask('room:join', join))).ok, true);
    const ids = Array.from({ length: 150 }, () => raw.ask('room:join', join));
    const codes = await Promise.all(ids.map(async (id) => (await raw.answer(id)).error?.code));
    assert.deepEqual([...new Set(codes)], ['conflict', 'rate-limited']);
    assert.ok(codes.filter((code) => code === 'conflict').length <= 6, 'joins have a rate of their own');
    assert.equal(raw.heard.filter((text) => text.includes('"recvTransport"')).length, 1);
    raw.end();
    await teacher.fact('peer:updated', ({ id, state }) => id === 'student_' && state === 'away');
    teacher.leave();
  });

  test('one that floods and reads nothing is cut off, is away, and may come back', async () => {
    const there = elsewhere();
    const teacher = await Person.join(world, 'teacher', 'teacher', there);
    const raw = await RawSocket.connect(world, 'student', 'student', there);
    const joined = raw.ask('room:join', { name: 'student', rtpCapabilities: {} });
    await raw.answer(joined);
    const before = await metric('sockets_cut', 'flood');
    raw.ws.pause();
    for (let index = 0; index < 3_000; index += 1)
      raw.ask('room:join', { name: 'student', rtpCapabilities: {} });
    await teacher.fact('peer:updated', ({ id, state }) => id === 'student_' && state === 'away');
    assert.equal(await metric('sockets_cut', 'flood'), before + 1);
    raw.end();
    const back = await Person.connect(world.url, await world.ticket('student', 'student', there));
    back.leave();
    teacher.leave();
  });

  test('packets that are no requests count as well', async () => {
    const raw = await RawSocket.connect(world, 'student', 'student', elsewhere());
    for (let index = 0; index < 3_000; index += 1) raw.ws.send(`43${index}[]`);
    await until('it is cut off', () => raw.closed);
    const large = await RawSocket.connect(world, 'student', 'student', elsewhere());
    for (let index = 0; index < 40; index += 1) {
      large.ask('room:join', { name: 'x', rtpCapabilities: { codecs: 'x'.repeat(60_000) } });
    }
    await until('it is cut off', () => large.closed);
  });

  test('many who flood are cut off, and who is quiet is heard, though it came by the same link', async () => {
    const there = elsewhere();
    const quiet = await Person.join(world, 'quiet', 'student', there);
    const crowd = await Promise.all(
      Array.from({ length: 60 }, (_, index) => RawSocket.connect(world, `student${index}`, 'student', there)),
    );
    for (const { ws } of crowd) {
      ws.pause();
      for (let index = 0; index < 1_000; index += 1) ws.send(`42${index}["room:join",{}]`);
      ws.resume();
    }
    await quiet.ask('chat:send', { id: 'first', text: 'Hello' });
    await until('all of them are cut off', () => crowd.every(({ closed }) => closed));
    await quiet.ask('chat:send', { id: 'second', text: 'Hello again' });
    // Coming again is no way to more.
    const again = await RawSocket.connect(world, 'student0', 'student', there);
    for (let index = 0; index < 800; index += 1) again.ws.send(`42${index}["room:join",{}]`);
    await until('it is cut off again', () => again.closed);
    quiet.leave();
  });

  test('a flood of pings, which nothing above counts, ends its connection', async () => {
    const raw = await RawSocket.connect(world, 'pinger', 'student', elsewhere());
    raw.ws.pause();
    for (let index = 0; index < 1_000; index += 1) raw.ws.ping();
    raw.ws.resume();
    await until('it is cut off', () => raw.closed);
    const early = new RawSocket(world.url);
    await once(early.ws, 'open');
    for (let index = 0; index < 1_000; index += 1) early.ws.pong();
    await until('it is cut off before it shows a ticket', () => early.closed, 5_000);
  });

  test('what everyone is sent for it has a small rate', async () => {
    const there = elsewhere();
    const teacher = await Person.join(world, 'teacher', 'teacher', there);
    const student = await Person.join(world, 'student', 'student', there);
    const producerId = await teacher.publish('camera', 9_001);
    const [consumer] = [await student.fact('consumer:created')];
    const flap = async (person: Person, name: string, data: object) => {
      const all = Array.from({ length: 190 }, () => person.raw(name, data));
      return (await Promise.all(all)).filter((answer) => answer.ok).length;
    };
    assert.ok((await flap(teacher, 'producer:pause', { producerId })) <= 25);
    const { id: consumerId } = consumer;
    assert.ok((await flap(student, 'consumer:prefer', { consumerId, spatialLayer: 0 })) <= 130);
    for (const person of [teacher, student]) person.leave();
  });

  test('rates are the person’s: a new socket brings none back', async () => {
    const there = elsewhere();
    const ticket = await world.ticket('student', 'student', there);
    const first = await Person.connect(world.url, ticket);
    await first.enter('student');
    for (let index = 0; index < 20; index += 1) await first.ask('chat:send', { id: `m${index}`, text: 'x' });
    await refuses('rate-limited', first.ask('chat:send', { id: 'more', text: 'x' }));
    const second = await Person.connect(world.url, ticket);
    await second.enter('student');
    await refuses(
      'rate-limited',
      (async () => {
        for (let index = 0; index < 10; index += 1)
          await second.ask('chat:send', { id: `n${index}`, text: 'x' });
      })(),
    );
    const opened: Person[] = [];
    await refuses(
      'rate-limited',
      (async () => {
        for (let index = 0; index < 30; index += 1) opened.push(await Person.connect(world.url, ticket));
      })(),
    );
    for (const person of [first, second, ...opened]) person.leave();
  });

  test('a full room has a place for the teacher, and none is kept for who is not there', async () => {
    const there = { ...elsewhere(), invite: 'student.0' };
    const crowd: RawSocket[] = [];
    const join = async (index: number) => {
      const raw = await RawSocket.connect(world, `crowd${index}`, 'student', there);
      crowd.push(raw);
      return raw.answer(raw.ask('room:join', { name: `${index}`, rtpCapabilities: {} }));
    };
    for (let from = 0; from < 300; from += 50) {
      const answers = await Promise.all(Array.from({ length: 50 }, (_, index) => join(from + index)));
      assert.ok(answers.every(({ ok }) => ok));
    }
    await refuses('room-full', Person.join(world, 'student', 'student', there));
    const teacher = await Person.join(world, 'teacher', 'teacher', { ...there, invite: 'teacher.0' });
    assert.equal(teacher.joined?.peers.length, 300);
    crowd[7]?.end();
    await teacher.fact('peer:updated', ({ state }) => state === 'away');
    const student = await Person.join(world, 'student', 'student', there);
    for (const raw of crowd) raw.end();
    student.leave();
    teacher.leave();
  });

  test('a ticket has three sockets: the oldest in the green room gives way and is told', async () => {
    const ticket = await world.ticket('student', 'student', elsewhere());
    const inClass = await Person.connect(world.url, ticket);
    await inClass.enter('student');
    const [second, third] = [
      await Person.connect(world.url, ticket),
      await Person.connect(world.url, ticket),
    ];
    const reload = await Person.connect(world.url, ticket);
    assert.equal((await second.fact('room:closed')).reason, 'replaced');
    await until('the second is cut', () => !second.socket.connected);
    assert.ok(inClass.socket.connected && third.socket.connected);
    // The newest takes over as ever.
    await reload.enter('student');
    assert.equal((await inClass.fact('room:closed')).reason, 'replaced');
    for (const person of [inClass, second, third, reload]) person.leave();
  });

  test('a connection shows one ticket, and none that was refused stays', async () => {
    const there = elsewhere();
    const ticket = await world.ticket('student', 'student', there);
    const raw = new RawSocket(world.url);
    await once(raw.ws, 'open');
    for (let index = 0; index < 50; index += 1) raw.show(ticket);
    await until('it is cut off', () => raw.closed);
    assert.ok(raw.heard.filter((text) => text.startsWith('42["room:welcomed"')).length <= 1);
    const wrong = new RawSocket(world.url);
    await once(wrong.ws, 'open');
    wrong.show('nonsense');
    await until('it is cut off', () => wrong.closed);
    assert.ok(wrong.heard.some((text) => text.startsWith('44') && text.includes('ticket-invalid')));
  });

  test('connections without a ticket are so many for each address, and keep nobody out', async () => {
    const sockets = Array.from({ length: 520 }, () => new RawSocket(world.url));
    await until('all were answered', () =>
      sockets.every(({ ws, heard }) => heard.length > 0 || ws.readyState === WebSocket.CLOSED),
    );
    await until('no more than so many stay', () => sockets.filter(({ closed }) => !closed).length <= 500);
    const person = await Person.connect(world.url, await world.ticket('late', 'student', elsewhere()));
    person.leave();
    for (const socket of sockets) socket.end();
  });
});

describe('what waits for a connection', () => {
  const serve = async (guarded = true) => {
    const http = createServer();
    const io = new Server(http, { pingInterval: 60_000 });
    const cuts: (CutReason | 'unread')[] = [];
    guardPolling(io.engine, () => cuts.push('unread'));
    if (guarded) io.engine.on('connection', (conn) => guardConnection(conn, (reason) => cuts.push(reason)));
    http.listen(0, '127.0.0.1');
    await once(http, 'listening');
    const url = `http://127.0.0.1:${(http.address() as AddressInfo).port}`;
    return { io, url, cuts, close: () => io.close() };
  };
  const kilobytes = 'x'.repeat(64 * 1024);

  test('is bounded by bytes', async () => {
    const { io, url, cuts, close } = await serve();
    const raw = new RawSocket(url);
    await once(raw.ws, 'open');
    raw.ws.send('40{}');
    const [socket] = (await once(io, 'connection')) as [Socket];
    await until('it is let in', () => raw.heard.some((text) => text.startsWith('40')));
    raw.ws.pause();
    let sent = 0;
    while (socket.connected && sent < 100e6) {
      socket.emit('fact', kilobytes);
      sent += kilobytes.length;
      await new Promise(setImmediate);
    }
    assert.deepEqual(cuts, ['unsent']);
    // The rest is what the two ends of the network hold.
    assert.ok(sent < MAX_UNSENT_BYTES + 16e6, `${sent} bytes`);
    raw.end();
    await close();
  });

  test('is bounded by time', async (t) => {
    const { io, url, cuts, close } = await serve();
    const raw = new RawSocket(url);
    await once(raw.ws, 'open');
    raw.ws.send('40{}');
    const [socket] = (await once(io, 'connection')) as [Socket];
    raw.ws.pause();
    while (socket.conn.transport.writable) {
      socket.emit('fact', kilobytes);
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    t.mock.timers.enable({ apis: ['Date'], now: Date.now() + 14_000 });
    socket.emit('fact', 'small');
    assert.deepEqual(cuts, []);
    t.mock.timers.tick(2_000);
    socket.emit('fact', 'small');
    assert.deepEqual(cuts, ['stalled']);
    raw.end();
    await close();
  });

  test('is bounded where each answer has a connection of its own', async () => {
    const { io, url, cuts, close } = await serve(false);
    const polling = `${url}/socket.io/?EIO=4&transport=polling`;
    const { sid } = JSON.parse((await (await fetch(polling)).text()).slice(1)) as { sid: string };
    const arrived = once(io, 'connection') as Promise<[Socket]>;
    await fetch(`${polling}&sid=${sid}`, { method: 'POST', body: '40' });
    const [socket] = await arrived;
    const pollWithoutReading = async () => {
      const tcp = connect(Number(new URL(url).port), '127.0.0.1').on('error', () => undefined);
      await once(tcp, 'connect');
      tcp.pause();
      tcp.write(`GET /socket.io/?EIO=4&transport=polling&sid=${sid} HTTP/1.1\r\nHost: sfu\r\n\r\n`);
      return tcp;
    };
    const polls: Awaited<ReturnType<typeof pollWithoutReading>>[] = [];
    for (let round = 0; round < 10 && cuts.length === 0; round += 1) {
      for (let index = 0; index < 320; index += 1) socket.emit('fact', kilobytes);
      polls.push(await pollWithoutReading());
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    assert.deepEqual(cuts, ['unread']);
    for (const tcp of polls) tcp.destroy();
    await close();
  });
});
