// How soon the home page is usable, and what Lectern holds in memory while nobody is there.
import { launchChromium } from '../support/chromium.ts';
import { median } from '../support/av.ts';
import { memoryMb, family } from '../support/cost.ts';
import { startLectern } from '../support/lectern.ts';
import { measured, type Report } from './report.ts';

const ROUNDS = 7;

export async function run(report: Report): Promise<void> {
  const lectern = await startLectern();
  const browser = await launchChromium();
  try {
    report({
      name: 'memory, everything idle',
      aim: '≤ 450 MB',
      measured: measured`${memoryMb(family(lectern.supervisorPid))} MB`,
      note: 'supervisor, door, three services and the workers; proportional set size',
    });
    const usable: number[] = [];
    for (let round = 0; round < ROUNDS; round += 1) {
      const context = await browser.newContext({ locale: 'en-GB' });
      const page = await context.newPage();
      const started = performance.now();
      await page.goto(lectern.ownerLink);
      await page.getByRole('button', { name: 'Start a class' }).waitFor();
      usable.push(performance.now() - started);
      await context.close();
    }
    report({
      name: 'home page usable, from the owner link with an empty cache',
      aim: '≤ 1 s',
      measured: measured`p50 ${median(usable)} ms`,
    });
  } finally {
    await browser.close();
    await lectern.stop();
  }
}
