// The <video> element as the engine's screen.
import type { Range, Screen, ScreenEvent } from '../../engine/player/ports.ts';

const EVENTS: Readonly<Record<string, ScreenEvent>> = {
  waiting: 'waiting',
  playing: 'playing',
  pause: 'paused',
  play: 'resumed',
  ended: 'ended',
};

const toRanges = (ranges: TimeRanges): Range[] =>
  Array.from({ length: ranges.length }, (_, index) => ({
    startS: ranges.start(index),
    endS: ranges.end(index),
  }));

export class VideoScreen implements Screen {
  readonly #video: HTMLVideoElement;

  constructor(video: HTMLVideoElement) {
    this.#video = video;
    // The speed that keeps to the live edge must not be heard.
    video.preservesPitch = true;
  }

  get positionS(): number {
    return this.#video.currentTime;
  }

  get paused(): boolean {
    return this.#video.paused;
  }

  get height(): number {
    return this.#video.videoHeight;
  }

  get ranges(): readonly Range[] {
    return toRanges(this.#video.buffered);
  }

  get seekable(): Range | null {
    return toRanges(this.#video.seekable).at(-1) ?? null;
  }

  get rate(): number {
    return this.#video.playbackRate;
  }

  set rate(rate: number) {
    this.#video.playbackRate = rate;
  }

  seek(toS: number): void {
    this.#video.currentTime = toS;
  }

  async play(): Promise<'playing' | 'muted' | 'blocked'> {
    const video = this.#video;
    const outcome = await attempt(video);
    if (outcome !== 'refused') return video.muted ? 'muted' : 'playing';
    if (video.muted) return 'blocked';
    video.muted = true;
    return (await attempt(video)) === 'refused' ? 'blocked' : 'muted';
  }

  listen(listener: (event: ScreenEvent) => void): () => void {
    const stop = new AbortController();
    for (const [name, event] of Object.entries(EVENTS)) {
      this.#video.addEventListener(
        name,
        () => listener(event === 'waiting' && this.#video.seeking ? 'seeking' : event),
        { signal: stop.signal },
      );
    }
    // `loadeddata` comes once for each source, when its first picture can be shown.
    this.#video.addEventListener('loadeddata', () => this.#onFrame(listener, stop.signal), {
      signal: stop.signal,
    });
    return () => stop.abort();
  }

  /** Waits until the picture is really on the screen, where the browser can tell. */
  #onFrame(listener: (event: ScreenEvent) => void, signal: AbortSignal): void {
    // A page in the background presents no pictures, so one must not wait for them there.
    if (!('requestVideoFrameCallback' in this.#video) || document.visibilityState === 'hidden') {
      listener('frame');
      return;
    }
    this.#video.requestVideoFrameCallback(() => {
      if (!signal.aborted) listener('frame');
    });
  }
}

async function attempt(video: HTMLVideoElement): Promise<'playing' | 'refused'> {
  try {
    await video.play();
    return 'playing';
  } catch (error) {
    // AbortError: another source was loaded meanwhile, and its own attempt counts.
    return error instanceof DOMException && error.name === 'NotAllowedError' ? 'refused' : 'playing';
  }
}
