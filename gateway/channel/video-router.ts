// Hands video frames to the sinks: every track to the ladder, the selected one to the programme.
import type { VideoFrame } from '#shared/media/frame.ts';
import type { LadderSink, VideoTrack } from './ports.ts';
import { Rungs } from './rungs.ts';
import { ProgrammeSelector } from './selector.ts';
import type { SourceVideoFrame } from './sources.ts';
import type { Placed } from './timeline.ts';
import { TrackHealth } from './track-health.ts';

export interface VideoRouterOptions {
  /** Takes the picture of the programme. */
  readonly onShown: (frame: VideoFrame) => void;
  readonly ladder: Pick<LadderSink, 'setTracks' | 'writeVideo'>;
  readonly requestKeyframe: (track: string) => void;
}

export class VideoRouter {
  readonly #options: VideoRouterOptions;
  readonly #health = new TrackHealth();
  readonly #selector: ProgrammeSelector;
  readonly #rungs: Rungs;

  constructor(options: VideoRouterOptions) {
    this.#options = options;
    this.#selector = new ProgrammeSelector(this.#health, options.requestKeyframe);
    this.#rungs = new Rungs({
      health: this.#health,
      onTracks: (tracks) => options.ladder.setTracks(tracks),
    });
  }

  /** The track that is the programme now. */
  get current(): VideoTrack | undefined {
    return this.#selector.current;
  }

  /** States what the source has, smallest layer first, and what is made of it: that is for the ladder alone. */
  want(tracks: readonly VideoTrack[], made: readonly VideoTrack[] = []): void {
    this.#selector.want(tracks);
    this.#rungs.want([...made, ...tracks]);
    // What was shown until now goes on until the next begins.
    const shown = this.current === undefined ? [] : [this.current];
    this.#health.keep(new Set([...made, ...tracks, ...shown, ...this.#rungs.tracks].map(({ id }) => id)));
  }

  interrupt(): void {
    this.#selector.interrupt();
    this.#rungs.interrupt();
    this.#health.clear();
  }

  /** What was held up comes now: nothing stood still meanwhile. */
  resumed(nowMs: number): void {
    this.#health.resumed(nowMs);
  }

  routeFrame({ track, frame: source, ptsUs, wallMs }: Placed<SourceVideoFrame>, nowMs: number): void {
    const { key, data, config } = source;
    const frame: VideoFrame = { kind: 'video', ptsUs, dtsUs: ptsUs, key, data, config };
    this.#health.note(track, nowMs);
    const rung = this.#rungs.admit(track, key, nowMs);
    if (rung !== undefined) this.#options.ladder.writeVideo(rung, frame, wallMs);
    if (this.#selector.admit(track, key, nowMs)) this.#options.onShown(frame);
  }
}
