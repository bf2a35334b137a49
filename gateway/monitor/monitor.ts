// How the gateway is, for the console (`GET /internal/status`) and for Prometheus.
import { statfs } from 'node:fs/promises';
import type { Registry } from 'prom-client';
import { MAX_CHANNELS_TOLD, type ChannelStatus, type GatewayStatus } from '#shared/contract/status.ts';
import { expected } from '#shared/expected.ts';
import { processStats } from '#server/process-stats.ts';
import type { MixingUsage } from '../audio/mixing.ts';
import type { BroadcastFigures } from '../channel/broadcast.ts';
import type { ViewerCount } from '../channel/ports.ts';
import type { Clock } from '../channel/sources.ts';
import type { Deliveries } from '../outputs/deliveries.ts';
import type { ChannelFigures, Disk } from './figures.ts';
import { exposeChannels, exposeMachine } from './metrics.ts';
import { Rates } from './rates.ts';

const SAMPLE_MS = 1_000;

export interface MonitorOptions {
  readonly figures: () => BroadcastFigures[];
  readonly viewers: (channel: string) => ViewerCount;
  readonly deliveries: Pick<Deliveries, 'of'>;
  readonly mixingUsage: () => Promise<MixingUsage>;
  readonly recordingsBytes: () => number;
  /** Events that wait for the school. */
  readonly outboxSize: () => number;
  /** Where the recordings are. */
  readonly folder: string;
  readonly clock: Clock;
  readonly registry: Registry;
}

export class Monitor {
  readonly #options: MonitorOptions;
  readonly #rates = new Map<string, Rates>();
  readonly #stop: () => void;

  constructor(options: MonitorOptions) {
    this.#options = options;
    this.#stop = options.clock.every(SAMPLE_MS, () => this.#sample());
    exposeChannels(options.registry, () => this.#channels());
    exposeMachine(options.registry, {
      disk: () => this.#disk(),
      mixingUsage: options.mixingUsage,
    });
  }

  async status(): Promise<GatewayStatus> {
    const { mixingUsage, recordingsBytes, outboxSize } = this.#options;
    const [disk, sound] = await Promise.all([this.#disk(), mixingUsage()]);
    return {
      vitals: processStats(),
      channels: this.#channels().map(told),
      disk: { ...disk, recordingsBytes: recordingsBytes() },
      sound,
      outbox: outboxSize(),
    };
  }

  close(): void {
    this.#stop();
    this.#rates.clear();
  }

  #channels(): ChannelFigures[] {
    const { figures, viewers, deliveries } = this.#options;
    return figures()
      .slice(0, MAX_CHANNELS_TOLD)
      .map((broadcast) => ({
        ...broadcast,
        delivery: deliveries.of(broadcast.info.channel),
        viewers: viewers(broadcast.info.channel),
        rates: (this.#rates.get(broadcast.info.broadcast) ?? new Rates()).now(),
      }));
  }

  #sample(): void {
    const { figures, deliveries, clock } = this.#options;
    const nowMs = clock.nowMs();
    const all = figures();
    for (const { info, source, flow } of all) {
      const { bytes, skipped, closed } = deliveries.of(info.channel);
      const rates = this.#rates.get(info.broadcast) ?? new Rates();
      this.#rates.set(info.broadcast, rates);
      rates.update(
        {
          inBytes: source.bytes,
          outBytes: Object.values(bytes).reduce((sum, each) => sum + each, 0),
          videoFrames: flow.videoFrames,
          packets: source.packets,
          lost: source.lost,
          slow: skipped + closed,
        },
        nowMs,
      );
    }
    const onAir = new Set(all.map(({ info }) => info.broadcast));
    for (const broadcast of this.#rates.keys()) if (!onAir.has(broadcast)) this.#rates.delete(broadcast);
  }

  async #disk(): Promise<Disk> {
    const known = await statfs(this.#options.folder).catch(expected('the folder is away'));
    // All the rest is told also while the disk is away.
    if (known === undefined) return { freeBytes: 0, sizeBytes: 0 };
    const { bavail, blocks, bsize } = known;
    return { freeBytes: bavail * bsize, sizeBytes: blocks * bsize };
  }
}

function told({
  info,
  state,
  notice,
  diskTrouble,
  flow,
  delivery,
  viewers,
  rates,
  ...times
}: ChannelFigures): ChannelStatus {
  const sorted = [...delivery.firstFramesS].sort((a, b) => a - b);
  const quantileMs = (part: number) => {
    const seconds = sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))];
    return seconds === undefined ? null : Math.round(seconds * 1_000);
  };
  return {
    ...info,
    state: state === 'live' || state === 'interrupted' ? state : 'starting',
    startedAtMs: times.startedAtMs,
    durationMs: times.durationMs,
    notice,
    diskTrouble,
    inBps: rates.inBps,
    outBps: rates.outBps,
    fps: rates.fps,
    viewers: { ...viewers },
    lossRatio: rates.lossRatio,
    keyframeIntervalMs: flow.keyframeIntervalMs,
    skewMs: flow.skewMs,
    slowReaders: rates.slow,
    firstFrame: { count: sorted.length, p50Ms: quantileMs(0.5), p95Ms: quantileMs(0.95) },
  };
}
