// The broadcast's timeline: it begins at 0, never goes back, and leaves interruptions out. Within an
// epoch (from one interruption to the next) it passes as the senders' clock does.
import { MalformedError } from '#shared/media/bytes.ts';
import { opusPacketInfo } from '#shared/media/opus.ts';
import type { SourceFrame } from './sources.ts';

/**
 * How long the start of an epoch waits for the other kind, so that nothing of it is lost. What a program sends may
 * be on its way for longer, in one kind or the other.
 */
const HOLD_MS = { tab: 1_200, encoder: 5_000 } as const;
/** Frames that the start of an epoch may hold: three layers and two audio tracks for two seconds, or two for five. */
const MAX_HELD = 1_000;
/** Frames that are captured further apart than this do not continue each other. */
const CONTINUES_MS = 1_000;
/** A sound that begins this much before its epoch still belongs to it. */
const EARLY_US = 20_000;
const DEFAULT_VIDEO_FRAME_US = 33_333;
const MAX_VIDEO_FRAME_US = 100_000;

/** A frame with its place on the timeline. */
export interface Placed<F extends SourceFrame = SourceFrame> {
  readonly track: string;
  readonly frame: F;
  readonly ptsUs: number;
  /** The real time of `ptsUs`, in ms since 1970. */
  readonly wallMs: number;
}

export type FrameKind = SourceFrame['kind'];

interface Held {
  readonly track: string;
  readonly frame: SourceFrame;
}

type Epoch =
  | { readonly state: 'waiting' }
  | { readonly state: 'holding'; readonly sinceMs: number; readonly held: Held[] }
  | { readonly state: 'running'; readonly originMs: number };

export interface TimelineOptions {
  /** Where it goes on, in µs. */
  readonly startUs: number;
  /** Time since 1970 minus monotonic time now, in ms. */
  readonly wallOffsetMs: () => number;
  readonly onFrame: (placed: Placed) => void;
}

export class Timeline {
  readonly #options: TimelineOptions;
  #epoch: Epoch = { state: 'waiting' };
  /** Where the epoch begins, and where its last frame ends, in µs. */
  #startUs: number;
  #endUs: number;
  #expected: ReadonlySet<FrameKind> = new Set();
  #holdMs: number = HOLD_MS.tab;
  #lastCaptureMs = -Infinity;
  /** Real time minus timeline, in ms: that of the last epoch while none runs. */
  #wallBaseMs = 0;
  /** Per track, to know how long a picture is shown. */
  readonly #lastPtsUs = new Map<string, number>();

  constructor(options: TimelineOptions) {
    this.#options = options;
    this.#startUs = options.startUs;
    this.#endUs = options.startUs;
  }

  /** The end of what was placed so far, in µs. */
  get endUs(): number {
    return this.#endUs;
  }

  /** States which kinds are on their way: the start of an epoch waits for them. */
  expect(kinds: ReadonlySet<FrameKind>, isEncoder: boolean): void {
    this.#expected = kinds;
    this.#holdMs = isEncoder ? HOLD_MS.encoder : HOLD_MS.tab;
  }

  /** True if `frame` goes on where the epoch stands: what came between was only held up. */
  isContinuedBy(frame: SourceFrame): boolean {
    return this.#epoch.state === 'running' && frame.captureMs - this.#lastCaptureMs <= CONTINUES_MS;
  }

  /** When a place of this epoch was captured, on the monotonic clock in ms. */
  captureMs(ptsUs: number): number {
    const originMs = this.#epoch.state === 'running' ? this.#epoch.originMs : 0;
    return originMs + (ptsUs - this.#startUs) / 1_000;
  }

  /**
   * Where the timeline is now, in µs; undefined while it stands still. It is never ahead of what was
   * placed: if that is the end of an epoch, the next one begins there.
   */
  positionUs(nowMs: number): number | undefined {
    const epoch = this.#epoch;
    if (epoch.state !== 'running') return undefined;
    return Math.min(this.#startUs + (nowMs - epoch.originMs) * 1_000, this.#endUs);
  }

  /** The real time of a place on the timeline, in ms since 1970. */
  wallMs(ptsUs: number): number {
    return this.#wallBaseMs + ptsUs / 1_000;
  }

  /** Takes a frame; it comes out of `onFrame` now, or once the epoch has begun. */
  placeFrame(track: string, frame: SourceFrame, nowMs: number): void {
    if (this.#epoch.state === 'running') {
      this.#place(track, frame, this.#epoch);
      return;
    }
    if (this.#epoch.state === 'waiting') this.#epoch = { state: 'holding', sinceMs: nowMs, held: [] };
    this.#epoch.held.push({ track, frame });
    this.tick(nowMs);
  }

  /** Begins the epoch if it has waited long enough. */
  tick(nowMs: number): void {
    const epoch = this.#epoch;
    if (epoch.state !== 'holding') return;
    const late = nowMs - epoch.sinceMs >= this.#holdMs || epoch.held.length >= MAX_HELD;
    const kinds = new Set(epoch.held.map(({ frame }) => frame.kind));
    if (late || [...this.#expected].every((kind) => kinds.has(kind))) this.#begin(epoch.held);
  }

  /** The source is gone: what comes next goes on right behind the last frame. */
  interrupt(): void {
    this.#epoch = { state: 'waiting' };
    this.#startUs = this.#endUs;
    this.#lastPtsUs.clear();
    this.#lastCaptureMs = -Infinity;
  }

  #begin(held: Held[]): void {
    held.sort((a, b) => a.frame.captureMs - b.frame.captureMs);
    const originMs = held[0]?.frame.captureMs ?? 0;
    const epoch: Epoch = { state: 'running', originMs };
    this.#epoch = epoch;
    this.#wallBaseMs = originMs + this.#options.wallOffsetMs() - this.#startUs / 1_000;
    for (const { track, frame } of held) this.#place(track, frame, epoch);
  }

  #place(track: string, frame: SourceFrame, epoch: Extract<Epoch, { state: 'running' }>): void {
    this.#lastCaptureMs = Math.max(this.#lastCaptureMs, frame.captureMs);
    let ptsUs = Math.round(this.#startUs + (frame.captureMs - epoch.originMs) * 1_000);
    const lastUs = this.#lastPtsUs.get(track);
    let lengthUs: number;
    if (frame.kind === 'audio') {
      lengthUs = audioFrameUs(frame.data);
      if (ptsUs < this.#startUs - EARLY_US) return;
    } else {
      // Leaving a picture out would break those that build on it: it is shown in quick motion instead.
      ptsUs = Math.max(ptsUs, lastUs === undefined ? this.#startUs : lastUs + 1_000);
      lengthUs = lastUs === undefined ? DEFAULT_VIDEO_FRAME_US : Math.min(ptsUs - lastUs, MAX_VIDEO_FRAME_US);
    }
    this.#lastPtsUs.set(track, ptsUs);
    this.#endUs = Math.max(this.#endUs, ptsUs + lengthUs);
    this.#options.onFrame({ track, frame, ptsUs, wallMs: this.wallMs(ptsUs) });
  }
}

/** How long an Opus packet lasts, in µs; 0 if it is none. */
function audioFrameUs(packet: Uint8Array): number {
  try {
    return opusPacketInfo(packet).durationUs;
  } catch (error) {
    if (error instanceof MalformedError) return 0;
    throw error;
  }
}
