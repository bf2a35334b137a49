// `npm run fuzz [-- --runs=N] [--seed=N] [part of a name …]`: spoils real captures and gives them to every
// parser that meets the network. Fails on what a parser must not throw, on a hang and on memory that grows.
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { readSettings } from '#server/settings.ts';
import { Dice, mutate } from '../tests/fuzz/mutate.ts';
import { allTargets, type Target } from '../tests/fuzz/targets.ts';
import { prepareForTests } from './setup/for-tests.ts';
import { SetupError } from './setup/run.ts';
import { onStop } from './signals.ts';

const DEFAULT_RUNS = 1_200_000;
/** One input may not take longer, in ms of the processor's time: what else the machine does is not the parser's. */
const HANG_MS = 100;
/** What took long by the clock is tried again, as the collector may have had its turn; the least counts. */
const TRIES = 3;
/** What may remain in the heap after all inputs of a target, in MB. */
const GROWTH_MB = 16;
const MB = 1024 ** 2;

onStop(() => process.exit(130));

setFlagsFromString('--expose-gc');
/** Collects all garbage, so that what remains is what is kept. */
const collect = runInNewContext('gc') as () => void;

interface Finding {
  what: string;
  input: Buffer;
}

function time(target: Target, input: Buffer): { ms: number; error?: unknown } {
  const started = performance.now();
  try {
    target.take(input);
  } catch (error) {
    return { ms: performance.now() - started, error };
  }
  return { ms: performance.now() - started };
}

/** The processor's time that an input takes, in ms. */
function cpuMs(target: Target, input: Buffer): number {
  const before = process.threadCpuUsage();
  time(target, input);
  const { user, system } = process.threadCpuUsage(before);
  return (user + system) / 1_000;
}

function heapMb(): number {
  collect();
  return process.memoryUsage().heapUsed / MB;
}

function fuzz(target: Target, runs: number, dice: Dice): { line: string; finding: Finding | undefined } {
  let refused = 0;
  let slowestMs = 0;
  const attempt = (input: Buffer): Finding | undefined => {
    const { ms, error } = time(target, input);
    if (error !== undefined) {
      if (!target.allowed(error)) {
        return { what: error instanceof Error ? (error.stack ?? error.message) : String(error), input };
      }
      refused += 1;
    }
    if (ms > HANG_MS) {
      const again = Math.min(...Array.from({ length: TRIES }, () => cpuMs(target, input)));
      if (again > HANG_MS) return { what: `took ${again.toFixed(0)} ms`, input };
    } else slowestMs = Math.max(slowestMs, ms);
    return undefined;
  };
  const next = () => mutate(dice, dice.pick(target.seeds), target.seeds);
  // The first tenth fills what is there to be filled.
  const warmUp = Math.ceil(runs / 10);
  let before = 0;
  const started = performance.now();
  for (let run = 0; run < runs; run += 1) {
    if (run === warmUp) before = heapMb();
    const finding = attempt(next());
    if (finding !== undefined) return { line: `${target.name}: failed at input ${run + 1}`, finding };
  }
  const grownMb = heapMb() - before;
  const seconds = (performance.now() - started) / 1_000;
  const line =
    `${target.name}: ${runs.toLocaleString('en')} inputs in ${seconds.toFixed(1)} s, ` +
    `${((refused / runs) * 100).toFixed(0)} % refused, slowest ${slowestMs.toFixed(1)} ms, ` +
    `memory ${grownMb >= 0 ? '+' : ''}${grownMb.toFixed(1)} MB`;
  if (grownMb > GROWTH_MB) {
    return { line, finding: { what: `memory grew by ${grownMb.toFixed(1)} MB`, input: Buffer.alloc(0) } };
  }
  return { line, finding: undefined };
}

async function main(args: readonly string[]): Promise<number> {
  const option = (name: string, fallback: number) => {
    const given = args.find((arg) => arg.startsWith(`--${name}=`))?.split('=')[1];
    return given === undefined ? fallback : Number(given);
  };
  const filters = args.filter((arg) => !arg.startsWith('--'));
  await prepareForTests(readSettings().gateway.ffmpeg);
  const targets = (await allTargets()).filter(
    ({ name }) => filters.length === 0 || filters.some((filter) => name.includes(filter)),
  );
  const runs = Math.ceil(option('runs', DEFAULT_RUNS) / targets.length);
  const seed = option('seed', Date.now() % 2 ** 31);
  console.log(`seed ${seed}: ${runs.toLocaleString('en')} inputs for each of ${targets.length} parsers`);
  let failed = 0;
  for (const target of targets) {
    const { line, finding } = fuzz(target, runs, new Dice(seed));
    console.log(line);
    if (finding === undefined) continue;
    failed += 1;
    console.error(`${finding.what}\ninput: ${finding.input.toString('base64').slice(0, 4_000)}`);
  }
  console.log(`${(runs * targets.length).toLocaleString('en')} inputs, ${failed} findings`);
  return failed === 0 && targets.length > 0 ? 0 : 1;
}

main(process.argv.slice(2)).then(
  (status) => process.exit(status),
  (error: unknown) => {
    console.error(error instanceof SetupError ? error.message : error);
    process.exit(1);
  },
);
