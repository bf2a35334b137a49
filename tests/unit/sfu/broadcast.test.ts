// Going on air and staying there, from the room's side.
import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, mock, test } from 'node:test';
import { FEED_INTERVAL_MS } from '#shared/contract/internal.ts';
import type { ProducerView } from '#shared/contract/features/stage.ts';
import { chooseProgramme, teachingOf } from '../../../sfu/room/features/broadcast/programme.ts';
import { ask, settle, TestClass } from './class.ts';

/** Lets the feed's next round happen. */
async function round(ms = FEED_INTERVAL_MS): Promise<void> {
  mock.timers.tick(ms);
  await settle();
}

describe('a broadcast', () => {
  beforeEach(() => mock.timers.enable({ apis: ['setTimeout'] }));
  afterEach(() => mock.timers.reset());

  const onAir = async () => {
    const day = new TestClass();
    const teacher = await day.join('teacher1', 'teacher');
    await ask(day.room(), teacher.peer, 'broadcast:start', {});
    await round(0);
    return { day, teacher, state: () => day.room().view().broadcast.state };
  };

  test('is stated at once, again and again, and follows what the gateway says', async () => {
    const { day, teacher, state } = await onAir();
    assert.equal(day.gateway.feeds.length, 1);
    assert.equal(state(), 'starting');
    day.gateway.state = 'live';
    await round();
    assert.equal(state(), 'live');
    assert.equal(teacher.link.last('broadcast:changed')?.recording, true);
    const told = teacher.link.facts.length;
    await round();
    await round();
    assert.equal(day.gateway.feeds.length, 4);
    assert.equal(teacher.link.facts.length, told, 'no news is not told');
    day.gateway.state = 'interrupted';
    await round();
    assert.equal(state(), 'interrupted');
    day.gateway.state = 'live';
    await round();
    assert.equal(state(), 'live');
  });

  test('says of each event where in it that was: it goes on while it is live, and stands while it is not', async () => {
    const { day, teacher } = await onAir();
    let messages = 0;
    const mediaOfNext = async () => {
      await ask(day.room(), teacher.peer, 'chat:send', { id: `m${(messages += 1)}`, text: 'now' });
      return day.events.all.at(-1)?.media;
    };
    const broadcast = day.room().view().broadcast.id;
    assert.deepEqual(await mediaOfNext(), { broadcast, ms: 0 });
    day.gateway.state = 'live';
    day.gateway.durationMs = 60_000;
    await round();
    day.nowMs += 700;
    const ms = (await mediaOfNext())?.ms ?? 0;
    assert.ok(ms >= 60_700 && ms < 60_710, `${ms} ms`);
    day.gateway.state = 'interrupted';
    await round();
    day.nowMs += 700;
    assert.deepEqual(await mediaOfNext(), { broadcast, ms: 60_000 });
    await ask(day.room(), teacher.peer, 'broadcast:stop', {});
    assert.equal(await mediaOfNext(), null);
  });

  test('starts once, and a new one has a new name', async () => {
    const { day, teacher } = await onAir();
    const first = day.room().view().broadcast.id;
    assert.equal((await ask(day.room(), teacher.peer, 'broadcast:start', {})).broadcast.id, first);
    await ask(day.room(), teacher.peer, 'broadcast:stop', {});
    assert.equal((await ask(day.room(), teacher.peer, 'broadcast:stop', {})).broadcast.state, 'ended');
    assert.notEqual((await ask(day.room(), teacher.peer, 'broadcast:start', {})).broadcast.id, first);
  });

  test('stays wanted while the gateway is away, and says so', async () => {
    const { day, state } = await onAir();
    day.gateway.state = 'live';
    await round();
    day.gateway.down = true;
    await round();
    assert.equal(state(), 'live', 'one lost answer is no outage');
    for (let ms = 0; ms < 1_000; ms += 150) await round(150);
    assert.equal(state(), 'interrupted');
    assert.equal(day.room().view().broadcast.notice, 'gateway-away');
    day.gateway.down = false;
    await round(150);
    assert.equal(state(), 'live', 'it is found as soon as it is back');
    assert.equal(day.room().view().broadcast.notice, null);
  });

  test('is recorded as somebody who teaches chose, until it ends, over a restart too', async () => {
    const { day, teacher } = await onAir();
    const student = await day.join('student1', 'student');
    day.gateway.state = 'live';
    await round();
    const view = () => student.link.last('broadcast:changed');
    assert.deepEqual([view()?.recording, view()?.recordingChoice], [true, 'on']);
    assert.equal(day.gateway.feeds.at(-1)?.recording, undefined, 'the lesson says it');
    await ask(day.room(), teacher.peer, 'recording:choose', { choice: 'paused' });
    assert.equal(view()?.recordingChoice, 'paused', 'it is said at once');
    await round(0);
    const stated = day.gateway.feeds.at(-1)?.recording;
    assert.equal(stated?.choice, 'paused');
    assert.ok(stated.atMs > 1_000_000 && stated.atMs <= day.nowMs, `${stated.atMs}`);
    assert.equal(view()?.recording, false);

    const next = new TestClass(day.events);
    await round();
    assert.equal(next.gateway.feeds.at(-1)?.recording?.choice, 'paused');
    const back = await next.join('teacher1', 'teacher');
    await ask(next.room(), back.peer, 'broadcast:stop', {});
    assert.equal(next.room().view().broadcast.recordingChoice, 'on', 'the next one is a new one');
  });

  test('that ends by itself takes along what was chosen, for those who are told too', async () => {
    const { day, teacher } = await onAir();
    await ask(day.room(), teacher.peer, 'recording:choose', { choice: 'paused' });
    day.gateway.state = 'ended';
    await round();
    assert.equal(teacher.link.last('broadcast:changed')?.recordingChoice, 'on');
    await ask(day.room(), teacher.peer, 'recording:choose', { choice: 'off' });
    const back = await new TestClass(day.events).join('teacher1', 'teacher');
    assert.equal(back.joined.room.broadcast.recordingChoice, 'off', 'of the next one');
  });

  test('is recorded as the newest ticket says, also where somebody comes with an older one', async () => {
    const day = new TestClass();
    const { ticket, link } = await day.join('teacher1', 'teacher');
    const mode = () => day.room().view().broadcast.recordingMode;
    await day.room().welcome({ ...ticket, recording: 'manual' }, link);
    assert.equal(mode(), 'manual');
    await day.room().welcome({ ...ticket, recording: 'always', exp: ticket.exp - 60 }, link);
    await day.room().welcome(ticket, link);
    assert.equal(mode(), 'manual');
    await day.room().welcome({ ...ticket, recording: 'automatic', exp: ticket.exp + 60 }, link);
    assert.equal(mode(), 'automatic');
  });

  test('is recorded whatever anybody chooses where its lesson says so', async () => {
    const { day, teacher } = await onAir();
    day.gateway.recordingMode = 'always';
    await round();
    await assert.rejects(async () => ask(day.room(), teacher.peer, 'recording:choose', { choice: 'off' }), {
      code: 'conflict',
    });
    assert.equal(day.room().view().broadcast.recordingChoice, 'on');
  });

  for (const end of ['ended', 'failed'] as const) {
    test(`that the gateway calls ${end} is wanted no more, after a restart neither`, async () => {
      const { day, state } = await onAir();
      day.gateway.state = end;
      await round();
      assert.equal(state(), end);
      const feeds = day.gateway.feeds.length;
      await round();
      assert.equal(day.gateway.feeds.length, feeds);
      assert.deepEqual(day.gateway.ended, [], 'it knows already');
      const next = new TestClass(day.events);
      await round();
      assert.equal(next.gateway.feeds.length, 0);
    });
  }

  test('goes on after kill -9 with the same name and nothing to show', async () => {
    const { day } = await onAir();
    const next = new TestClass(day.events);
    await round(0);
    assert.deepEqual(next.gateway.feeds[0], { ...day.gateway.feeds[0], teaching: 'away' });
    assert.equal(next.gateway.feeds[0]?.from, null);
  });

  test('is ended at the gateway, as soon as that can be reached', async () => {
    const { day, teacher } = await onAir();
    day.gateway.down = true;
    await ask(day.room(), teacher.peer, 'broadcast:stop', {});
    await round(0);
    await round();
    assert.deepEqual(day.gateway.ended, []);
    day.gateway.down = false;
    await round();
    await round();
    assert.deepEqual(day.gateway.ended, ['channel1']);
  });

  test('opens a feed when there is something to send, and closes it at the end', async () => {
    const { day, teacher } = await onAir();
    assert.equal(day.media.feeds, 0);
    await day.publish(teacher, 'camera');
    await round(0);
    assert.equal(day.media.feeds, 1);
    await ask(day.room(), teacher.peer, 'broadcast:stop', {});
    assert.equal(day.media.feeds, 0);
  });
});

