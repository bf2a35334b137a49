// `npm run bench [-- --runs=N part of a name …]`: runs the benchmarks one after another, five times, and prints
// one table with the median and the spread of each figure.
import { globSync } from 'node:fs';
import { availableParallelism, cpus, release, totalmem, type as system } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { z } from 'zod';
import { readSettings } from '#server/settings.ts';
import { measured, summarize, type Figure, type Report } from '../tests/bench/report.ts';
import { prepareForTests } from './setup/for-tests.ts';
import { SetupError } from './setup/run.ts';
import { onStop } from './signals.ts';

const ROOT = join(import.meta.dirname, '..');
const GIB = 1024 ** 3;
/** How long the load is looked at before each run. */
const LOAD_WINDOW_MS = 2_000;

/** What a file in tests/bench exports (tests/bench/README.md). */
const Bench = z.object({
  run: z.custom<(report: Report) => Promise<void>>((value) => typeof value === 'function'),
});

// What a benchmark started ends with this process (bin/signals.ts).
onStop(() => process.exit(130));

function machine(): string {
  const model = cpus()[0]?.model ?? 'unknown processor';
  const memory = (totalmem() / GIB).toFixed(0);
  return `${availableParallelism()} × ${model}, ${memory} GiB, ${system()} ${release()}, Node ${process.version}`;
}

/** The rows of all runs: each figure once, with the median and the spread of what was measured. */
function table(runs: readonly Figure[]): string {
  const cell = (text: string) => text.replaceAll('|', '\\|').replaceAll('\n', ' ');
  const byName = Map.groupBy(runs, ({ name }) => name);
  const rows = [...byName].map(([name, figures]) => {
    const { aim = '' } = figures.at(-1) ?? {};
    const notes = figures.map(({ note = '' }) => (typeof note === 'string' ? measured`${note}` : note));
    const texts = figures.map((figure) => figure.measured);
    return [name, aim, summarize(texts), String(figures.length), summarize(notes)];
  });
  const lines = [
    ['figure', 'aim', 'median (least–greatest)', 'runs', 'note'],
    ['---', '---', '---', '---', '---'],
    ...rows,
  ];
  return lines.map((row) => `| ${row.map(cell).join(' | ')} |`).join('\n');
}

/** How much of all cores is in use by others just before a run, in per cent. */
async function loadPercent(): Promise<number> {
  const spent = () => {
    const times = cpus().map((cpu) => cpu.times);
    const idle = times.reduce((sum, time) => sum + time.idle, 0);
    return {
      idle,
      all: times.reduce((sum, { user, nice, sys, irq }) => sum + user + nice + sys + irq, idle),
    };
  };
  const before = spent();
  await sleep(LOAD_WINDOW_MS);
  const after = spent();
  return (1 - (after.idle - before.idle) / (after.all - before.all)) * 100;
}

async function bench(filters: readonly string[], runs: number): Promise<number> {
  const figures: Figure[] = [];
  const loads: number[] = [];
  let failed = 0;
  await prepareForTests(readSettings().gateway.ffmpeg);
  const files = globSync('tests/bench/*.bench.ts', { cwd: ROOT })
    .filter((file) => filters.length === 0 || filters.some((filter) => file.includes(filter)))
    .sort();
  // All files once, then all again: what the machine does for some minutes spoils one run and not a file.
  for (let round = 1; round <= runs; round += 1) {
    for (const file of files) {
      const load = await loadPercent();
      loads.push(load);
      process.stderr.write(
        `${file}, run ${round} of ${runs}, ${load.toFixed(0)} % of the cores in use before …\n`,
      );
      try {
        const { run } = Bench.parse(await import(join(ROOT, file)));
        await run((figure) => {
          figures.push(figure);
          process.stderr.write(`  ${figure.name}: ${summarize([figure.measured])} (aim ${figure.aim})\n`);
        });
      } catch (error) {
        failed += 1;
        process.stderr.write(
          `${file} failed: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`,
        );
      }
    }
  }
  const load = summarize(loads.map((percent) => measured`${percent} %`));
  console.log(`\n${machine()}\nIn use by others before each run: ${load} of the cores\n\n${table(figures)}`);
  return failed === 0 && figures.length > 0 ? 0 : 1;
}

try {
  const { values, positionals } = parseArgs({
    options: { runs: { type: 'string', default: '5' } },
    allowPositionals: true,
  });
  process.exit(await bench(positionals, z.coerce.number().int().min(1).max(100).parse(values.runs)));
} catch (error) {
  console.error(error instanceof SetupError ? error.message : error);
  process.exit(1);
}
