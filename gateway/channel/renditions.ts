// Smaller renditions of a source that comes in one size only, so that a viewer with a weak network has
// something to fall to. They are further layers below it, as a simulcast has them.
import { displaySize } from '#shared/media/avc.ts';
import type { VideoTrack } from './ports.ts';
import type { FrameSize, Scaler, Scaling, SourceVideoFrame } from './sources.ts';

/** What is made, by its shorter side in pixels, for sources of at least so many. */
const RUNGS = [
  { shortPx: 360, fromPx: 540 },
  { shortPx: 720, fromPx: 1_080 },
] as const;

/** The sizes to be made of a picture of `size`, smallest first: in its shape, with even sides. */
export function smallerSizes({ width, height }: FrameSize): FrameSize[] {
  const ownPx = Math.min(width, height);
  const even = (px: number) => 2 * Math.round(px / 2);
  return RUNGS.filter(({ fromPx }) => ownPx >= fromPx).map(({ shortPx }) => ({
    width: even((width * shortPx) / ownPx),
    height: even((height * shortPx) / ownPx),
  }));
}

export interface RenditionsOptions {
  readonly channel: string;
  /** Undefined where none are made. */
  readonly scaling: Scaling | undefined;
  /** How many renditions the audience was told of, if it was told. */
  readonly told: () => number | undefined;
  /** The source has these tracks, and these smaller ones are made of it. */
  readonly onTracks: (tracks: readonly VideoTrack[], made: readonly VideoTrack[]) => void;
  readonly onFrame: (track: string, frame: SourceVideoFrame) => void;
}

/** The track that smaller ones are made of. */
interface Parent {
  readonly id: string;
  /** How many there are is settled by its first picture: what it is to the ladder stays. */
  readonly made: readonly VideoTrack[];
  /** By which the size is known that they are made for. */
  config: SourceVideoFrame['config'];
  scaler: Scaler | undefined;
}

export class Renditions {
  readonly #options: RenditionsOptions;
  #wanted: readonly VideoTrack[] = [];
  #parent: Parent | undefined;

  constructor(options: RenditionsOptions) {
    this.#options = options;
  }

  /** States which tracks the source has, smallest layer first. What is made goes on until they flow. */
  want(tracks: readonly VideoTrack[]): void {
    this.#wanted = tracks;
    if (tracks.length === 0) this.interrupt();
    this.#announce();
  }

  /** Takes every picture of every track, before it is handed on. */
  scaleFrame(id: string, frame: SourceVideoFrame): void {
    const parent = this.#parent;
    if (id === parent?.id) {
      if (parent.config !== frame.config) this.#open(parent, frame.config);
      parent.scaler?.scaleFrame(frame);
    } else if (frame.key && this.#wanted.some((track) => track.id === id)) {
      this.interrupt();
      this.#adopt(frame.config);
      this.#parent?.scaler?.scaleFrame(frame);
    }
  }

  /** The source is gone for now: nothing more of it is made. */
  interrupt(): void {
    this.#parent?.scaler?.close();
    this.#parent = undefined;
  }

  /** A source with layers of its own needs none of ours, and of a screen nothing could be read. */
  #adopt(config: SourceVideoFrame['config']): void {
    const [only, ...others] = this.#wanted;
    if (only?.source !== 'camera' || others.length > 0) return;
    const room = (this.#options.told() ?? Infinity) - 1;
    const sizes = smallerSizes(displaySize(config)).slice(0, room);
    const made = sizes.map((_, layer) => ({ id: `${only.id}/${layer}`, layer, source: only.source }));
    const scaled: Parent = { id: only.id, made, config, scaler: undefined };
    this.#open(scaled, config);
    this.#parent = scaled.scaler === undefined ? { ...scaled, made: [] } : scaled;
    if (scaled.scaler !== undefined) this.#announce();
  }

  #open(parent: Parent, config: SourceVideoFrame['config']): void {
    parent.scaler?.close();
    parent.config = config;
    parent.scaler = undefined;
    const sizes = smallerSizes(displaySize(config)).slice(0, parent.made.length);
    if (sizes.length === 0) return;
    const { channel, scaling } = this.#options;
    parent.scaler = scaling?.open({
      channel,
      sizes,
      onFrame: (size, frame) => {
        const track = parent.made[size];
        if (track !== undefined) this.#options.onFrame(track.id, frame);
      },
    });
  }

  #announce(): void {
    const made = this.#wanted.some(({ id }) => id === this.#parent?.id) ? (this.#parent?.made ?? []) : [];
    const tracks = this.#wanted.map((track) => ({ ...track, layer: Math.max(track.layer, made.length) }));
    this.#options.onTracks(tracks, made);
  }
}
