// A picture for when there is none. A player that gets sound alone on a stream with a picture stands
// still, so while the camera is off or stalled the audience gets key frames that need no encoder: for a
// short stall the last one again, after that a black one, since a camera that was turned off must not
// leave a face on the screen. In a break it says so instead.
import { avcConfig, writeAvcc } from '#shared/media/avc.ts';
import type { AvcConfig, VideoFrame } from '#shared/media/frame.ts';
import { breakCard, type Ink } from './break-card.ts';
import { QUIET_US } from './limits.ts';

/** Where there was never a picture, one is made before the first viewers' patience ends. */
const FIRST_AFTER_US = 600_000;
const REPEAT_EVERY_US = 500_000;
/** From then on it is black. */
const BLACK_AFTER_US = 5_000_000;
const DEFAULT_SIZE = { width: 640, height: 360 };

export class StillPicture {
  #lastKey: VideoFrame | undefined;
  #black: VideoFrame | undefined;
  #card: VideoFrame | undefined;
  #isBreak = false;
  /** When the last real picture was shown; sound alone counts from its own first frame. */
  #lastRealUs: number | undefined;
  #lastStillUs: number | undefined;

  /** True while stills are being shown. */
  get isShowing(): boolean {
    return this.#lastStillUs !== undefined;
  }

  /** A real picture is shown. */
  noteFrame(frame: VideoFrame): void {
    if (frame.key) this.#lastKey = frame;
    this.#lastRealUs = frame.ptsUs;
    this.#lastStillUs = undefined;
  }

  /** A break begins or ends. */
  setBreak(on: boolean): void {
    this.#isBreak = on;
  }

  /** The source is gone altogether: nothing is missing until it is back. */
  reset(): void {
    this.#lastRealUs = undefined;
    this.#lastStillUs = undefined;
  }

  /** The key frames to show, now that the sound has come to `headUs`; mostly none. */
  due(headUs: number): VideoFrame[] {
    this.#lastRealUs ??= this.#lastKey === undefined ? headUs - QUIET_US + FIRST_AFTER_US : headUs;
    const frames: VideoFrame[] = [];
    const beginUs = this.#lastRealUs + QUIET_US;
    let nextUs = this.#lastStillUs === undefined ? beginUs : this.#lastStillUs + REPEAT_EVERY_US;
    for (; nextUs <= headUs; nextUs += REPEAT_EVERY_US) {
      frames.push(this.at(nextUs));
      this.#lastStillUs = nextUs;
    }
    return frames;
  }

  /** The still picture as a key frame at `ptsUs`. */
  at(ptsUs: number): VideoFrame {
    if (this.#isBreak) return { ...this.#cardFrame(), ptsUs, dtsUs: ptsUs, isFiller: true };
    const fresh = this.#lastRealUs !== undefined && ptsUs - this.#lastRealUs < BLACK_AFTER_US;
    const shown = fresh && this.#lastKey !== undefined ? this.#lastKey : this.#blackFrame();
    return { ...shown, ptsUs, dtsUs: ptsUs, isFiller: true };
  }

  #blackFrame(): VideoFrame {
    const { width, height } = this.#lastKey?.config ?? DEFAULT_SIZE;
    const known = this.#black;
    if (known !== undefined && known.config.width === width && known.config.height === height) return known;
    this.#black = blackFrame(width, height);
    return this.#black;
  }

  #cardFrame(): VideoFrame {
    const { config } = this.#blackFrame();
    if (this.#card?.config === config) return this.#card;
    // One configuration with the black one: the change from one to the other is none for players.
    this.#card = {
      ...blackFrame(config.width, config.height, breakCard(config.width, config.height)),
      config,
    };
    return this.#card;
  }
}

/**
 * Writes an H.264 key frame that is black but for `ink` (ITU-T H.264 §7.3, constrained baseline): its first
 * macroblock, and those with ink, are sent as plain samples (I_PCM), every other one is predicted from its
 * neighbours without any residual. `width` and `height` are even, in pixels. Times are 0.
 */
export function blackFrame(width: number, height: number, ink?: Ink): VideoFrame {
  const config = blackConfig(width, height);
  const columns = Math.ceil(width / 16);
  const macroblocks = columns * Math.ceil(height / 16);
  const plain = plainBlocks(columns, ink);
  const slice = new BitWriter();
  slice.ue(0).ue(7).ue(0); // first_mb_in_slice, an I slice that stands for the whole picture, PPS 0
  slice.bits(0, 4).ue(0); // frame_num, idr_pic_id
  slice.bits(0, 2).se(0).ue(1); // reference marking, slice_qp_delta, deblocking off
  for (let index = 0; index < macroblocks; index += 1) {
    if (plain.has(index)) {
      slice.ue(25).align(0); // I_PCM
      for (let at = 0; at < 256; at += 1) slice.bits((ink && lumaAt(ink, columns, index, at)) ?? BLACK, 8);
      for (let sample = 0; sample < 128; sample += 1) slice.bits(128, 8);
      continue;
    }
    // I_16x16 with DC prediction and no coefficients: mb_type 3, chroma DC, mb_qp_delta 0, and a count of
    // coefficients, 0, whose code is longer next to and below an I_PCM one, which counts as full (§9.2.1).
    slice.ue(3).ue(0).se(0);
    const isLeftPlain = index % columns > 0 && plain.has(index - 1);
    if (isLeftPlain || plain.has(index - columns)) slice.bits(0b000011, 6);
    else slice.bits(1, 1);
  }
  const data = writeAvcc([nalUnit(0x65, slice.finish())]);
  return { kind: 'video', ptsUs: 0, dtsUs: 0, key: true, data, config };
}