describe('a break', () => {
  beforeEach(() => mock.timers.enable({ apis: ['setTimeout'] }));
  afterEach(() => mock.timers.reset());

  const onAir = async () => {
    const day = new TestClass();
    const teacher = await day.join('teacher1', 'teacher');
    await day.join('student1', 'student');
    await ask(day.room(), teacher.peer, 'broadcast:start', {});
    day.gateway.state = 'live';
    day.gateway.durationMs = 43 * 60_000;
    await round(0);
    return { day, teacher, view: () => day.room().view().broadcast };
  };
  const stated = (day: TestClass) => day.gateway.feeds.at(-1)?.teaching;

  test('is stated while a teacher who sends nothing is connected, and everyone is told', async () => {
    const { day, teacher, view } = await onAir();
    assert.equal(stated(day), 'break');
    const microphone = await day.publish(teacher, 'microphone');
    await round();
    assert.equal(stated(day), 'sending');
    assert.equal(view().onBreak, false);
    await ask(day.room(), teacher.peer, 'producer:pause', { producerId: microphone });
    await round();
    assert.equal(stated(day), 'break');
    assert.equal(teacher.link.last('broadcast:changed')?.onBreak, true);
  });

  test('is none once the link of the last who teaches is gone: the wait runs, and its end leaves a note', async () => {
    const { day, teacher, view } = await onAir();
    await day.publish(teacher, 'camera');
    day.room().lost('teacher1', teacher.link);
    day.gateway.state = 'interrupted';
    day.gateway.waitEndsAtMs = 5_000;
    await round();
    assert.equal(stated(day), 'away');
    assert.equal(view().waitEndsAtMs, 5_000);
    assert.equal(view().waitMs, 120_000);
    day.gateway.state = 'ended';
    await round();
    const { state, end, recordedMs, waitEndsAtMs } = view();
    assert.deepEqual([state, end, recordedMs, waitEndsAtMs], ['ended', 'absent', 43 * 60_000, null]);

    // Anyone who comes back an hour later, to another process, reads it too; until the class is live again.
    const next = new TestClass(day.events);
    const back = await next.join('teacher1', 'teacher');
    assert.equal(back.joined.room.broadcast.end, 'absent');
    assert.equal(back.joined.room.broadcast.recordedMs, 43 * 60_000);
    await ask(next.room(), back.peer, 'broadcast:start', {});
    assert.equal(next.room().view().broadcast.end, null);
    assert.equal(new TestClass(day.events).room().view().broadcast.end, null);
  });

  test('is ended by the one who stops the broadcast, with a receipt', async () => {
    const { day, teacher, view } = await onAir();
    await round();
    await ask(day.room(), teacher.peer, 'broadcast:stop', {});
    assert.deepEqual([view().end, view().recordedMs], ['stopped', 43 * 60_000]);
  });

  test('is what everybody who counts does not send', () => {
    const peer = (id: string, role: 'teacher' | 'assistant' | 'student') => ({ id, role, joinedAtMs: 0 });
    const sends = (peerId: string, source: ProducerView['source'], paused = false) => ({
      id: `${peerId}-${source}`,
      peerId,
      source,
      paused,
    });
    const all = [peer('t', 'teacher'), peer('s', 'student')];
    const muted = sends('t', 'microphone', true);
    assert.equal(teachingOf([muted], all, false), 'break');
    assert.equal(teachingOf([muted, sends('s', 'camera')], all, false), 'break', 'nobody outside sees it');
    assert.equal(teachingOf([muted, sends('s', 'microphone')], all, false), 'sending');
    assert.equal(teachingOf([sends('s', 'microphone')], [peer('s', 'student')], false), 'away');
    assert.equal(teachingOf([sends('t', 'camera')], [peer('a', 'assistant')], false), 'break');
    assert.equal(teachingOf([], [], true), 'sending', 'an encoder teaches');
  });
});

