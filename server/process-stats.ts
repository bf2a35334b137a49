// What a process takes: processor time and memory since its start.
import type { ProcessStats } from '#shared/contract/status.ts';

/** Of the process that asks. */
export function processStats(): ProcessStats {
  const { user, system } = process.cpuUsage();
  return {
    cpuS: (user + system) / 1e6,
    memoryBytes: process.memoryUsage.rss(),
    uptimeS: process.uptime(),
  };
}
