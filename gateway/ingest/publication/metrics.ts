// What publications count, for Prometheus.
import { Counter, Gauge, type Registry } from 'prom-client';
import { ErrorCode } from '#shared/contract/errors.ts';
import { labelledCounter } from '#server/counters.ts';

export class PublicationMetrics {
  readonly #registry: Registry;
  readonly #refused: Counter<'code'>;
  readonly #media: Counter<'kind'>;
  readonly #jumps: Counter;
  readonly #dropped: Counter;

  constructor(registry: Registry) {
    this.#registry = registry;
    const registers = [registry];
    this.#refused = labelledCounter({
      name: 'lectern_publications_refused_total',
      help: 'Publishers from outside that were refused or sent away, by code.',
      labels: { code: ErrorCode.options },
      registry,
    });
    this.#media = labelledCounter({
      name: 'lectern_publication_bytes_total',
      help: 'Bytes of picture and sound that came from outside publishers.',
      labels: { kind: ['audio', 'video'] },
      registry,
    });
    this.#jumps = new Counter({
      name: 'lectern_publication_clock_jumps_total',
      help: 'How often the timestamps of a publisher jumped.',
      registers,
    });
    this.#dropped = new Counter({
      name: 'lectern_publication_malformed_total',
      help: 'Pictures and sounds of publishers that were no such thing.',
      registers,
    });
  }

  /** `count` tells how many there are, as they are and converted. */
  watch(count: () => { pass: number; convert: number }): void {
    new Gauge({
      name: 'lectern_publications',
      help: 'Publishers from outside, by what is done with their picture.',
      labelNames: ['mode'],
      registers: [this.#registry],
      collect() {
        for (const [mode, number] of Object.entries(count())) this.set({ mode }, number);
      },
    });
  }

  refused(code: ErrorCode): void {
    this.#refused.inc({ code });
  }

  bytes(kind: 'audio' | 'video', count: number): void {
    this.#media.inc({ kind }, count);
  }

  jumped(): void {
    this.#jumps.inc();
  }

  malformed(): void {
    this.#dropped.inc();
  }
}
