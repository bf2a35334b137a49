// The element that shows a class, as its page and its controls see it.
import { expected } from '../../state/expected.ts';

/** Bind the element to the fields; it tells its own changes through them. */
export class Playback {
  video = $state<HTMLVideoElement>();
  muted = $state(false);
  /** 0 to 1. */
  volume = $state(1);
  paused = $state(true);
  /** In s. */
  position = $state(0);
  /** In s; NaN or 0 until it is known. */
  duration = $state(0);

  /** Up to where it is loaded without a gap from here, in s; 0 if it is not. */
  get buffered(): number {
    // Read again as the position moves: the element tells of its ranges by no event of its own.
    const at = this.position;
    const ranges = this.video?.buffered;
    for (let index = 0; ranges !== undefined && index < ranges.length; index += 1) {
      if (ranges.start(index) <= at && at <= ranges.end(index)) return ranges.end(index);
    }
    return 0;
  }

  /** The element was muted from elsewhere: its own event of that does not always reach the binding. */
  noticeMuted(): void {
    if (this.video !== undefined) this.muted = this.video.muted;
  }

  toggle(): void {
    if (this.video?.paused === true) this.#play();
    else this.video?.pause();
  }

  /** Plays with sound; for the press of a person, without which no browser allows it. */
  unmute(): void {
    this.muted = false;
    if (this.video === undefined) return;
    this.video.muted = false;
    this.#play();
  }

  /** By a share of the whole range; stops at its ends. */
  changeVolume(by: number): void {
    this.volume = Math.min(1, Math.max(0, this.volume + by));
  }

  /** The browser may still refuse; the picture then stays as it is. */
  #play(): void {
    void this.video?.play().catch(expected('a browser that wants a gesture first'));
  }
}
