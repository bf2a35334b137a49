// Sounds of a track as Opus in packets of 20 ms, without pauses: silence is sent too.
import { opusConfig, opusHead } from '#shared/media/opus.ts';
import { CaptureClock } from '../../engine/encoded/capture-clock.ts';
import type { PublishLink } from '../../engine/encoded/publish-link.ts';

const PACKET_US = 20_000;

export interface SoundLineOptions {
  readonly link: () => PublishLink | undefined;
  /** Now, in µs, on the clock that pictures have too. */
  readonly nowUs: () => number;
  /** Sound may be sent: the connection is not too far behind. */
  readonly mayGo: () => boolean;
  readonly onFailed: () => void;
}

/** Owns the encoder and whatever stream is read. `close()` is idempotent. */
export class SoundLine {
  readonly #options: SoundLineOptions;
  readonly #clock = new CaptureClock();
  #encoder: AudioEncoder | undefined;
  #reader: ReadableStreamDefaultReader<AudioData> | undefined;
  #format = '';
  #bps = 0;
  #channels = 1;
  #toldChannels: number | undefined;
  #everWorked = false;
  #closed = false;

  constructor(options: SoundLineOptions) {
    this.#options = options;
  }

  /** Sends these samples from now on, at `bps` bit/s. */
  hear(samples: ReadableStream<AudioData> | null, bps: number): void {
    void this.#reader?.cancel().catch(() => undefined);
    this.#reader = undefined;
    this.#clock.restart();
    this.#reset();
    this.#bps = bps;
    if (samples === null) return;
    const reader = samples.getReader();
    this.#reader = reader;
    void this.#read(reader);
  }

  /** A new connection knows nothing of what was sent before. */
  restart(): void {
    this.#toldChannels = undefined;
  }

  close(): void {
    this.#closed = true;
    void this.#reader?.cancel().catch(() => undefined);
    this.#reset();
  }

  async #read(reader: ReadableStreamDefaultReader<AudioData>): Promise<void> {
    for (;;) {
      const { done, value: samples } = await reader.read().catch(() => ({ done: true, value: undefined }));
      if (done || samples === undefined) return;
      if (reader === this.#reader && !this.#closed) this.#push(samples);
      samples.close();
    }
  }

  #push(samples: AudioData): void {
    // When its first sample was heard; what is read has just been completed.
    this.#clock.arrived(samples.timestamp + samples.duration, this.#options.nowUs());
    const format = `${samples.sampleRate}/${samples.numberOfChannels}`;
    if (this.#encoder?.state !== 'configured' || format !== this.#format) {
      this.#reset();
      this.#format = format;
      this.#channels = Math.min(2, samples.numberOfChannels);
      // One of its own each: what an old one still says is not the new one's.
      const encoder: AudioEncoder = new AudioEncoder({
        output: (chunk) => {
          if (encoder === this.#encoder) this.#encoded(chunk);
        },
        error: () => {
          if (encoder === this.#encoder) this.#failed();
        },
      });
      this.#encoder = encoder;
      encoder.configure({
        codec: 'opus',
        sampleRate: samples.sampleRate,
        numberOfChannels: this.#channels,
        bitrate: this.#bps,
        opus: { frameDuration: PACKET_US, usedtx: false },
      });
    }
    this.#encoder?.encode(samples);
  }

  #encoded(chunk: EncodedAudioChunk): void {
    this.#everWorked = true;
    const link = this.#options.link();
    if (link?.state !== 'open' || !this.#options.mayGo()) return;
    if (this.#toldChannels !== this.#channels) {
      this.#toldChannels = this.#channels;
      link.send({ kind: 'sound-config', codec: 'opus', data: opusHead(opusConfig(this.#channels)) });
    }
    const data = new Uint8Array(chunk.byteLength);
    chunk.copyTo(data);
    link.send({ kind: 'sound', ptsUs: this.#clock.at(chunk.timestamp), data });
  }

  #failed(): void {
    if (this.#closed) return;
    if (!this.#everWorked) this.#options.onFailed();
    this.#encoder = undefined;
  }

  #reset(): void {
    const encoder = this.#encoder;
    this.#encoder = undefined;
    if (encoder !== undefined && encoder.state !== 'closed') encoder.close();
  }
}
