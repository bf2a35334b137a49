// The last hour of the figures, so that a console that is opened shows it at once.
import {
  MAX_CHANNELS_SAMPLED,
  MAX_SAMPLES,
  type StatusHistory,
  type StatusSample,
} from '#shared/contract/status-history.ts';
import type { ChannelStatus, ServiceName, Status, ProcessStats } from '#shared/contract/status.ts';

/** What was told at one time; the processor part of each service is added here. */
export type StatusReport = Omit<Status, 'services' | 'warnings'> & {
  readonly services: readonly { readonly name: ServiceName; readonly vitals: ProcessStats | null }[];
};

export class History {
  readonly #samples: StatusSample[] = [];
  readonly #before = new Map<ServiceName, { vitals: ProcessStats; atMs: number }>();

  /** Adds a sample of `report`; the oldest goes when there is an hour of them. */
  append(report: StatusReport): void {
    const services: StatusSample['services'] = {};
    for (const { name, vitals } of report.services) {
      if (vitals === null) continue;
      services[name] = { cpu: this.cpu(name, vitals, report.atMs), memoryBytes: vitals.memoryBytes };
      this.#before.set(name, { vitals, atMs: report.atMs });
    }
    const channels = report.channels
      .slice(0, MAX_CHANNELS_SAMPLED)
      .map((one) => [one.broadcast, { inBps: one.inBps, outBps: one.outBps, viewers: viewersOf(one) }]);
    this.#samples.push({
      atMs: report.atMs,
      services,
      sums: sumsOf(report),
      channels: Object.fromEntries(channels) as StatusSample['channels'],
    });
    if (this.#samples.length > MAX_SAMPLES) this.#samples.shift();
  }

  /**
   * Processor time that a service took since the last sample, in parts of a core; since its start where there
   * is no sample of it yet, or where it was started again.
   */
  cpu(name: ServiceName, { cpuS, uptimeS }: ProcessStats, atMs: number): number {
    const before = this.#before.get(name);
    const passedS = before === undefined ? 0 : (atMs - before.atMs) / 1_000;
    // Its uptime tells a restart: the processor time of a new process may be above the old one's.
    if (before === undefined || passedS <= 0 || uptimeS < before.vitals.uptimeS) {
      return uptimeS > 0 ? cpuS / uptimeS : 0;
    }
    return Math.max(0, cpuS - before.vitals.cpuS) / passedS;
  }

  /** Those after `afterMs`. */
  since(afterMs: number): StatusHistory {
    return { samples: this.#samples.filter(({ atMs }) => atMs > afterMs) };
  }
}

const viewersOf = ({ viewers }: ChannelStatus) =>
  Object.values(viewers).reduce((sum, count) => sum + count, 0);

function sumsOf({ channels, disk }: StatusReport): StatusSample['sums'] {
  // Its disk is told with its channels: without it the gateway said nothing.
  if (disk === null) return null;
  const viewers: Record<string, number> = { flv: 0, hls: 0, rtmp: 0, whep: 0 };
  for (const channel of channels) {
    for (const [protocol, count] of Object.entries(channel.viewers)) {
      viewers[protocol] = (viewers[protocol] ?? 0) + count;
    }
  }
  const sum = (of: (channel: ChannelStatus) => number) => channels.reduce((all, one) => all + of(one), 0);
  return {
    inBps: sum(({ inBps }) => inBps),
    outBps: sum(({ outBps }) => outBps),
    viewers,
    firstFrame: firstFrameOf(channels),
    diskFreeBytes: disk.freeBytes,
  };
}

function firstFrameOf(channels: readonly ChannelStatus[]): { p50Ms: number; p95Ms: number } | null {
  const known = channels.flatMap(({ firstFrame: { p50Ms, p95Ms } }) =>
    p50Ms === null || p95Ms === null ? [] : [{ p50Ms, p95Ms }],
  );
  const medians = known.map(({ p50Ms }) => p50Ms).sort((a, b) => a - b);
  const p50Ms = medians[Math.floor(medians.length / 2)];
  return p50Ms === undefined ? null : { p50Ms, p95Ms: Math.max(...known.map(({ p95Ms }) => p95Ms)) };
}
