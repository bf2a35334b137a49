// Hands pictures to the sinks: every track to the ladder, the selected one to the programme.
import type { VideoFrame } from '#shared/media/frame.ts';
import type { LadderSink, ProgrammeSink, VideoTrack } from './ports.ts';
import { Rungs } from './rungs.ts';
import { ProgrammeSelector } from './selector.ts';
import type { SourcePicture } from './sources.ts';
import type { Placed } from './timeline.ts';

/** Two pictures are at least this far apart: FLV counts in ms. */
const MIN_STEP_US = 1_000;

export interface PicturesOptions {
  readonly programme: Pick<ProgrammeSink, 'frame'>;
  readonly ladder: Pick<LadderSink, 'tracks' | 'video'>;
  readonly requestKeyframe: (track: string) => void;
}

export class Pictures {
  readonly #options: PicturesOptions;
  readonly #selector: ProgrammeSelector;
  readonly #rungs: Rungs;
  #programmeUs = -Infinity;

  constructor(options: PicturesOptions) {
    this.#options = options;
    this.#selector = new ProgrammeSelector(options.requestKeyframe);
    this.#rungs = new Rungs({ onTracks: (tracks) => options.ladder.tracks(tracks) });
  }

  /** The track that is the programme now. */
  get current(): VideoTrack | undefined {
    return this.#selector.current;
  }

  /** States what the source has, smallest layer first, and what is made of it: that is for the ladder alone. */
  want(tracks: readonly VideoTrack[], made: readonly VideoTrack[] = []): void {
    this.#selector.want(tracks);
    this.#rungs.want([...made, ...tracks]);
  }

  interrupt(): void {
    this.#selector.interrupt();
    this.#rungs.interrupt();
  }

  show({ track, frame: picture, ptsUs, wallMs }: Placed<SourcePicture>, nowMs: number): void {
    const { key, data, config } = picture;
    const frame: VideoFrame = { kind: 'video', ptsUs, dtsUs: ptsUs, key, data, config };
    const rung = this.#rungs.admit(track, key, nowMs);
    if (rung !== undefined) this.#options.ladder.video(rung, frame, wallMs);
    if (!this.#selector.admit(track, key, nowMs)) return;
    // Two layers take the same moment twice: the second one after a switch comes a little later.
    const programmeUs = Math.max(ptsUs, this.#programmeUs + MIN_STEP_US);
    this.#programmeUs = programmeUs;
    this.#options.programme.frame(
      programmeUs === ptsUs ? frame : { ...frame, ptsUs: programmeUs, dtsUs: programmeUs },
    );
  }
}
