// A break in class: somebody who teaches is connected and sends nothing on purpose. Silence keeps the clock
// of the broadcast going, so that no player stands still; the sinks add a picture of their own.
import { SILENT_OPUS, SILENT_OPUS_US } from '#shared/media/opus.ts';
import type { Teaching } from '#shared/contract/internal.ts';
import type { SourceAudioFrame } from './sources.ts';

/** What was sent before the break may still be on its way for so long. */
const QUIET_MS = 500;
/** Silence stays so far behind the present that sound which comes back has its place. */
const BEHIND_MS = 200;
/** At the end of a break silence goes on until something is sent, for at most so long. */
const FAREWELL_MS = 3_000;
const PACKET_MS = SILENT_OPUS_US / 1_000;

/** The name of the silent source. */
export const INTERMISSION = 'intermission';

export class Intermission {
  readonly #onFrame: (frame: SourceAudioFrame) => void;
  readonly #onEnd: () => void;
  #untilMs = -Infinity;
  #frameAtMs = -Infinity;
  /** Where the next packet begins; undefined while nothing is filled in. */
  #nextMs: number | undefined;

  /** `onEnd` is called when silence is filled in no longer. */
  constructor(onFrame: (frame: SourceAudioFrame) => void, onEnd: () => void) {
    this.#onFrame = onFrame;
    this.#onEnd = onEnd;
  }

  /** States what those who teach do now. */
  teaching(teaching: Teaching, nowMs: number): void {
    if (teaching === 'break') this.#untilMs = Infinity;
    else if (teaching === 'away') this.#untilMs = -Infinity;
    else if (this.#untilMs === Infinity) this.#untilMs = nowMs + FAREWELL_MS;
  }

  /** A frame of a real source came. */
  noteFrame(nowMs: number): void {
    this.#frameAtMs = nowMs;
    if (this.#untilMs !== Infinity) this.#untilMs = -Infinity;
  }

  /** Fills the time up to now, if there is a break. Call it a few times a second. */
  tick(nowMs: number): void {
    if (nowMs >= this.#untilMs || nowMs - this.#frameAtMs < QUIET_MS) {
      if (this.#nextMs === undefined) return;
      this.#nextMs = undefined;
      this.#onEnd();
      return;
    }
    this.#nextMs ??= nowMs - BEHIND_MS;
    for (; this.#nextMs <= nowMs - BEHIND_MS; this.#nextMs += PACKET_MS) {
      this.#onFrame({ kind: 'audio', captureMs: this.#nextMs, data: SILENT_OPUS });
    }
  }
}
