// Media through the real worker, from Chromium to Chromium.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import type { Page } from 'playwright-core';
import { openClassrooms, type Classrooms } from './browser.ts';
import { makeWorld, randomId, until, type World } from './world.ts';

const frames = (page: Page) => page.evaluate(() => window.classroom.frames());
const factsOf = (page: Page, name: string) =>
  page.evaluate((one) => window.classroom.facts.filter((fact) => fact.name === one), name);

/** Resolves with the time until `count` more pictures were decoded, in ms. */
async function moves(page: Page, count = 10, limitMs = 15_000): Promise<number> {
  const started = performance.now();
  const before = await frames(page);
  await until('the picture moves', async () => (await frames(page)) >= before + count, limitMs);
  return performance.now() - started;
}

describe('media', () => {
  let world: World;
  let classrooms: Classrooms;
  before(async () => {
    world = await makeWorld();
    classrooms = await openClassrooms();
  });
  after(async () => {
    await classrooms.close();
    await world.close();
  });

  test('a student sees and hears the teacher, in H.264 and at full size', async (t) => {
    const there = { room: randomId() };
    const teacher = await classrooms.enter(world, 'teacher', 'teacher', ['camera', 'microphone'], there);
    const student = await classrooms.enter(world, 'student', 'student', [], there);
    await moves(student);
    const [join] = await student.evaluate(() => window.classroom.joins);
    t.diagnostic(
      `join answered in ${join?.tookMs.toFixed(0)} ms, first frame ${join?.firstFrameMs?.toFixed(0)} ms`,
    );
    let seen = '';
    await until(
      'full size and sound',
      async () => {
        const { width, codec, audioPackets } = await student.evaluate(() => window.classroom.size());
        seen = `${width} ${codec} ${audioPackets}`;
        return width === 1280 && codec === 'video/H264' && audioPackets > 10;
      },
      20_000,
    ).catch(async (error: unknown) => {
      const own = await teacher.evaluate(() => window.classroom.sent());
      throw new Error(`student has ${seen}; teacher sends ${JSON.stringify(own)}`, { cause: error });
    });
    const [first] = (await student.evaluate(() => window.classroom.facts)).filter(
      ({ name }) => name === 'consumer:layer',
    );
    assert.ok(first, 'the layer is told');
    await teacher.context().close();
    await student.context().close();
  });

  test('a teacher who publishes after a student came is seen too', async () => {
    const there = { room: randomId() };
    const student = await classrooms.enter(world, 'student', 'student', [], there);
    const teacher = await classrooms.enter(world, 'teacher', 'teacher', ['camera'], there);
    await moves(student);
    await teacher.evaluate(() => window.classroom.ask('room:leave', {}));
    await until('the picture ends with its owner', async () => {
      const closed = await factsOf(student, 'consumer:closed');
      return closed.length === 1;
    });
    await teacher.context().close();
    await student.context().close();
  });

  test('media goes over TCP where UDP is blocked, for both sides', async () => {
    const there = { room: randomId(), blockUdp: true };
    const teacher = await classrooms.enter(world, 'teacher', 'teacher', ['camera'], there);
    const student = await classrooms.enter(world, 'student', 'student', [], there);
    await moves(student);
    await teacher.context().close();
    await student.context().close();
  });

  test('a lost socket interrupts no picture and is resumed', async () => {
    const there = { room: randomId() };
    const teacher = await classrooms.enter(world, 'teacher', 'teacher', ['camera'], there);
    const student = await classrooms.enter(world, 'student', 'student', [], there);
    await moves(student);
    await student.evaluate(() => window.classroom.loseSocket());
    await teacher.evaluate(() => window.classroom.loseSocket());
    await moves(student);
    for (const page of [teacher, student]) {
      await until(
        'joined again',
        async () => (await page.evaluate(() => window.classroom.joins)).length === 2,
      );
      assert.equal((await page.evaluate(() => window.classroom.joins))[1]?.resumed, true);
    }
    await moves(student);
    await teacher.context().close();
    await student.context().close();
  });

  test('a worker that is killed costs seconds, not the class', async (t) => {
    const there = { room: randomId() };
    const teacher = await classrooms.enter(world, 'teacher', 'teacher', ['camera', 'microphone'], there);
    const student = await classrooms.enter(world, 'student', 'student', [], there);
    await moves(student);
    const [pid] = world.sfu.workerPids();
    assert.ok(pid);
    const killed = performance.now();
    process.kill(pid, 'SIGKILL');
    await until('everyone is told', async () => (await factsOf(student, 'room:restarted')).length === 1);
    await until(
      'joined again',
      async () => (await student.evaluate(() => window.classroom.joins)).length === 2,
    );
    await until('pictures again', async () => (await frames(student)) >= 3);
    t.diagnostic(`media flows ${(performance.now() - killed).toFixed(0)} ms after the worker was killed`);
    assert.ok(performance.now() - killed < 15_000);
    await moves(student);
    await teacher.context().close();
    await student.context().close();
  });

  test('a restarted service is joined again, and the picture comes back', async (t) => {
    const there = { room: randomId() };
    const teacher = await classrooms.enter(world, 'teacher', 'teacher', ['camera'], there);
    const student = await classrooms.enter(world, 'student', 'student', [], there);
    await moves(student);
    const started = performance.now();
    await world.restart();
    await until(
      'joined again',
      async () => (await student.evaluate(() => window.classroom.joins)).length === 2,
    );
    assert.equal((await student.evaluate(() => window.classroom.joins))[1]?.resumed, false);
    await until('pictures again', async () => (await frames(student)) >= 3);
    t.diagnostic(`media flows ${(performance.now() - started).toFixed(0)} ms after the restart began`);
    await teacher.context().close();
    await student.context().close();
  });
});
