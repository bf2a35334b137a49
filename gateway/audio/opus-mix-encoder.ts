// The mix as Opus: blocks of the mixer's length in, packets of 20 ms out.
import { Application, createEncoder, type OpusEncoderHandle } from 'libopus-wasm';
import { OPUS_SAMPLES } from './messages.ts';
import { BLOCK_SAMPLES, type ChannelCount } from './mixer.ts';

/** In bit/s, by the number of channels. */
const BITRATE = { 1: 64_000, 2: 128_000 } as const;
/** Of ten; beyond it voices sound no better at these rates. */
const COMPLEXITY = 5;

export class OpusMixEncoder {
  readonly #encoder: OpusEncoderHandle;
  readonly #channels: ChannelCount;
  /** Interleaved, one packet's worth. */
  readonly #samples: Float32Array;
  /** Where in the timeline the first of them is, and how many there are of each channel. */
  #position: number;
  #filled = 0;

  static async open(channels: ChannelCount, from: number): Promise<OpusMixEncoder> {
    const encoder = await createEncoder({
      channels,
      application: Application.Audio,
      bitrate: BITRATE[channels],
      complexity: COMPLEXITY,
    });
    return new OpusMixEncoder(encoder, channels, from);
  }

  constructor(encoder: OpusEncoderHandle, channels: ChannelCount, from: number) {
    this.#encoder = encoder;
    this.#channels = channels;
    this.#samples = new Float32Array(OPUS_SAMPLES * channels);
    this.#position = from;
  }

  /** Takes an interleaved block that begins at `position`; what lies before where the writer is, is left out. */
  addSamples(
    block: Float32Array,
    position: number,
    onPacket: (data: Uint8Array, position: number) => void,
  ): void {
    let at = Math.max(0, Math.round(this.#position + this.#filled - position));
    if (at >= BLOCK_SAMPLES) return;
    // It does not continue what there is.
    if (position + at - this.#position - this.#filled > 1) {
      this.#position = position + at;
      this.#filled = 0;
    }
    while (at < BLOCK_SAMPLES) {
      const count = Math.min(OPUS_SAMPLES - this.#filled, BLOCK_SAMPLES - at);
      const channels = this.#channels;
      this.#samples.set(block.subarray(at * channels, (at + count) * channels), this.#filled * channels);
      this.#filled += count;
      at += count;
      if (this.#filled < OPUS_SAMPLES) break;
      onPacket(this.#encoder.encodeFloat(this.#samples), this.#position);
      this.#position += OPUS_SAMPLES;
      this.#filled = 0;
    }
  }

  close(): void {
    this.#encoder.free();
  }
}
