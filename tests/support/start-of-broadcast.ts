// What the recording of a class begins with, measured in the file that is downloaded.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Lesson, Recording } from '#shared/contract/rest.ts';
import { beepTimes, flashTimes, probe, skewsMs } from './av.ts';
import { eventually, type Lectern } from './lectern.ts';

/** How much sound is missing at the first flash of the class that ended, and how far each beep is from its flash, in ms. */
export async function startOfBroadcast(
  lectern: Lectern,
  lesson: Lesson,
): Promise<{ lostMs: number; skews: number[] }> {
  const recording = await eventually('the recording is ready', async () => {
    const [first] = (await lectern.api('GET', `/recordings?lesson=${lesson.id}`)) as Recording[];
    return first?.state === 'ready' && first;
  });
  const mp4 = recording.files.find(({ format }) => format === 'mp4');
  if (mp4 === undefined) throw new Error('no MP4');
  const dir = mkdtempSync(join(tmpdir(), 'lectern-bench-'));
  try {
    const file = join(dir, 'class.mp4');
    writeFileSync(file, Buffer.from(await (await fetch(mp4.url)).arrayBuffer()));
    await probe(file);
    const [flashes, beeps] = await Promise.all([flashTimes(file), beepTimes(file)]);
    const [firstFlash = 0] = flashes;
    const before = beeps.filter((beep) => Math.abs(beep - firstFlash) < 0.5).length;
    return {
      lostMs: before > 0 ? 0 : ((beeps[0] ?? Number.NaN) - firstFlash) * 1_000,
      skews: await skewsMs(file),
    };
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}
