// What processes cost, from /proc (Linux): CPU seconds and resident memory, children included.
import { readdirSync, readFileSync } from 'node:fs';

const TICKS_PER_S = 100;

function stat(pid: number): { parent: number; cpuS: number } | undefined {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // The name may hold spaces and brackets; what counts comes after its last bracket.
    const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
    return { parent: Number(fields[1]), cpuS: (Number(fields[11]) + Number(fields[12])) / TICKS_PER_S };
  } catch {
    return undefined;
  }
}

/** `pid` and all that it started. */
export function family(pid: number): number[] {
  const all = readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number);
  const members = new Set([pid]);
  for (let grew = true; grew;) {
    grew = false;
    for (const one of all) {
      const parent = stat(one)?.parent;
      if (!members.has(one) && parent !== undefined && members.has(parent)) {
        members.add(one);
        grew = true;
      }
    }
  }
  return [...members];
}

/** CPU time that these processes used so far, in seconds. */
export const cpuSeconds = (pids: readonly number[]): number =>
  pids.reduce((sum, pid) => sum + (stat(pid)?.cpuS ?? 0), 0);

/** How many write() calls these processes made so far, of files and sockets alike (proc(5), `syscw`). */
export function writeCalls(pids: readonly number[]): number {
  let calls = 0;
  for (const pid of pids) {
    calls += Number(/^syscw: (\d+)/m.exec(readFileSync(`/proc/${pid}/io`, 'utf8'))?.[1] ?? Number.NaN);
  }
  return calls;
}

/** Resident memory of these processes, in MB; pages they share are counted once each (PSS). */
export function memoryMb(pids: readonly number[]): number {
  let kb = 0;
  for (const pid of pids) {
    try {
      kb += Number(/^Pss:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8'))?.[1] ?? 0);
    } catch {
      // It ended meanwhile.
    }
  }
  return kb / 1024;
}

/** How much of one core these processes use while `during` runs, in per cent. */
export async function cpuPercent(
  pids: () => readonly number[],
  during: () => Promise<unknown>,
): Promise<number> {
  const before = cpuSeconds(pids());
  const started = performance.now();
  await during();
  return ((cpuSeconds(pids()) - before) / ((performance.now() - started) / 1_000)) * 100;
}
