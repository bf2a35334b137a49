// Whether the first word of a class is heard, on a machine that is busy with other things: ten classes from a tab, next
// to two loops that never rest.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { launchChromium } from '../support/chromium.ts';
import { startLectern } from '../support/lectern.ts';
import { startOfBroadcast } from '../support/start-of-broadcast.ts';
import { arrive, endClass, goLive } from '../e2e/people.ts';
import { measured, type Report } from './report.ts';

const CLASSES = 10;
const LOOPS = 2;
const CLASS_MS = 6_000;

export async function run(report: Report): Promise<void> {
  const loops = Array.from({ length: LOOPS }, () => spawn(process.execPath, ['-e', 'for (;;);']));
  const lectern = await startLectern();
  const browser = await launchChromium();
  try {
    const lost: number[] = [];
    for (let index = 0; index < CLASSES; index += 1) {
      const lesson = await lectern.startClass(`Class ${index}`);
      const teacher = await arrive(browser, { studio: true });
      await teacher.page.goto(lesson.links.teacher);
      await teacher.page.getByRole('button', { name: 'Join', exact: true }).click();
      await goLive(teacher);
      await sleep(CLASS_MS);
      await endClass(teacher);
      lost.push(Math.max(0, (await startOfBroadcast(lectern, lesson)).lostMs));
      await teacher.leave();
    }
    report({
      name: `sound lost at the start, ${CLASSES} classes next to ${LOOPS} busy loops`,
      aim: '0 ms in each',
      measured: measured`0 ms in ${lost.filter((ms) => ms === 0).length}, at most ${Math.max(...lost)} ms`,
    });
  } finally {
    await browser.close();
    await lectern.stop();
    await Promise.all(
      loops.map(async (loop) => {
        loop.kill('SIGKILL');
        if (loop.exitCode === null && loop.signalCode === null) await once(loop, 'exit');
      }),
    );
  }
}
