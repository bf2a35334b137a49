// The timer of a class: everyone has the same one, who comes later and after a restart too.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import {
  MAX_TIMER_LABEL,
  MAX_TIMER_MINUTES,
  TimerLabel,
  TimerMinutes,
} from '#shared/contract/features/timer.ts';
import { ask, refuses, TestClass, type Attendee } from './class.ts';

const MINUTE_MS = 60_000;
/** The clock of a test class goes a little further with each look at it. */
const CLOSE_MS = 1_000;

const start = async (day: TestClass, { peer }: Attendee, minutes: number, label: string | null = null) =>
  (await ask(day.room(), peer, 'timer:start', { minutes, label })).timer;
const known = async (day: TestClass) => (await day.join('late0001', 'student')).joined.timer;

describe('the timer of a class', () => {
  test('is seen by everyone, by who comes later and after kill -9 too', async () => {
    const day = new TestClass();
    const teacher = await day.join('teacher1', 'teacher');
    const student = await day.join('student1', 'student');
    assert.equal(await known(day), null);
    const timer = await start(day, teacher, 5, 'Read page 12');
    assert.equal(timer.label, 'Read page 12');
    assert.ok(Math.abs(timer.endsAtMs - day.nowMs - 5 * MINUTE_MS) < CLOSE_MS);
    assert.deepEqual(student.link.last('timer:changed'), { timer });
    assert.deepEqual(await known(day), timer);
    assert.deepEqual(await known(new TestClass(day.events)), timer);
  });

  test('is extended and stopped for everyone, and is stopped as well after a restart', async () => {
    const day = new TestClass();
    const teacher = await day.join('teacher1', 'assistant');
    const student = await day.join('student1', 'student');
    const timer = await start(day, teacher, 5);
    const { timer: longer } = await ask(day.room(), teacher.peer, 'timer:extend', {
      timerId: timer.id,
      minutes: 2,
    });
    assert.deepEqual(longer, { ...timer, endsAtMs: timer.endsAtMs + 2 * MINUTE_MS });
    assert.deepEqual(student.link.last('timer:changed'), { timer: longer });
    await ask(day.room(), teacher.peer, 'timer:stop', { timerId: timer.id });
    assert.deepEqual(student.link.last('timer:changed'), { timer: null });
    assert.equal(await known(day), null);
    assert.equal(await known(new TestClass(day.events)), null);
  });

  test('is one at a time, and a press that comes too late does nothing to the next one', async () => {
    const day = new TestClass();
    const teacher = await day.join('teacher1', 'teacher');
    const first = await start(day, teacher, 5);
    await refuses('conflict', () => start(day, teacher, 10));
    await ask(day.room(), teacher.peer, 'timer:stop', { timerId: first.id });
    const second = await start(day, teacher, 10);
    await ask(day.room(), teacher.peer, 'timer:stop', { timerId: first.id });
    await refuses('not-found', () =>
      ask(day.room(), teacher.peer, 'timer:extend', { timerId: first.id, minutes: 1 }),
    );
    assert.deepEqual(await known(day), second);
  });

  test('stays when its time is up, and is followed by another or goes on from now', async () => {
    const day = new TestClass();
    const teacher = await day.join('teacher1', 'teacher');
    const first = await start(day, teacher, 1);
    day.nowMs += 10 * MINUTE_MS;
    assert.deepEqual(await known(day), first);
    const { timer } = await ask(day.room(), teacher.peer, 'timer:extend', { timerId: first.id, minutes: 1 });
    assert.ok(Math.abs(timer.endsAtMs - day.nowMs - MINUTE_MS) < CLOSE_MS);
    day.nowMs += 10 * MINUTE_MS;
    const second = await start(day, teacher, 1, 'Break');
    assert.notEqual(second.id, first.id);
    assert.deepEqual(await known(day), second);
  });

  test('has no more left than it may be started with, and a label of one line', async () => {
    const day = new TestClass();
    const teacher = await day.join('teacher1', 'teacher');
    const { id } = await start(day, teacher, MAX_TIMER_MINUTES - 1);
    const { timer } = await ask(day.room(), teacher.peer, 'timer:extend', { timerId: id, minutes: 10 });
    assert.ok(Math.abs(timer.endsAtMs - day.nowMs - MAX_TIMER_MINUTES * MINUTE_MS) < CLOSE_MS);
    for (const minutes of [0, -1, 1.5, MAX_TIMER_MINUTES + 1, NaN]) {
      assert.ok(!TimerMinutes.safeParse(minutes).success, String(minutes));
    }
    for (const label of ['', ' \n', 'x'.repeat(MAX_TIMER_LABEL + 1)]) {
      assert.ok(!TimerLabel.safeParse(label).success, JSON.stringify(label));
    }
    assert.equal(TimerLabel.parse(' Break\n '), 'Break');
  });
});
