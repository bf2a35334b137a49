// How a pulled picture enters a class: as every publication does.
import { FlvSource } from '../servers/rtmp/flv-source.ts';
import type { Publications } from '../ingest/publication.ts';
import type { OpenIngress } from './ports.ts';

export function ingressOf(publications: Pick<Publications, 'open'>): OpenIngress {
  return async (ask, onRefused) => {
    const publication = await publications.open(
      { ...ask, kind: 'relay' },
      // A source outside makes no key frame for us, and nobody there reads what we say.
      { keyframeWanted: () => undefined, refused: onRefused, notice: () => undefined },
    );
    const source = new FlvSource({ publication });
    return {
      publishTag: (type, timestampMs, body) => source.publishTag(type, timestampMs, body),
      get aheadMs() {
        return publication.aheadMs;
      },
      end: (how) => publication.end(how),
    };
  };
}
