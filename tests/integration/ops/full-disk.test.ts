// A whole Lectern on a disk that is full: what it says it kept is kept through `kill -9`, what it cannot keep it
// refuses, and every service comes back before there is room again.
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import type { Lesson } from '#shared/contract/rest.ts';
import { eventually, startLectern, type Lectern } from '../../support/lectern.ts';
import { smallDisk, type SmallDisk } from '../../support/small-disk.ts';
import { Person } from '../sfu/world.ts';

const disk = smallDisk(32);

describe('a full disk', { skip: disk === undefined && 'no right to mount a file system' }, () => {
  const { dir, fill, free } = disk as SmallDisk;
  let lectern: Lectern;
  let lesson: Lesson;
  let teacher: Person;

  before(async () => {
    lectern = await startLectern({ LECTERN_DATA: join(dir, 'data') });
    lesson = await lectern.startClass();
    teacher = await enter();
  });
  after(async () => {
    teacher.leave();
    await lectern.stop();
    disk?.close();
  });

  const enter = () => Person.byLink(lectern, lesson, 'teacher', 'Ms Lovelace');
  const say = (id: string) => teacher.ask('chat:send', { id, text: `What is ${id}?` });

  it('refuses what it could not keep, and goes on with the class', async () => {
    await say('message-1');
    fill();
    // A page of the write-ahead log may have room for some more.
    const kept: string[] = [];
    await eventually('a message is refused', async () => {
      fill();
      const id = `message-${kept.length + 2}`;
      try {
        await say(id);
        kept.push(id);
        return false;
      } catch (error) {
        assert.match(String(error), /disk-(full|unavailable)/);
        return true;
      }
    });
    await assert.rejects(lectern.startClass('Another'), /507 .*disk-(full|unavailable)/);
    const student = await enter();
    student.leave();
    for (const service of ['school', 'gateway', 'sfu'] as const) {
      const ready = () => lectern.log.filter(({ msg }) => msg === `${service} listens`).length;
      const before = ready();
      await lectern.kill(service);
      await eventually(`${service} is back on a full disk`, () => ready() > before);
    }
    teacher = await eventually('the teacher is back', () => enter());
    const posted = teacher.joined?.chat.map(({ id }) => id);
    assert.deepEqual(posted, ['message-1', ...kept], 'all that was acknowledged, and nothing else');
    await assert.rejects(say('later'), /disk-(full|unavailable)/);
    assert.equal(((await lectern.api('GET', `/lessons/${lesson.id}`)) as Lesson).title, lesson.title);
  });

  it('keeps again what comes once there is room', async () => {
    free();
    await eventually('a message is taken', () => say('later').then(() => true));
    await lectern.startClass('Another');
  });
});
