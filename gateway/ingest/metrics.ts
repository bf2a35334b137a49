// What the way in counts, for Prometheus. Plain numbers, because some of them grow with every packet.
import { Counter, type Registry } from 'prom-client';

const HELP = {
  packets: 'RTP packets of known tracks',
  bytes: 'Bytes of these packets',
  rubbish: 'Datagrams that belong to no track or are malformed',
  lost: 'RTP packets that never came',
  late: 'RTP packets that came after they were given up',
  duplicates: 'RTP packets that came twice',
  keyframeRequests: 'Picture loss indications sent',
  pictures: 'Whole pictures received',
  sounds: 'Opus packets received',
} as const;

export type IngestCounts = Record<keyof typeof HELP, number>;

/** Makes the counts; the registry reads them when it is asked. */
export function createIngestCounts(registry: Registry): IngestCounts {
  const counts: IngestCounts = {
    packets: 0,
    bytes: 0,
    rubbish: 0,
    lost: 0,
    late: 0,
    duplicates: 0,
    keyframeRequests: 0,
    pictures: 0,
    sounds: 0,
  };
  for (const name of Object.keys(HELP) as (keyof typeof HELP)[]) {
    const snake = name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
    new Counter({
      name: `lectern_ingest_${snake}_total`,
      help: HELP[name],
      registers: [registry],
      collect() {
        this.reset();
        this.inc(counts[name]);
      },
    });
  }
  return counts;
}
