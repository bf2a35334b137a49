// A viewer's ear, and a programme to listen to.
import { FlvDemuxer, type FlvTag } from '#shared/media/flv.ts';
import type { Frame } from '#shared/media/frame.ts';
import { soundConfig } from '../../support/sound-config.ts';
import { Continuity } from '../../../gateway/channel/continuity.ts';
import { StillPicture } from '../../../gateway/channel/still-picture.ts';
import type { Reader } from '../../../gateway/flv/fanout.ts';
import { FlvProgramme } from '../../../gateway/flv/programme.ts';
import { flvOpusWire, flvWire } from '../../../gateway/flv/tag.ts';

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
    return new FlvDemuxer().readBytes(Buffer.concat(this.heard));
  }
}

/** `sounds` is told what the programme's viewers listen to. What is missing is filled in, as on air. */
export function programme(sounds: (wanted: string) => void = () => undefined) {
  let asked = 0;
  const programme = new FlvProgramme({
    wires: [flvWire, flvOpusWire],
    asks: {
      requestKeyframe: () => (asked += 1),
      audioConfig: (codec) => continuity.audioConfig(codec),
      wantAudio(wanted, fromUs) {
        continuity.want(wanted, fromUs);
        sounds([...wanted].sort().join());
      },
    },
    eventsOf: () => ({ sent: () => undefined, slow: () => undefined }),
  });
  const ignore = () => undefined;
  const still = new StillPicture();
  const continuity: Continuity = new Continuity({
    still,
    programme,
    ladder: { audioCodec: 'aac', writeAudio: ignore, writeStill: ignore },
    audioConfig: soundConfig,
    wallMs: () => 0,
    requestKeyframe: () => (asked += 1),
  });
  const made = {
    join: programme.join.bind(programme),
    leave: programme.leave.bind(programme),
    viewers: programme.viewers.bind(programme),
    end: () => programme.end(),
    frame: (frame: Frame) =>
      frame.kind === 'audio' ? continuity.placeAudio(frame) : continuity.placeVideo(frame),
    interrupted: () => continuity.interrupt(),
    setBreak: (on: boolean) => still.setBreak(on),
  };
  return { made, asked: () => asked };
}
