// A school with many recordings: how soon it is there, and how soon it lists them.
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Recording } from '#shared/contract/rest.ts';
import { median } from '../support/av.ts';
import { startLectern } from '../support/lectern.ts';
import { measured, type Report } from './report.ts';

const RECORDINGS = 5_000;
const ROUNDS = 9;

export async function run(report: Report): Promise<void> {
  const dataDir = mkdtempSync(join(tmpdir(), 'lectern-school-'));
  try {
    const empty = await timedStart(dataDir);
    const { id, channel, title } = await empty.lectern.startClass('A class of many recordings');
    await empty.lectern.stop();
    for (let index = 0; index < RECORDINGS; index += 1) {
      const recording = `r${String(index).padStart(11, '0')}`;
      const dir = join(dataDir, 'gateway/recordings', recording);
      mkdirSync(dir, { recursive: true });
      const startedAtMs = 1.7e12 + index * 3_600_000;
      const times = { startedAtMs, endedAtMs: startedAtMs + 2_700_000, durationMs: 2_700_000 };
      const file = { id: recording, lesson: id, channel, title, state: 'ready', bytes: 1e8, reason: null };
      writeFileSync(join(dir, 'recording.json'), JSON.stringify({ ...file, ...times }));
    }
    const { lectern, tookMs } = await timedStart(dataDir);
    try {
      // The school learns of them by the first question.
      await lectern.api('GET', '/recordings');
      const listed: number[] = [];
      for (let round = 0; round < ROUNDS; round += 1) {
        const began = performance.now();
        Recording.array().parse(await lectern.api('GET', `/recordings?lesson=${id}&limit=100`));
        listed.push(performance.now() - began);
      }
      report({
        name: `start of a school with ${RECORDINGS} recordings`,
        aim: '≤ 2 s',
        measured: measured`${tookMs / 1_000} s`,
        note: measured`an empty one: ${empty.tookMs / 1_000} s`,
      });
      report({
        name: `its list of the newest 100`,
        aim: '≤ 100 ms',
        measured: measured`p50 ${median(listed)} ms`,
      });
    } finally {
      await lectern.stop();
    }
  } finally {
    rmSync(dataDir, { recursive: true, force: true });
  }
}

async function timedStart(dataDir: string) {
  const began = performance.now();
  const lectern = await startLectern({ LECTERN_DATA: dataDir });
  return { lectern, tookMs: performance.now() - began };
}
