// FLV tags, as RTMP, files and relays bring them, into a publication.
import { decodeAmf0, isAmfObject } from '#shared/media/amf0.ts';
import { readAvcc, writeAvcc } from '#shared/media/avc.ts';
import { equalBytes, MalformedError } from '#shared/media/bytes.ts';
import { Unwrapper } from '#shared/media/clock.ts';
import type { FlvTagType } from '#shared/media/flv.ts';
import type { AudioConfig, AvcConfig } from '#shared/media/frame.ts';
import type { Publication } from '../publication.ts';
import type { CodedVideo } from '../publication/matroska.ts';
import { readAudioTag, readVideoTag } from './tags.ts';

/** Metadata is a few hundred bytes. */
const MAX_SCRIPT_BYTES = 64 * 1024;
/** So many tags in a row that make no sense are no accident. */
const MAX_MALFORMED = 50;

export interface FlvSourceOptions {
  readonly publication: Publication;
  /** A tag was left out, because it is none. */
  readonly onMalformed?: (error: MalformedError) => void;
}

export class FlvSource {
  readonly #options: FlvSourceOptions;
  readonly #clock = new Unwrapper(32);
  #video: { config: AvcConfig | CodedVideo; record: Uint8Array; lengthBytes: 1 | 2 | 3 | 4 } | undefined;
  #audio: AudioConfig | undefined;
  #malformed = 0;
  readonly #advised = new Set<string>();

  constructor(options: FlvSourceOptions) {
    this.#options = options;
  }

  /**
   * Takes one tag. `timestampMs` is of 32 bits and may wrap; `body` need not outlive the call. Throws
   * MalformedError only when nothing makes sense any more.
   */
  tag(type: FlvTagType, timestampMs: number, body: Uint8Array): void {
    if (body.length === 0) return;
    try {
      if (type === 'video') this.#videoTag(timestampMs, body);
      else if (type === 'audio') this.#audioTag(timestampMs, body);
      else this.#script(body);
      this.#malformed = 0;
    } catch (error) {
      if (!(error instanceof MalformedError)) throw error;
      this.#malformed += 1;
      if (this.#malformed >= MAX_MALFORMED) throw error;
      this.#options.onMalformed?.(error);
    }
  }

  #videoTag(timestampMs: number, body: Uint8Array): void {
    const tag = readVideoTag(body);
    if (tag.type === 'config') {
      // Some repeat it with every key frame; the same is nothing new.
      if (this.#video !== undefined && equalBytes(this.#video.record, tag.record)) return;
      this.#video = { config: tag.config, record: new Uint8Array(tag.record), lengthBytes: tag.lengthBytes };
    } else if (tag.type === 'frame') {
      if (this.#video === undefined || tag.data.length === 0) return;
      const { config, lengthBytes } = this.#video;
      const dtsUs = this.#clock.unwrap(timestampMs) * 1_000;
      const data = lengthBytes === 4 ? tag.data : writeAvcc(readAvcc(tag.data, lengthBytes));
      const ptsUs = dtsUs + tag.compositionMs * 1_000;
      this.#options.publication.video({ ptsUs, dtsUs, key: tag.key, data, config });
    } else if (tag.type === 'unknown') {
      this.#advise(`There is no picture (${tag.codec}): choose H.264 in the encoder.`);
    }
  }

  #audioTag(timestampMs: number, body: Uint8Array): void {
    const tag = readAudioTag(body);
    if (tag.type === 'config') {
      const isSame =
        this.#audio?.codec === tag.config.codec &&
        equalBytes(this.#audio.description, tag.config.description);
      if (!isSame) this.#audio = tag.config;
    } else if (tag.type === 'frame') {
      if (this.#audio?.codec !== tag.codec) return;
      const ptsUs = this.#clock.unwrap(timestampMs) * 1_000;
      this.#options.publication.audio({ ptsUs, data: tag.data, config: this.#audio });
    } else if (tag.type === 'unknown') {
      this.#advise(`There is no sound (${tag.codec}): choose AAC in the encoder.`);
    }
  }

  /** The metadata tells which program it is; nothing else in it is believed. */
  #script(body: Uint8Array): void {
    if (body.length > MAX_SCRIPT_BYTES) return;
    const metadata = decodeAmf0(body).find(isAmfObject);
    const encoder = metadata?.encoder;
    if (typeof encoder === 'string' && /\bobs\b|libobs/i.test(encoder))
      this.#options.publication.rename('OBS');
  }

  #advise(text: string): void {
    if (this.#advised.has(text)) return;
    this.#advised.add(text);
    this.#options.publication.advise(text);
  }
}
