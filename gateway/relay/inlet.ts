// How a pulled picture enters a class: as every publication does.
import { FlvSource } from '../ingest/rtmp/flv-source.ts';
import type { Publications } from '../ingest/publication.ts';
import type { OpenInlet } from './ports.ts';

export function inletOf(publications: Pick<Publications, 'open'>): OpenInlet {
  return async (ask, onRefused) => {
    const publication = await publications.open(
      { ...ask, kind: 'relay' },
      // A source outside makes no key frame for us, and nobody there reads what we say.
      { keyframeWanted: () => undefined, refused: onRefused, notice: () => undefined },
    );
    const source = new FlvSource({ publication });
    return {
      tag: (type, timestampMs, body) => source.tag(type, timestampMs, body),
      get aheadMs() {
        return publication.aheadMs;
      },
      end: (how) => publication.end(how),
    };
  };
}
