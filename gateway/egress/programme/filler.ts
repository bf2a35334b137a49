// Keeps both picture and sound in a programme: players stand still when one of them stops, and cannot
// take up one that was not there when they began.
import type { AudioConfig, AudioFrame, Frame, VideoFrame } from '#shared/media/frame.ts';
import { silence } from '../silence.ts';
import { StillPicture } from '../still-picture.ts';

/** How long after asking for a key frame it is asked for again. */
const ASK_EVERY_US = 1_000_000;
/** Sound that is this late is not coming; silence then follows the picture at the second distance. */
const SOUND_LATE_US = 1_000_000;
const SOUND_BEHIND_US = 700_000;
/** A hole in the sound above this is filled. */
const SOUND_HOLE_US = 60_000;

export class Filler {
  readonly #still = new StillPicture();
  #headUs = 0;
  #askedUs = -Infinity;
  /** Where the sound ends; undefined until anything came, and after an interruption. */
  #soundUs: number | undefined;
  #soundConfig: AudioConfig | undefined;

  /** What to show and to play now that `frame` came: the frame, what fills the time before it, or nothing. */
  pass(frame: Frame): Frame[] {
    this.#headUs = Math.max(this.#headUs, frame.ptsUs);
    this.#soundUs ??= frame.ptsUs;
    return frame.kind === 'audio' ? this.#passSound(frame) : this.#passPicture(frame);
  }

  /** The source is gone; it comes back with a key frame. */
  interrupted(): void {
    this.#still.reset();
    this.#soundUs = undefined;
  }

  /** True now and then while stills are shown: the picture can only go on with a key frame. */
  needsKeyframe(): boolean {
    if (!this.#still.isShowing || this.#headUs - this.#askedUs < ASK_EVERY_US) return false;
    this.#askedUs = this.#headUs;
    return true;
  }

  #passSound(frame: AudioFrame): Frame[] {
    const endUs = this.#soundUs ?? frame.ptsUs;
    // Its place was filled with silence. What is more than half there would begin before the last of it.
    if (frame.ptsUs < endUs - frame.durationUs / 2) return [];
    this.#soundConfig = frame.config;
    const hole = frame.ptsUs - endUs > SOUND_HOLE_US ? silence(endUs, frame.ptsUs, frame.config) : [];
    // Up to the sound without a seam: players that count frames would play all that follows too early.
    const seamUs = frame.ptsUs - endUs - hole.length * frame.durationUs;
    this.#soundUs = frame.ptsUs + frame.durationUs;
    const filled = hole.map((silent) => ({ ...silent, ptsUs: silent.ptsUs + seamUs }));
    return [...this.#still.due(this.#headUs), ...filled, frame];
  }

  #passPicture(frame: VideoFrame): Frame[] {
    // After a still the decoder has forgotten what this one builds upon.
    const isLost = this.#still.isShowing && !frame.key;
    if (!isLost) this.#still.seen(frame);
    return [...this.#fillSound(), ...(isLost ? [] : [frame])];
  }

  #fillSound(): AudioFrame[] {
    const endUs = this.#soundUs ?? this.#headUs;
    if (this.#headUs - endUs <= SOUND_LATE_US) return [];
    const frames = silence(endUs, this.#headUs - SOUND_BEHIND_US, this.#soundConfig);
    const last = frames.at(-1);
    if (last !== undefined) this.#soundUs = last.ptsUs + last.durationUs;
    return frames;
  }
}
