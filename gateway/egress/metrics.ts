// What the outputs count, for Prometheus.
import { Counter, Gauge, Histogram, type Registry } from 'prom-client';

export interface EgressFigures {
  viewers(): { flv: number; hls: number; rtmp: number };
  diskBytes(): number;
}

export class EgressMetrics {
  readonly #bytes: Counter<'protocol'>;
  readonly #slow: Counter<'protocol' | 'outcome'>;
  readonly #rows: Counter;
  readonly #firstFrame: Histogram<'protocol'>;
  readonly #refused: Counter<'code'>;
  readonly #registry: Registry;

  constructor(registry: Registry) {
    this.#registry = registry;
    const registers = [registry];
    this.#bytes = new Counter({
      name: 'lectern_egress_bytes_total',
      help: 'Media bytes handed to viewers.',
      labelNames: ['protocol'],
      registers,
    });
    this.#slow = new Counter({
      name: 'lectern_egress_slow_readers_total',
      help: 'Times a reader was too slow and skipped to a key frame, or was let go.',
      labelNames: ['protocol', 'outcome'],
      registers,
    });
    this.#rows = new Counter({
      name: 'lectern_hls_rows_total',
      help: 'Rows of segments completed.',
      registers,
    });
    this.#firstFrame = new Histogram({
      name: 'lectern_egress_first_frame_seconds',
      help: 'From the request of a viewer to the first media handed to it.',
      labelNames: ['protocol'],
      buckets: [0.005, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 1, 2, 5],
      registers,
    });
    this.#refused = new Counter({
      name: 'lectern_egress_refused_total',
      help: 'Requests of viewers that were refused.',
      labelNames: ['code'],
      registers,
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

  sent(protocol: string, bytes: number): void {
    this.#bytes.inc({ protocol }, bytes);
  }

  slow(protocol: string, outcome: 'skipped' | 'closed'): void {
    this.#slow.inc({ protocol, outcome });
  }

  row(): void {
    this.#rows.inc();
  }

  firstFrame(protocol: string, seconds: number): void {
    this.#firstFrame.observe({ protocol }, seconds);
  }

  refused(code: string): void {
    this.#refused.inc({ code });
  }
}
