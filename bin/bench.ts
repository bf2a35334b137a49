// `npm run bench [-- part of a name …]`: runs the benchmarks one after another and prints one table.
import { globSync } from 'node:fs';
import { availableParallelism, cpus, release, totalmem, type as system } from 'node:os';
import { join } from 'node:path';
import { z } from 'zod';
import { readSettings } from '#server/settings.ts';
import type { Figure, Report } from '../tests/bench/report.ts';
import { prepareForTests } from './setup/for-tests.ts';
import { SetupError } from './setup/run.ts';
import { onStop } from './signals.ts';

const ROOT = join(import.meta.dirname, '..');
const GIB = 1024 ** 3;

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

function table(figures: readonly Figure[]): string {
  const cell = (text: string) => text.replaceAll('|', '\\|').replaceAll('\n', ' ');
  const rows = figures.map(({ name, aim, measured, note = '' }) => [name, aim, measured, note]);
  const lines = [['figure', 'aim', 'measured', 'note'], ['---', '---', '---', '---'], ...rows];
  return lines.map((row) => `| ${row.map(cell).join(' | ')} |`).join('\n');
}

async function bench(filters: readonly string[]): Promise<number> {
  const figures: Figure[] = [];
  let failed = 0;
  await prepareForTests(readSettings().LECTERN_FFMPEG);
  const files = globSync('tests/bench/*.bench.ts', { cwd: ROOT })
    .filter((file) => filters.length === 0 || filters.some((filter) => file.includes(filter)))
    .sort();
  for (const file of files) {
    process.stderr.write(`${file} …\n`);
    try {
      const { run } = Bench.parse(await import(join(ROOT, file)));
      await run((figure) => {
        figures.push(figure);
        process.stderr.write(`  ${figure.name}: ${figure.measured} (aim ${figure.aim})\n`);
      });
    } catch (error) {
      failed += 1;
      process.stderr.write(
        `${file} failed: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`,
      );
    }
  }
  console.log(`\n${machine()}\n\n${table(figures)}`);
  return failed === 0 && figures.length > 0 ? 0 : 1;
}

try {
  process.exit(await bench(process.argv.slice(2)));
} catch (error) {
  console.error(error instanceof SetupError ? error.message : error);
  process.exit(1);
}
