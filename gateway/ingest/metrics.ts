// What the way in counts, for Prometheus. Plain numbers, because some of them grow with every packet.
import { Counter, type Registry } from 'prom-client';

const HELP = {
  packets: 'RTP packets of known tracks',
  bytes: 'Bytes of these packets',
  malformed: 'Datagrams that belong to no track or are malformed',
  lost: 'RTP packets that never came',
  late: 'RTP packets that came after they were given up',
  duplicates: 'RTP packets that came twice',
  keyframeRequests: 'Picture loss indications sent',
  pictures: 'Whole video frames received',
  sounds: 'Opus packets received',
} as const;

export type IngestCounts = Record<keyof typeof HELP, number>;

/** The keys are the names in `/metrics`, which dashboards know. */
const NAMES = Object.keys(HELP) as (keyof typeof HELP)[];

function noCounts(): IngestCounts {
  return {
    packets: 0,
    bytes: 0,
    malformed: 0,
    lost: 0,
    late: 0,
    duplicates: 0,
    keyframeRequests: 0,
    pictures: 0,
    sounds: 0,
  };
}

/** The counts of each broadcast while it is received, and their sum for the metrics. */
export class IngestTally {
  /** What belongs to no broadcast, and what those that are over had. */
  readonly common = noCounts();
  readonly #open = new Set<IngestCounts>();

  constructor(registry: Registry) {
    for (const name of NAMES) {
      const snake = name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
      const sum = () => this.#sum(name);
      new Counter({
        name: `lectern_ingest_${snake}_total`,
        help: HELP[name],
        registers: [registry],
        collect() {
          this.reset();
          this.inc(sum());
        },
      });
    }
  }

  /** Counts of one more broadcast; give them back with {@link close}. */
  open(): IngestCounts {
    const counts = noCounts();
    this.#open.add(counts);
    return counts;
  }

  /** These counts grow no longer. */
  close(counts: IngestCounts): void {
    if (!this.#open.delete(counts)) return;
    for (const name of NAMES) this.common[name] += counts[name];
  }

  #sum(name: keyof IngestCounts): number {
    let sum = this.common[name];
    for (const counts of this.#open) sum += counts[name];
    return sum;
  }
}
