// What the way in counts, for Prometheus.
import { Counter, type Registry } from 'prom-client';

export interface IngestMetrics {
  readonly packets: Counter;
  readonly bytes: Counter;
  /** Datagrams that belong to no track or are malformed. */
  readonly rubbish: Counter;
  readonly lost: Counter;
  readonly late: Counter;
  readonly duplicates: Counter;
  readonly keyframeRequests: Counter;
  readonly pictures: Counter;
  readonly sounds: Counter;
}

export function createIngestMetrics(registry: Registry): IngestMetrics {
  const counter = (name: string, help: string) =>
    new Counter({ name: `lectern_ingest_${name}_total`, help, registers: [registry] });
  return {
    packets: counter('packets', 'RTP packets of known tracks'),
    bytes: counter('bytes', 'Bytes of these packets'),
    rubbish: counter('rubbish', 'Datagrams that belong to no track or are malformed'),
    lost: counter('lost', 'RTP packets that never came'),
    late: counter('late', 'RTP packets that came after they were given up'),
    duplicates: counter('duplicates', 'RTP packets that came twice'),
    keyframeRequests: counter('keyframe_requests', 'Picture loss indications sent'),
    pictures: counter('pictures', 'Whole pictures received'),
    sounds: counter('sounds', 'Opus packets received'),
  };
}
