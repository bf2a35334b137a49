// Audio of a track as Opus in packets of 20 ms, without pauses: silence is sent too.
import { opusConfig, opusHead } from '#shared/media/opus.ts';
import { CaptureClock } from '../../engine/encoded/capture-clock.ts';
import type { PublishLink } from '../../engine/encoded/publish-link.ts';
import { FrameReader } from './frame-reader.ts';

const PACKET_US = 20_000;
/** The track keeps 100 ms for a late reader: after a pause this long, in µs, samples are missing. */
const PAUSE_US = 200_000;

export interface AudioEncodingOptions {
  readonly link: () => PublishLink | undefined;
  /** Now, in µs, on the clock that video has too. */
  readonly nowUs: () => number;
  /** Sound may be sent: the connection is not too far behind. */
  readonly mayGo: () => boolean;
  readonly onFailed: () => void;
}

/**
 * Owns the encoder and whatever stream is read. `close()` is idempotent. Time is what was heard, counted in samples:
 * Chromium's timestamps of sound go back by the age of the page once the stream has moved into the worker, and its
 * encoder goes on from the first that it saw, whatever comes after.
 */
export class AudioEncoding {
  readonly #options: AudioEncodingOptions;
  readonly #clock = new CaptureClock('audio');
  readonly #frames = new FrameReader<AudioData>((frame) => this.#encodeSamples(frame));
  #encoder: AudioEncoder | undefined;
  /** How much was heard of this track, in µs. */
  #heardUs = 0;
  #heardAtUs = 0;
  #format = '';
  #bps = 0;
  #channels = 1;
  #toldChannels: number | undefined;
  #everWorked = false;
  #closed = false;

  constructor(options: AudioEncodingOptions) {
    this.#options = options;
  }

  /** Sends these samples from now on, at `bps` bit/s. */
  hear(samples: ReadableStream<AudioData> | null, bps: number): void {
    this.#clock.restart();
    this.#heardUs = 0;
    this.#reset();
    this.#bps = bps;
    this.#frames.read(samples);
  }

  /** A new connection knows nothing of what was sent before. */
  restart(): void {
    this.#toldChannels = undefined;
  }

  close(): void {
    this.#closed = true;
    this.#frames.close();
    this.#reset();
  }

  #encodeSamples(samples: AudioData): void {
    const nowUs = this.#options.nowUs();
    if (nowUs - this.#heardAtUs > PAUSE_US) this.#clock.restart();
    this.#heardAtUs = nowUs;
    const beginUs = this.#heardUs;
    this.#heardUs += (samples.numberOfFrames * 1_000_000) / samples.sampleRate;
    // What is read has just been completed.
    this.#clock.arrived(this.#heardUs, nowUs);
    const format = `${samples.sampleRate}/${samples.numberOfChannels}`;
    if (this.#encoder?.state !== 'configured' || format !== this.#format) {
      this.#reset();
      this.#format = format;
      this.#channels = Math.min(2, samples.numberOfChannels);
      let packetUs = beginUs;
      // One of its own each: what an old one still says is not the new one's.
      const encoder: AudioEncoder = new AudioEncoder({
        output: (chunk) => {
          if (encoder === this.#encoder) this.#encoded(chunk, packetUs);
          packetUs += chunk.duration ?? PACKET_US;
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

  #encoded(chunk: EncodedAudioChunk, beginUs: number): void {
    this.#everWorked = true;
    const link = this.#options.link();
    if (link?.state !== 'open' || !this.#options.mayGo()) return;
    if (this.#toldChannels !== this.#channels) {
      this.#toldChannels = this.#channels;
      link.send({ kind: 'audio-config', codec: 'opus', data: opusHead(opusConfig(this.#channels)) });
    }
    const data = new Uint8Array(chunk.byteLength);
    chunk.copyTo(data);
    link.send({ kind: 'audio', ptsUs: this.#clock.at(beginUs), data });
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
