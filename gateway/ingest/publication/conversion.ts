// A picture that is converted from some moment on: until its converter keeps pace the original goes on where
// browsers can show it, and the one follows the other without a picture lost or shown twice.
import type { AvcConfig } from '#shared/media/frame.ts';
import type { CodedVideoFrame } from '../rtp/depacketiser.ts';
import { Transcoder } from '../../ffmpeg/transcoder.ts';
import type { Reason } from './inspect.ts';
import { describeAvc, matroska, type CodedVideo } from '../../ffmpeg/containers/matroska.ts';
import type { VideoInput } from './publication-video.ts';

/** Times go through ffmpeg in these units. */
const MS_PER_S = 1_000;
/** A converter that is no further behind than this keeps pace. */
const WARM_LAG_MS = 500;
/** The converter makes a key frame each second of the picture, counted from its first. */
const KEY_EVERY_MS = 1_000;

export interface ConversionOptions {
  readonly ffmpeg: string;
  readonly reasons: ReadonlySet<Reason>;
  /** Whether the original can still be shown while the converter begins. */
  readonly original: 'goes-on' | 'ends';
  /** When what was shown last is shown, in ms; -Infinity if nothing was. */
  readonly shownMs: () => number;
  /** What is to be shown; the first one is a key frame. */
  readonly onFrame: (frame: CodedVideoFrame<AvcConfig>) => void;
  readonly onKeyframeWanted: () => void;
  readonly onFailure: (reason: string) => void;
  readonly onLog: (line: string) => void;
}

export class Conversion {
  readonly filters: string;
  readonly #options: ConversionOptions;
  readonly #transcoder: Transcoder<CodedVideo>;
  /** What ffmpeg reads is described again only where the configuration changes. */
  #described: { of: AvcConfig | CodedVideo; as: CodedVideo } | undefined;
  #firstMs = 0;
  #newestMs = -Infinity;
  /** What is shown at this time or later is converted; Infinity while that is open. */
  #fromMs: number;
  #isShown = false;

  constructor(options: ConversionOptions) {
    this.#options = options;
    this.filters = filtersFor(options.reasons);
    const shownMs = options.shownMs();
    this.#fromMs = options.original === 'ends' ? shownMs + 1 : Infinity;
    this.#transcoder = new Transcoder<CodedVideo>({
      ffmpeg: options.ffmpeg,
      clockRate: MS_PER_S,
      what: 'This stream',
      container: matroska,
      ...(Number.isFinite(this.#fromMs) ? { keyframesFromTicks: this.#fromMs } : {}),
      outputs: [
        {
          filters: this.filters,
          profile: 'baseline',
          maxKbps: 6_000,
          onFrame: (frame) => this.#converted(frame),
        },
      ],
      onKeyframeNeeded: options.onKeyframeWanted,
      onFailure: options.onFailure,
      onLog: options.onLog,
    });
  }

  /** True if it is the converter that shows what is shown from now on. */
  get hasTakenOver(): boolean {
    return this.#isShown || this.#options.original === 'ends';
  }

  /** True if what is shown at `ptsUs` is the converter's, not the original. */
  takes(ptsUs: number): boolean {
    return this.hasTakenOver || Math.round(ptsUs / 1_000) >= this.#fromMs;
  }

  /** Takes the next frames, in decoding order; the first is one from which decoding can begin. */
  convertFrames(frames: readonly VideoInput[]): void {
    const coded = frames.map((frame) => this.#describe(frame));
    for (const { ticks } of coded) this.#newestMs = Math.max(this.#newestMs, ticks);
    this.#transcoder.transcode(...coded);
  }

  /** Nothing more comes. Resolves when what is in the converter has come out. */
  finish(): Promise<void> {
    return this.#transcoder.finish();
  }

  close(): void {
    this.#transcoder.close();
  }

  #describe({ ptsUs, key, data, config }: VideoInput): CodedVideoFrame<CodedVideo> {
    const ticks = Math.round(ptsUs / 1_000);
    if (this.#described?.of !== config) {
      this.#described = { of: config, as: 'codec' in config ? describeAvc(config) : config };
      // The converter starts over.
      if (this.#fromMs === Infinity) this.#firstMs = ticks;
    }
    return { ticks, key, data, config: this.#described.as };
  }

  #converted(frame: CodedVideoFrame<AvcConfig>): void {
    if (!this.#isShown) {
      if (this.#fromMs === Infinity) this.#takeOver(frame.ticks);
      if (!frame.key || frame.ticks < this.#fromMs) return;
      this.#isShown = true;
    }
    this.#options.onFrame(frame);
  }

  /** Once the converter keeps pace it takes over with the next of its key frames that is still to come. */
  #takeOver(atMs: number): void {
    const shownMs = this.#options.shownMs();
    if (shownMs === -Infinity) this.#fromMs = -Infinity;
    if (this.#newestMs - atMs > WARM_LAG_MS || this.#fromMs !== Infinity) return;
    const seconds = Math.floor((shownMs - this.#firstMs) / KEY_EVERY_MS) + 1;
    this.#fromMs = this.#firstMs + seconds * KEY_EVERY_MS;
  }
}

/** ffmpeg's filters for what has to be changed. */
export function filtersFor(reasons: ReadonlySet<Reason>): string {
  const size = 'w=min(1920\\,iw):h=min(1920\\,ih):force_original_aspect_ratio=decrease';
  return [
    ...(reasons.has('interlaced') ? ['yadif=deint=interlaced'] : []),
    ...(reasons.has('rate') ? ['fps=30'] : []),
    // Square pixels, whatever they were: browsers stretch nothing that comes by WebRTC.
    'scale=w=round(max(iw\\,iw*sar)):h=round(max(ih\\,ih/sar)),setsar=1',
    `scale=${size}:force_divisible_by=2`,
    'format=yuv420p',
  ].join(',');
}