describe('the programme', () => {
  const peer = (id: string, role: 'teacher' | 'assistant' | 'student', joinedAtMs: number) => ({
    id,
    role,
    joinedAtMs,
  });
  const peers = [
    peer('student', 'student', 1),
    peer('helper', 'assistant', 2),
    peer('teacher', 'teacher', 3),
  ];
  const from = (peerId: string, source: ProducerView['source'], paused = false): ProducerView => ({
    id: `${peerId}-${source}`,
    peerId,
    source,
    paused,
  });
  const chosen = (producers: ProducerView[], startedBy = 'teacher') =>
    chooseProgramme(producers, peers, startedBy)
      .map(({ producerId }) => producerId)
      .join(' ');

  test('shows the teacher, or the screen where there is one', () => {
    const camera = from('teacher', 'camera');
    assert.equal(chosen([from('helper', 'camera'), camera]), 'teacher-camera');
    assert.equal(chosen([camera, from('helper', 'screen')]), 'helper-screen');
    assert.equal(chosen([camera, from('teacher', 'screen', true)]), 'teacher-camera');
    assert.equal(chosen([from('teacher', 'camera', true), from('helper', 'camera')]), 'helper-camera');
    assert.equal(chosen([camera, from('helper', 'camera')], 'helper'), 'helper-camera');
  });

  test('never shows a student, but lets it be heard', () => {
    const producers = [
      from('student', 'camera'),
      from('student', 'screen'),
      from('student', 'microphone'),
      from('teacher', 'microphone', true),
    ];
    assert.equal(chosen(producers), 'teacher-microphone student-microphone');
  });

  test('has a limit to its voices, and the teacher is within it', () => {
    const crowd = Array.from({ length: 30 }, (_, index) => peer(`s${index}`, 'student', index));
    const voices = crowd.map(({ id }) => from(id, 'microphone'));
    const all = chooseProgramme([...voices, from('teacher', 'microphone')], [...crowd, ...peers], 'nobody');
    assert.equal(all.length, 8);
    assert.equal(all[0]?.producerId, 'teacher-microphone');
  });
});
