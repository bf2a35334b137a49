// A program outside that publishes to the room: one place, and who may have it.
import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, mock, test } from 'node:test';
import type { EncoderState } from '#shared/contract/internal.ts';
import type { ProducerView } from '#shared/contract/features/stage.ts';
import { ENCODER_ID } from '#shared/domain/sources.ts';
import { broadcast } from '../../../sfu/room/features/broadcast/on-air.ts';
import { chooseProgramme } from '../../../sfu/room/features/broadcast/programme.ts';
import { ask, refuses, ROOM, settle, TestClass, ticketFor } from './class.ts';

const VIDEO = { kind: 'video', codec: 'h264', ssrc: 11, payloadType: 96, clockRate: 90_000 } as const;
const AUDIO = { kind: 'audio', codec: 'opus', ssrc: 12, payloadType: 97, clockRate: 48_000 } as const;

const stated = (publication: string, changes: Partial<EncoderState> = {}): EncoderState => ({
  publication: publication.padEnd(8, '_'),
  kind: 'rtmp',
  name: 'OBS',
  channel: 'channel1',
  title: 'Algebra I',
  tracks: [VIDEO, AUDIO],
  notices: [],
  ...changes,
});

describe('encoder', () => {
  let school: TestClass;
  beforeEach(() => {
    mock.timers.enable({ apis: ['setInterval', 'setTimeout'] });
    school = new TestClass();
  });
  afterEach(() => {
    school.rooms.free();
    mock.timers.reset();
  });
  const put = (state: EncoderState) => school.rooms.publishTo(ROOM).get(broadcast).onAir.stateEncoder(state);
  /** Lets time pass; `bytes` come by the latest ingress in each second. */
  const pass = async (seconds: number, bytes = 0) => {
    for (let second = 0; second < seconds; second += 1) {
      const ingress = school.media.ingresses.at(-1);
      if (ingress !== undefined) ingress.bytes += bytes;
      school.nowMs += 1_000;
      mock.timers.tick(1_000);
      await settle();
    }
  };

  test('opens the room without a ticket, goes on air, and is seen by who is there and who comes', async () => {
    const early = await school.join('earlybird', 'student');
    const answer = await put(stated('one'));
    assert.deepEqual(answer, { state: 'accepted', to: { ip: '127.0.0.1', port: 7_000 }, carried: [] });
    assert.equal(early.link.last('peer:joined')?.name, 'OBS');
    await settle();
    const created = early.link.facts.filter(({ name }) => name === 'producer:created');
    assert.deepEqual(
      created.map(({ data }) => (data as ProducerView).source),
      ['encoder', 'encoder-audio'],
    );
    const late = await school.join('latecomer', 'student');
    assert.deepEqual(
      late.joined.peers.map(({ id }) => id),
      ['earlybird', ENCODER_ID],
    );
    assert.equal(late.joined.consumers.length, 2);
    assert.equal(late.joined.room.broadcast.state, 'starting');
    mock.timers.tick(0);
    await settle();
    assert.equal(school.gateway.feeds[0]?.title, 'Algebra I');
    assert.equal(school.told(), 'room:opened peer:joined peer:joined', 'it is nobody who attends');
  });

  test('that is the teacher’s own tab is seen, but goes on air when the teacher says so', async () => {
    const student = await school.join('student1', 'student');
    await put(stated('one', { kind: 'webcodecs' }));
    await settle();
    assert.equal(student.link.last('peer:joined')?.name, 'OBS');
    const late = await school.join('latecomer', 'student');
    assert.equal(late.joined.room.broadcast.state, 'idle');
  });

  test('is told the verdict before it has anything to show', async () => {
    await put(stated('one', { tracks: [] }));
    const student = await school.join('student1', 'student');
    assert.deepEqual(student.joined.peers, []);
    assert.equal(student.joined.room.broadcast.state, 'idle');
    await put(stated('one', { tracks: [AUDIO] }));
    await put(stated('one', { tracks: [VIDEO, AUDIO] }));
    await put(stated('one', { tracks: [VIDEO, AUDIO] }));
    assert.equal(student.link.names().split('producer:created').length - 1, 2);
    await put(stated('one', { tracks: [AUDIO] }));
    assert.match(student.link.names(), /producer:closed$/);
  });

  test('is told of to the owner: what it is, and whether it sends', async () => {
    const view = () => school.room().get(broadcast).onAir.encoder.view;
    await put(stated('one', { tracks: [] }));
    assert.equal(view(), null);
    await put(stated('one'));
    assert.deepEqual(view(), { kind: 'rtmp', name: 'OBS', state: 'sending', notices: [] });
    for (let second = 0; second < 16; second += 1) {
      await pass(1);
      await put(stated('one'));
    }
    assert.equal(view()?.state, 'idle');
    await pass(16, 1_000);
    assert.equal(view(), null);
  });

  test('keeps its place while it delivers, and loses it to another three seconds after', async () => {
    await put(stated('one'));
    await pass(5, 1_000);
    await refuses('already-publishing', () => put(stated('two')));
    await put(stated('one'));
    await pass(4);
    await put(stated('two', { name: 'Other' }));
    assert.equal(school.media.ingresses[0]?.open, false);
    const student = await school.join('student1', 'student');
    assert.deepEqual(
      student.joined.peers.map(({ name }) => name),
      ['Other'],
    );
    // The one that lost the place may come back when the other is silent, not before.
    await pass(1, 1_000);
    await refuses('already-publishing', () => put(stated('one')));
  });

  test('of a gateway that died has its place back from the next one within two seconds', async () => {
    for (let second = 0; second < 3; second += 1) {
      await put(stated('one'));
      await pass(1, 1_000);
    }
    await put(stated('one'));
    await pass(1);
    await refuses('already-publishing', () => put(stated('two')));
    await pass(1);
    await put(stated('two'));
    assert.equal(school.media.ingresses[0]?.open, false);
    // One that is only silent is stated all the same, and keeps it.
    await pass(1, 1_000);
    await put(stated('two'));
    await pass(1);
    await put(stated('two'));
    await pass(1);
    await refuses('already-publishing', () => put(stated('three')));
  });

  test('tells the room its name, and what it should change, as soon as that is known', async () => {
    const student = await school.join('student1', 'student');
    await put(stated('one', { name: 'Encoder' }));
    assert.equal(student.link.last('peer:joined')?.notices, undefined);
    const notices = () => [{ code: 'converted' as const, reasons: ['b-frames' as const] }];
    await put(stated('one', { notices: notices() }));
    await put(stated('one', { notices: notices() }));
    assert.equal(student.link.names().split('peer:updated').length - 1, 1);
    assert.equal(student.link.last('peer:updated')?.name, 'OBS');
    assert.deepEqual(student.link.last('peer:updated')?.notices, notices());
    await put(stated('one'));
    assert.equal(student.link.last('peer:updated')?.notices, undefined);
  });

  test('is gone 15 s after the last word of it', async () => {
    const student = await school.join('student1', 'student');
    await put(stated('one'));
    await pass(14, 1_000);
    assert.doesNotMatch(student.link.names(), /peer:left/);
    await pass(2, 1_000);
    assert.match(student.link.names(), /peer:left/);
    assert.equal(school.media.ingresses[0]?.open, false);
  });

  test('leaves the picture to the teacher when no media come for 15 s, and takes it back', async () => {
    const student = await school.join('student1', 'student');
    await put(stated('one'));
    for (let second = 0; second < 16; second += 1) {
      await pass(1);
      await put(stated('one'));
    }
    assert.equal(student.link.last('producer:updated')?.paused, true);
    assert.equal(student.link.last('peer:updated')?.state, 'away');
    await pass(1, 1_000);
    assert.equal(student.link.last('producer:updated')?.paused, false);
  });

  test('goes on air once: what the teacher stopped stays stopped, over a restart too', async () => {
    const teacher = await school.join('teacher1', 'teacher');
    await put(stated('one'));
    const room = school.room();
    assert.equal(room.view().broadcast.state, 'starting');
    await ask(room, teacher.peer, 'broadcast:stop', {});
    await put(stated('one'));
    assert.equal(room.view().broadcast.state, 'ended');
    const again = new TestClass(school.events);
    await again.rooms.publishTo(ROOM).get(broadcast).onAir.stateEncoder(stated('one'));
    assert.equal(again.room().view().broadcast.state, 'idle');
    await again.rooms.publishTo(ROOM).get(broadcast).onAir.stateEncoder(stated('one'));
    again.rooms.publishTo(ROOM).get(broadcast).onAir.encoder.end(stated('one').publication);
    await again.rooms.publishTo(ROOM).get(broadcast).onAir.stateEncoder(stated('two'));
    assert.equal(again.room().view().broadcast.state, 'starting');
    again.rooms.free();
  });

  test('that is removed does not come back', async () => {
    const teacher = await school.join('teacher1', 'teacher');
    await put(stated('one'));
    await ask(school.room(), teacher.peer, 'peer:remove', { peerId: ENCODER_ID });
    assert.match(teacher.link.names(), /peer:left/);
    await refuses('peer-removed', () => put(stated('one')));
    await put(stated('two'));
  });

  test('starts again on another worker with the next statement', async () => {
    await put(stated('one'));
    school.media.lose();
    assert.equal(school.media.ingresses[0]?.open, false);
    await put(stated('one'));
    assert.equal(school.media.ingresses.length, 2);
  });

  test('ends by name: the end of another publication is not its end', async () => {
    await put(stated('one'));
    school.room().get(broadcast).onAir.encoder.end(stated('two').publication);
    assert.equal(school.media.ingresses[0]?.open, true);
    school.room().get(broadcast).onAir.encoder.end(stated('one').publication);
    assert.equal(school.media.ingresses[0]?.open, false);
  });

  test('finds a class that ended closed', async () => {
    school.room().close();
    await refuses('room-closed', () => put(stated('one')));
  });

  test('cannot be impersonated', async () => {
    await refuses('ticket-invalid', () => school.rooms.enter(ticketFor(ENCODER_ID, 'student')));
  });
});

test('the programme is the encoder while it sends, with all voices alongside its sound', () => {
  const peers = [{ id: 'teacher', role: 'teacher', joinedAtMs: 1 }] as const;
  const producer = (id: string, peerId: string, source: ProducerView['source'], paused = false) => ({
    id,
    peerId,
    source,
    paused,
  });
  const all = (paused: boolean) => [
    producer('m', 'teacher', 'microphone'),
    producer('s', 'teacher', 'screen'),
    producer('e', ENCODER_ID, 'encoder', paused),
    producer('a', ENCODER_ID, 'encoder-audio', paused),
  ];
  const ids = (paused: boolean) =>
    chooseProgramme(all(paused), peers, 'teacher').map(({ producerId }) => producerId);
  assert.deepEqual(ids(false), ['e', 'a', 'm']);
  assert.deepEqual(ids(true), ['s', 'a', 'm']);
});