const BLACK = 16;

/** The luma of sample `at` (0 to 255) of a macroblock; undefined where it is black. */
function lumaAt(ink: Ink, columns: number, index: number, at: number): number | undefined {
  return ink.at((index % columns) * 16 + (at & 15), Math.floor(index / columns) * 16 + (at >> 4));
}

/** The macroblocks that cannot be predicted as black: those with ink, and those that ink of theirs touches. */
function plainBlocks(columns: number, ink: Ink | undefined): ReadonlySet<number> {
  const plain = new Set([0]);
  if (ink === undefined) return plain;
  const samples = Array.from({ length: 256 }, (_, at) => at);
  const [first, end] = [Math.floor(ink.top / 16) * columns, Math.ceil(ink.bottom / 16) * columns];
  for (let index = Math.max(0, first); index < end; index += 1) {
    const inked = samples.filter((at) => lumaAt(ink, columns, index, at) !== undefined);
    if (inked.length === 0) continue;
    plain.add(index);
    if (inked.some((at) => (at & 15) === 15) && (index + 1) % columns > 0) plain.add(index + 1);
    if (inked.some((at) => at >> 4 === 15)) plain.add(index + columns);
  }
  return plain;
}

function blackConfig(width: number, height: number): AvcConfig {
  const columns = Math.ceil(width / 16);
  const lines = Math.ceil(height / 16);
  const sps = new BitWriter();
  // Constrained baseline; level 5.1 has room for any size.
  sps.bits(66, 8).bits(0xc0, 8).bits(51, 8).ue(0);
  sps.ue(0).ue(2).ue(1).bits(0, 1); // 4-bit frame_num, output in decoding order, one reference
  sps
    .ue(columns - 1)
    .ue(lines - 1)
    .bits(1, 1)
    .bits(1, 1);
  sps.bits(1, 1).ue(0).ue((columns * 16 - width) / 2).ue(0).ue((lines * 16 - height) / 2); // prettier-ignore
  sps.bits(0, 1);
  const pps = new BitWriter();
  pps.ue(0).ue(0).bits(0, 2).ue(0).ue(0).ue(0).bits(0, 3).se(0).se(0).se(0);
  pps.bits(1, 1).bits(0, 2); // slices say whether they are deblocked
  return avcConfig(nalUnit(0x67, sps.finish()), nalUnit(0x68, pps.finish()));
}

/** Puts a header before a payload and escapes what would look like a start code (§7.4.1). */
function nalUnit(header: number, payload: Uint8Array): Uint8Array {
  const out = [header];
  let zeros = 0;
  for (const byte of payload) {
    if (zeros >= 2 && byte <= 3) {
      out.push(3);
      zeros = 0;
    }
    out.push(byte);
    zeros = byte === 0 ? zeros + 1 : 0;
  }
  return Uint8Array.from(out);
}

class BitWriter {
  readonly #bytes: number[] = [];
  #current = 0;
  #count = 0;

  bits(value: number, length: number): this {
    if (length === 8 && this.#count === 0) {
      this.#bytes.push(value);
      return this;
    }
    for (let bit = length - 1; bit >= 0; bit -= 1) {
      this.#current = (this.#current << 1) | ((value >>> bit) & 1);
      this.#count += 1;
      if (this.#count < 8) continue;
      this.#bytes.push(this.#current);
      this.#current = 0;
      this.#count = 0;
    }
    return this;
  }

  /** Unsigned Exp-Golomb (§9.1). */
  ue(value: number): this {
    const length = 32 - Math.clz32(value + 1);
    return this.bits(0, length - 1).bits(value + 1, length);
  }

  /** Signed Exp-Golomb (§9.1.1). */
  se(value: number): this {
    return this.ue(value > 0 ? value * 2 - 1 : -value * 2);
  }

  align(bit: 0 | 1): this {
    while (this.#count > 0) this.bits(bit, 1);
    return this;
  }

  /** Ends with the stop bit (§7.3.2.11). */
  finish(): Uint8Array {
    return Uint8Array.from(this.bits(1, 1).align(0).#bytes);
  }
}
