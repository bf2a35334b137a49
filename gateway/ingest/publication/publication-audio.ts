// The sound of a publication as Opus: passed on if it is, made by ffmpeg if it is AAC.
import type { PublisherNotice, PublisherNoticeCode } from '#shared/contract/publisher-notice.ts';
import type { AudioConfig } from '#shared/media/frame.ts';
import { opusPacketInfo } from '#shared/media/opus.ts';
import { Seamless } from './clock.ts';
import { OpusChild } from './opus-child.ts';

/** Ends without a single packet in between, until it is given up. */
const MAX_FAILURES = 3;

/** ffmpeg makes nothing of what went in for so long: it is of no use to it. */
const BROKEN_US = 3_000_000;

export interface PublicationAudioOptions {
  readonly ffmpeg: string;
  /** Where the sound before it came to on the timeline, in µs. */
  readonly floorUs: number;
  readonly send: (packet: Uint8Array, ptsUs: number, durationUs: number) => void;
  /** Sound is here that has to be made into Opus first, which takes seconds to begin on a busy machine. */
  readonly onConversion: () => void;
  /** Nothing can be made of it. */
  readonly onGivenUp: () => void;
  readonly onNotice: (notice: PublisherNotice) => void;
  /** It is heard again. */
  readonly onSettled: (...codes: readonly PublisherNoticeCode[]) => void;
  readonly onLog: (line: string) => void;
}

type AudioNotice = Extract<PublisherNoticeCode, 'sound-layout' | 'sound-broken' | 'no-ffmpeg'>;

export class PublicationAudio {
  readonly #options: PublicationAudioOptions;
  readonly #seamless: Seamless;
  #config: AudioConfig | undefined;
  #child: OpusChild | undefined;
  #failures = 0;
  /** Since when nothing came out of what went in; undefined before anything did. */
  #triedFromUs: number | undefined;
  #said: AudioNotice | undefined;
  #state: 'open' | 'silent' | 'closed' = 'open';

  constructor(options: PublicationAudioOptions) {
    this.#options = options;
    this.#seamless = new Seamless(options.floorUs);
  }

  /** Takes one AAC frame or Opus packet; `ptsUs` is on the timeline. Throws MalformedError. */
  submitFrame(config: AudioConfig, data: Uint8Array, ptsUs: number): void {
    if (config !== this.#config) this.#change(config);
    if (this.#state !== 'open' || data.length === 0) return;
    this.#triedFromUs ??= ptsUs;
    if (config.codec === 'opus') {
      if (config.channels > 2) this.#fail('sound-layout');
      else this.#send(data, ptsUs, opusPacketInfo(data).durationUs);
      return;
    }
    if (this.#child === undefined) this.#start(config);
    this.#child?.writeFrame(data, ptsUs);
    if (ptsUs - this.#triedFromUs > BROKEN_US) this.#advise('sound-broken');
  }

  /** Nothing more comes. Resolves when all that came is sent. */
  async finish(): Promise<void> {
    await this.#child?.finish();
  }

  close(): void {
    this.#state = 'closed';
    this.#child?.close();
    this.#child = undefined;
  }

  /** What another sound cannot be is no longer so. */
  #change(config: AudioConfig): void {
    if (this.#state === 'closed') return;
    this.#config = config;
    this.#child?.close();
    this.#child = undefined;
    this.#failures = 0;
    this.#triedFromUs = undefined;
    this.#state = 'open';
  }

  #send(packet: Uint8Array, ptsUs: number, durationUs: number): void {
    this.#triedFromUs = ptsUs;
    this.#settle();
    const atUs = this.#seamless.place(ptsUs, durationUs);
    if (atUs !== undefined) this.#options.send(packet, atUs, durationUs);
  }

  #start(config: AudioConfig): void {
    this.#options.onConversion();
    const child = new OpusChild({
      ffmpeg: this.#options.ffmpeg,
      config,
      onPacket: (packet, ptsUs, durationUs) => {
        if (this.#child !== child) return;
        this.#failures = 0;
        this.#send(packet, ptsUs, durationUs);
      },
      onEnd: (isMissing) => {
        if (this.#child !== child) return;
        this.#child = undefined;
        this.#failures += 1;
        if (isMissing) this.#fail('no-ffmpeg');
        else if (this.#failures >= MAX_FAILURES) this.#fail('sound-broken');
      },
      onLog: this.#options.onLog,
    });
    this.#child = child;
  }

  #fail(code: AudioNotice): void {
    if (this.#state !== 'open') return;
    this.#state = 'silent';
    this.#options.onGivenUp();
    this.#advise(code);
  }

  #advise(code: AudioNotice): void {
    if (this.#said === code) return;
    this.#settle();
    this.#said = code;
    this.#options.onNotice({ code });
  }

  #settle(): void {
    if (this.#said === undefined) return;
    this.#options.onSettled(this.#said);
    this.#said = undefined;
  }
}
