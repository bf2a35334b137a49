// What the outputs count, for Prometheus.
import { Counter, Gauge, Histogram, type Registry } from 'prom-client';
import { ErrorCode } from '#shared/contract/errors.ts';
import { labelledCounter } from '#server/counters.ts';
import { Deliveries, FIRST_FRAME_BUCKETS } from './deliveries.ts';

/** What is sent as one stream without end. */
const STREAMED = ['flv', 'rtmp', 'relay'];
const SENT = [...STREAMED, 'hls', 'replay'];

export interface EgressFigures {
  viewers(): { flv: number; hls: number; rtmp: number };
  diskBytes(): number;
}

export class EgressMetrics {
  /** The same by channel, while it is on air. */
  readonly deliveries: Deliveries;
  readonly #bytes: Counter<'protocol'>;
  readonly #slow: Counter<'protocol' | 'outcome'>;
  readonly #rows: Counter;
  readonly #lost: Counter;
  readonly #firstFrame: Histogram<'protocol'>;
  readonly #refused: Counter<'code'>;
  readonly #registry: Registry;

  constructor(registry: Registry) {
    this.#registry = registry;
    this.deliveries = new Deliveries(registry);
    const registers = [registry];
    this.#bytes = labelledCounter({
      name: 'lectern_egress_bytes_total',
      help: 'Media bytes handed to viewers.',
      labels: { protocol: SENT },
      registry,
    });
    this.#slow = labelledCounter({
      name: 'lectern_egress_slow_readers_total',
      help: 'Times a reader was too slow and skipped to a key frame, or was let go.',
      labels: { protocol: STREAMED, outcome: ['skipped', 'closed'] },
      registry,
    });
    this.#rows = new Counter({
      name: 'lectern_hls_rows_total',
      help: 'Rows of segments completed.',
      registers,
    });
    this.#lost = new Counter({
      name: 'lectern_recording_rows_lost_total',
      help: 'Rows of segments, two seconds each, that a recording lacks: the disk did not take them, or lost them.',
      registers,
    });
    this.#firstFrame = new Histogram({
      name: 'lectern_egress_first_frame_seconds',
      help: 'From the request of a viewer to the first media handed to it.',
      labelNames: ['protocol'],
      buckets: FIRST_FRAME_BUCKETS,
      registers,
    });
    for (const protocol of ['flv', 'rtmp']) this.#firstFrame.zero({ protocol });
    this.#refused = labelledCounter({
      name: 'lectern_egress_refused_total',
      help: 'Requests of viewers that were refused.',
      labels: { code: ErrorCode.options },
      registry,
    });
  }

  /** Adds the gauges, whose values are asked for at every scrape. */
  watch(figures: EgressFigures): void {
    const registers = [this.#registry];
    new Gauge({
      name: 'lectern_viewers',
      help: 'Viewers at this moment.',
      labelNames: ['protocol'],
      registers,
      collect() {
        for (const [protocol, count] of Object.entries(figures.viewers())) this.set({ protocol }, count);
      },
    });
    new Gauge({
      name: 'lectern_recordings_bytes',
      help: 'Bytes of all recordings on disk.',
      registers,
      collect() {
        this.set(figures.diskBytes());
      },
    });
  }

  sent(protocol: string, bytes: number, channel?: string): void {
    this.#bytes.inc({ protocol }, bytes);
    if (channel !== undefined) this.deliveries.sent(channel, protocol, bytes);
  }

  slow(protocol: string, outcome: 'skipped' | 'closed', channel?: string): void {
    this.#slow.inc({ protocol, outcome });
    if (channel !== undefined) this.deliveries.slow(channel, outcome);
  }

  row(): void {
    this.#rows.inc();
  }

  lost(rows: number): void {
    this.#lost.inc(rows);
  }

  firstFrame(protocol: string, seconds: number, channel?: string): void {
    this.#firstFrame.observe({ protocol }, seconds);
    if (channel !== undefined) this.deliveries.firstFrame(channel, seconds);
  }

  refused(code: string): void {
    this.#refused.inc({ code });
  }
}
