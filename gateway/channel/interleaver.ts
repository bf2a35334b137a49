// Puts sound and picture into one order before the sinks get them. What arrives early waits for the other kind: by as
// much as that one is on its way longer, and after a stall, when seconds of both come at once, until the other kind
// of the same moment is here. Order comes from timestamps, never from arrival.
import { MAX_APART_MS } from '#shared/contract/publisher-notice.ts';
import type { AudioFrame, AudioCodec } from '#shared/media/frame.ts';
import type { SourceVideoFrame } from './sources.ts';
import type { FrameKind, Placed } from './timeline.ts';

/** One kind may be this far ahead of the other without waiting: players bridge it. */
const SLACK_US = 300_000;
/** What comes this much later than the fastest of its kind was held up on its way. */
const HELD_UP_MS = 200;
/** What was held up waits this long for the other kind, which was held up with it; a program's sound is converted too. */
const CATCH_UP_MS = { tab: 1_000, encoder: 3_000 } as const;
/**
 * A kind that is on its way for the first time is waited for this long: a track's clock may take a second, and what
 * converts the sound of a program may take several to begin.
 */
const NEWCOMER_MS = { tab: 1_500, encoder: 5_000 } as const;
/** Over how long the ways are measured: two windows of this length. */
const WINDOW_MS = 3_000;

export type PlacedVideoFrame = Placed<SourceVideoFrame>;

interface Arrival {
  readonly ptsUs: number;
  readonly capturedMs: number;
  readonly arrivedMs: number;
  readonly isHeldUp: boolean;
}
type Item =
  | (Arrival & { readonly kind: 'video'; readonly placed: PlacedVideoFrame; readonly after: (() => void)[] })
  | (Arrival & { readonly kind: 'audio'; readonly frame: AudioFrame });

/** How long the frames of one kind are on their way, from capture to here, in ms. */
class Way {
  #least = [Infinity, Infinity];
  #most = [0, 0];
  #windowEndsMs = 0;

