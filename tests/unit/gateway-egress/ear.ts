// A viewer's ear, and a programme to listen to.
import { FlvDemuxer, type FlvTag } from '#shared/media/flv.ts';
import type { Reader } from '../../../gateway/egress/programme/fanout.ts';
import { Programme } from '../../../gateway/egress/programme/programme.ts';
import { flvOpusWire, flvWire } from '../../../gateway/egress/programme/tag.ts';

export class Ear implements Reader {
  readonly heard: Uint8Array[] = [];
  waiting = 0;
  closed: string | undefined;

  write(...pieces: readonly Uint8Array[]): void {
    this.heard.push(...pieces);
  }

  backlog(): number {
    return this.waiting;
  }

  close(how: string): void {
    this.closed = how;
  }

  tags(): FlvTag[] {
    return new FlvDemuxer().push(Buffer.concat(this.heard));
  }
}

/** `sounds` is told what the programme's viewers listen to. */
export function programme(sounds: (wanted: string) => void = () => undefined) {
  let asked = 0;
  const made = new Programme({
    wires: [flvWire, flvOpusWire],
    asks: { keyframe: () => (asked += 1), sounds: (wanted) => sounds([...wanted].sort().join()) },
    eventsOf: () => ({ sent: () => undefined, slow: () => undefined }),
  });
  return { made, asked: () => asked };
}
