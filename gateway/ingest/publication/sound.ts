// The sound of a publication as Opus: passed on if it is, made by ffmpeg if it is AAC.
import type { AudioConfig } from '#shared/media/frame.ts';
import { opusPacketInfo } from '#shared/media/opus.ts';
import { Seamless } from './clock.ts';
import { OpusChild } from './opus-child.ts';

/** Ends without a single packet in between, until it is given up. */
const MAX_FAILURES = 3;

const SILENT = 'The sound cannot be converted: ffmpeg ended again and again; see the log.';
const MISSING = 'There is no sound: ffmpeg was not found. Install it, or set LECTERN_FFMPEG.';
const LAYOUT = 'There is no sound: in the encoder, choose stereo sound.';

export interface SoundLineOptions {
  readonly ffmpeg: string;
  /** Where the sound before it came to on the timeline, in µs. */
  readonly floorUs: number;
  readonly send: (packet: Uint8Array, ptsUs: number, durationUs: number) => void;
  readonly onNotice: (text: string) => void;
  readonly onLog: (line: string) => void;
}

export class SoundLine {
  readonly #options: SoundLineOptions;
  readonly #seamless: Seamless;
  #child: { readonly config: AudioConfig; readonly process: OpusChild } | undefined;
  #failures = 0;
  #state: 'open' | 'silent' | 'closed' = 'open';

  constructor(options: SoundLineOptions) {
    this.#options = options;
    this.#seamless = new Seamless(options.floorUs);
  }

  /** Takes one AAC frame or Opus packet; `ptsUs` is on the timeline. Throws MalformedError. */
  push(config: AudioConfig, data: Uint8Array, ptsUs: number): void {
    if (this.#state !== 'open' || data.length === 0) return;
    if (config.codec === 'opus') {
      if (config.channels > 2) this.#fail(LAYOUT);
      else this.#send(data, ptsUs, opusPacketInfo(data).durationUs);
      return;
    }
    if (this.#child?.config !== config) this.#start(config);
    this.#child?.process.push(data, ptsUs);
  }

  close(): void {
    this.#state = 'closed';
    this.#child?.process.close();
    this.#child = undefined;
  }

  #send(packet: Uint8Array, ptsUs: number, durationUs: number): void {
    const atUs = this.#seamless.place(ptsUs, durationUs);
    if (atUs !== undefined) this.#options.send(packet, atUs, durationUs);
  }

  #start(config: AudioConfig): void {
    this.#child?.process.close();
    const process = new OpusChild({
      ffmpeg: this.#options.ffmpeg,
      config,
      onPacket: (packet, ptsUs, durationUs) => {
        this.#failures = 0;
        if (this.#state === 'open') this.#send(packet, ptsUs, durationUs);
      },
      onEnd: (isMissing) => {
        if (this.#child?.process !== process) return;
        this.#child = undefined;
        this.#failures += 1;
        if (isMissing) this.#fail(MISSING);
        else if (this.#failures >= MAX_FAILURES) this.#fail(SILENT);
      },
      onLog: this.#options.onLog,
    });
    this.#child = { config, process };
  }

  #fail(text: string): void {
    if (this.#state !== 'open') return;
    this.#state = 'silent';
    this.#options.onNotice(text);
  }
}