  /** The longest of late, but for what was held up. What is longer is a fault that a person has to mend. */
  get mostMs(): number {
    return Math.min(MAX_APART_MS, Math.max(...this.#most));
  }

  /** Takes a frame that was `ms` on its way. Returns true if it was held up. */
  note(ms: number, nowMs: number): boolean {
    if (nowMs >= this.#windowEndsMs) {
      this.#windowEndsMs = nowMs + WINDOW_MS;
      this.#least = [Infinity, this.#least[0] ?? Infinity];
      this.#most = [0, this.#most[0] ?? 0];
    }
    const isHeldUp = ms - Math.min(...this.#least) > HELD_UP_MS;
    this.#least[0] = Math.min(this.#least[0] ?? Infinity, ms);
    if (!isHeldUp) this.#most[0] = Math.max(this.#most[0] ?? 0, ms);
    return isHeldUp;
  }
}

export interface InterleaverOptions {
  /** Where on this machine's monotonic clock a place of the timeline was captured, in ms. */
  readonly captureMs: (ptsUs: number) => number;
  readonly onVideo: (placed: PlacedVideoFrame) => void;
  readonly onAudio: (frame: AudioFrame) => void;
  /** The codec that is always made: by it the sound is measured. */
  readonly audioCodec: AudioCodec;
}

export class Interleaver {
  readonly #options: InterleaverOptions;
  readonly #queues: { [K in FrameKind]: Extract<Item, { kind: K }>[] } = { audio: [], video: [] };
  /** How far each kind has come, in µs. */
  readonly #headsUs: Record<FrameKind, number> = { audio: -Infinity, video: -Infinity };
  #ways: Record<FrameKind, Way> = { audio: new Way(), video: new Way() };
  #expected: ReadonlySet<FrameKind> = new Set();
  #from: 'tab' | 'encoder' = 'tab';
  /** When something of each kind came last that had been held up: more of it may follow. */
  readonly #heldUpMs: Record<FrameKind, number> = { audio: -Infinity, video: -Infinity };
  /** Since when each kind is on its way. */
  readonly #sinceMs: Record<FrameKind, number> = { audio: -Infinity, video: -Infinity };
  /** When the first frame of either came. */
  #firstMs: number | undefined;
  #releasedUs = -Infinity;

  constructor(options: InterleaverOptions) {
    this.#options = options;
  }

  /** How far the sinks have come, in µs; -Infinity before their first frame. */
  get releasedUs(): number {
    return this.#releasedUs;
  }

  /** States which kinds are on their way, and whether a program outside sends them: no other is waited for. */
  expect(kinds: ReadonlySet<FrameKind>, isEncoder: boolean, nowMs: number): void {
    this.#from = isEncoder ? 'encoder' : 'tab';
    for (const kind of kinds) if (!this.#expected.has(kind)) this.#sinceMs[kind] = nowMs;
    this.#expected = kinds;
    this.tick(nowMs);
  }

  queueVideo(placed: PlacedVideoFrame, nowMs: number): void {
    const { ptsUs } = placed;
    this.#headsUs.video = Math.max(this.#headsUs.video, ptsUs);
    this.#queues.video.push({ kind: 'video', placed, after: [], ...this.#arrival('video', ptsUs, nowMs) });
    this.tick(nowMs);
  }

  queueAudio(frame: AudioFrame, nowMs: number): void {
    const { ptsUs } = frame;
    if (frame.config.codec === this.#options.audioCodec) {
      this.#headsUs.audio = Math.max(this.#headsUs.audio, ptsUs + frame.durationUs);
    }
    this.#queues.audio.push({ kind: 'audio', frame, ...this.#arrival('audio', ptsUs, nowMs) });
    this.tick(nowMs);
  }

  /** Does `work` once the video frames that came so far are handed on: what changes from the next one on. */
  afterVideo(work: () => void): void {
    const last = this.#queues.video.at(-1);
    if (last === undefined) work();
    else last.after.push(work);
  }

  /** Hands on what has waited long enough. Call it often. */
  tick(nowMs: number): void {
    for (;;) {
      const next = this.#next(nowMs);
      if (next === undefined) return;
      this.#queues[next.kind].shift();
      this.#releasedUs = Math.max(this.#releasedUs, next.ptsUs);
      if (next.kind === 'audio') this.#options.onAudio(next.frame);
      else {
        this.#options.onVideo(next.placed);
        for (const work of next.after) work();
      }
    }
  }

  /** The source is gone: what waits is handed on, and what comes next is another way. */
  interrupt(): void {
    this.tick(Infinity);
    this.#ways = { audio: new Way(), video: new Way() };
    this.#headsUs.audio = -Infinity;
    this.#headsUs.video = -Infinity;
    this.#heldUpMs.audio = -Infinity;
    this.#heldUpMs.video = -Infinity;
    this.#firstMs = undefined;
  }

  #arrival(kind: FrameKind, ptsUs: number, arrivedMs: number): Arrival {
    this.#firstMs ??= arrivedMs;
    const capturedMs = this.#options.captureMs(ptsUs);
    const isHeldUp = this.#ways[kind].note(arrivedMs - capturedMs, arrivedMs);
    if (isHeldUp) this.#heldUpMs[kind] = arrivedMs;
    return { ptsUs, capturedMs, arrivedMs, isHeldUp };
  }

  /** Until when a frame waits at most for the other kind, in ms. */
  #untilMs({ kind, capturedMs, arrivedMs, isHeldUp }: Item): number {
    const other = otherThan(kind);
    const isNew = this.#headsUs[other] === -Infinity;
    return Math.max(
      capturedMs + this.#ways[other].mostMs,
      // The newest frames come as they should while the other kind catches up.
      Math.max(isHeldUp ? arrivedMs : -Infinity, this.#heldUpMs[other]) + CATCH_UP_MS[this.#from],
      // Nothing else is known of its way.
      isNew
        ? Math.max(this.#sinceMs[other], this.#firstMs ?? arrivedMs) + NEWCOMER_MS[this.#from]
        : -Infinity,
    );
  }

  /** The earliest that may be handed on now. */
  #next(nowMs: number): Item | undefined {
    const heads = [this.#queues.audio[0], this.#queues.video[0]].filter((item) => item !== undefined);
    heads.sort((a, b) => a.ptsUs - b.ptsUs);
    return heads.find((item) => this.#isDue(item, nowMs));
  }

  #isDue(item: Item, nowMs: number): boolean {
    const other = otherThan(item.kind);
    if (!this.#expected.has(other) || this.#headsUs[other] >= item.ptsUs - SLACK_US) return true;
    return nowMs >= this.#untilMs(item);
  }
}

const otherThan = (kind: FrameKind): FrameKind => (kind === 'audio' ? 'video' : 'audio');
