// What the pages weigh and how soon they are usable, and what Lectern holds in memory when idle.
import { family, memoryMb } from '../support/cost.ts';
import { launchChromium } from '../support/chromium.ts';
import { startLectern } from '../support/lectern.ts';
import { median } from '../support/av.ts';
import type { Report } from './report.ts';

const ROUNDS = 7;

export async function run(report: Report): Promise<void> {
  const lectern = await startLectern();
  const browser = await launchChromium();
  try {
    const services = (['school', 'gateway', 'sfu'] as const).flatMap((name) => family(lectern.pid(name)));
    const supervisor = [lectern.pid('sfu')].map(() => Number(lectern.log.find((line) => line.msg === 'ready')?.pid));
    report({
      name: 'memory, everything idle (proportional set size)',
      aim: '≤ 450 MB',
      measured: `${memoryMb([...services, ...supervisor.filter(Number.isFinite)]).toFixed(0)} MB`,
    });

    const usable: number[] = [];
    for (let round = 0; round < ROUNDS; round += 1) {
      const context = await browser.newContext();
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
      measured: `p50 ${median(usable).toFixed(0)} ms`,
    });
  } finally {
    await browser.close();
    await lectern.stop();
  }
}
