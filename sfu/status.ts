// How the SFU is, for the owner's console.
import type { SfuStatus } from '#shared/contract/status.ts';
import { processStats } from '#server/process-stats.ts';
import type { Measured } from './metrics.ts';

export type Told = Pick<Measured, 'rooms' | 'workers' | 'outbox'>;

export async function statusOf({ rooms, workers, outbox }: Told): Promise<SfuStatus> {
  const count = rooms.count();
  const own = processStats();
  const usage = await workers.usage();
  return {
    vitals: {
      cpuS: usage.reduce((sum, { cpuS }) => sum + cpuS, own.cpuS),
      memoryBytes: usage.reduce((sum, { memoryBytes }) => sum + memoryBytes, own.memoryBytes),
      uptimeS: own.uptimeS,
    },
    rooms: count.rooms,
    people: count.peers,
    whepViewers: rooms.watched(),
    workers: usage.length,
    workerDeaths: workers.deaths,
    outbox: outbox(),
  };
}
