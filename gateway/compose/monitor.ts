// What the gateway says of itself: to the console, and to Prometheus.
import { Gauge, type Registry } from 'prom-client';
import type { Outbox } from '#server/outbox.ts';
import type { Clock } from '../channel/sources.ts';
import { Monitor } from '../monitor/monitor.ts';
import type { Media } from './media.ts';

export interface MonitoringOptions {
  readonly media: Media;
  readonly outbox: Outbox;
  readonly folder: string;
  readonly clock: Clock;
  readonly registry: Registry;
}

/** The caller closes it. */
export function composeMonitor({ media, outbox, folder, clock, registry }: MonitoringOptions): Monitor {
  const { channels, egress, metrics, mixing, store } = media;
  const registers = [registry];
  new Gauge({
    name: 'lectern_broadcasts',
    help: 'Broadcasts by state.',
    labelNames: ['state'],
    registers,
    collect() {
      for (const [state, count] of Object.entries(channels.count())) this.set({ state }, count);
    },
  });
  new Gauge({
    name: 'lectern_gateway_outbox_events',
    help: 'Events that wait for the school.',
    registers,
    collect() {
      this.set(outbox.size());
    },
  });
  return new Monitor({
    figures: () => channels.figures(),
    viewers: (channel) => egress.viewers(channel),
    deliveries: metrics.deliveries,
    mixingUsage: () => mixing.usage(),
    recordingsBytes: () => store.bytes,
    outboxSize: () => outbox.size(),
    folder,
    clock,
    registry,
  });
}
