// FLV tags, as RTMP, files and relays bring them, into a publication.
import type { PublisherNotice, PublisherNoticeCode } from '#shared/contract/publisher-notice.ts';
import { decodeAmf0Leading, isAmfObject } from '#shared/media/amf0.ts';
import { hasStartCode, NAL, nalType, readAvcc, splitAnnexB, writeAvcc } from '#shared/media/avc.ts';
import { firstSlice, ParameterSets } from '#shared/media/avc-sets.ts';
import { equalBytes, MalformedError } from '#shared/media/bytes.ts';
import { Unwrapper } from '#shared/media/clock.ts';
import type { FlvTagType } from '#shared/media/flv.ts';
import type { AudioConfig, AvcConfig } from '#shared/media/frame.ts';
import type { Publication } from '../../ingest/publication/types.ts';
import type { CodedVideo } from '../../ffmpeg/containers/matroska.ts';
import { readAudioTag, readVideoTag, type VideoTag } from './tags.ts';

/** Metadata is a few hundred bytes. */
const MAX_SCRIPT_BYTES = 64 * 1024;
/** So many tags in a row that make no sense are no accident. */
const MAX_MALFORMED = 50;
/** Media that came without its configuration for this long, in ms, will not get one. */
const UNDESCRIBED_MS = 2_000;
/** A codec that cannot be read is not said to be there after one stray tag. */
const LASTING_MS = 500;

const ABOUT_VIDEO: readonly PublisherNoticeCode[] = ['picture-codec', 'picture-undescribed'];
const ABOUT_AUDIO: readonly PublisherNoticeCode[] = ['sound-codec', 'sound-undescribed'];

export interface FlvSourceOptions {
  readonly publication: Pick<Publication, 'publishVideo' | 'publishAudio' | 'advise' | 'settle' | 'rename'>;
  /** A tag was left out, because it is none. */
  readonly onMalformed?: (error: MalformedError) => void;
  readonly nowMs?: () => number;
}

export class FlvSource {
  readonly #options: FlvSourceOptions;
  readonly #nowMs: () => number;
  readonly #clock = new Unwrapper(32);
  #video: { config: AvcConfig | CodedVideo; record: Uint8Array; lengthBytes: 1 | 2 | 3 | 4 } | undefined;
  /** What the frames themselves say, as long as nothing was said before them. */
  #inBand = new ParameterSets();
  #audio: AudioConfig | undefined;
  #malformed = 0;
  readonly #videoNotices: Watch;
  readonly #audioNotices: Watch;

  constructor(options: FlvSourceOptions) {
    this.#options = options;
    this.#nowMs = options.nowMs ?? (() => performance.now());
    this.#videoNotices = new Watch(options.publication, ABOUT_VIDEO);
    this.#audioNotices = new Watch(options.publication, ABOUT_AUDIO);
  }

  /**
   * Takes one tag. `timestampMs` is of 32 bits and may wrap; `body` need not outlive the call. Throws
   * MalformedError only when nothing makes sense any more.
   */
  publishTag(type: FlvTagType, timestampMs: number, body: Uint8Array): void {
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
      this.#video = {
        config: tag.config,
        record: new Uint8Array(tag.record),
        lengthBytes: tag.lengthBytes,
      };
    } else if (tag.type === 'frame') {
      this.#publishVideo(timestampMs, tag);
    } else if (tag.type === 'unknown') {
      this.#videoNotices.lacks({ code: 'picture-codec', codec: tag.codec }, this.#nowMs(), LASTING_MS);
    }
  }

  #publishVideo(timestampMs: number, tag: Extract<VideoTag, { type: 'frame' }>): void {
    if (tag.data.length === 0) return;
    const isByCode = tag.codec === 'h264' && hasStartCode(tag.data, this.#video?.lengthBytes ?? 4);
    const apart = () =>
      isByCode ? splitAnnexB(tag.data) : readAvcc(tag.data, this.#video?.lengthBytes ?? 4);
    if (this.#video === undefined && tag.codec === 'h264') this.#describe(apart());
    const video = this.#video;
    if (video === undefined || (tag.codec === 'h264') !== 'codec' in video.config) {
      this.#videoNotices.lacks({ code: 'picture-undescribed' }, this.#nowMs(), UNDESCRIBED_MS);
      return;
    }
    this.#videoNotices.has();
    const dtsUs = this.#clock.unwrap(timestampMs) * 1_000;
    const data = isByCode || video.lengthBytes !== 4 ? writeAvcc(apart()) : tag.data;
    const ptsUs = dtsUs + tag.compositionMs * 1_000;
    this.#options.publication.publishVideo({ ptsUs, dtsUs, key: tag.key, data, config: video.config });
  }

  /** Some say nothing before the first picture: their parameter sets stand in front of it. */
  #describe(nals: readonly Uint8Array[]): void {
    for (const nal of nals) {
      const type = nalType(nal);
      if (type === NAL.sps || type === NAL.pps) this.#inBand.add(nal);
    }
    const slice = firstSlice(nals);
    const config = slice === undefined ? undefined : this.#inBand.configFor(slice);
    if (config === undefined) return;
    this.#video = { config, record: config.record, lengthBytes: 4 };
    this.#inBand = new ParameterSets();
  }

  #audioTag(timestampMs: number, body: Uint8Array): void {
    const tag = readAudioTag(body);
    if (tag.type === 'config') {
      const isSame =
        this.#audio?.codec === tag.config.codec &&
        equalBytes(this.#audio.description, tag.config.description);
      if (!isSame) this.#audio = tag.config;
    } else if (tag.type === 'frame') {
      if (this.#audio?.codec !== tag.codec) {
        this.#audioNotices.lacks({ code: 'sound-undescribed' }, this.#nowMs(), UNDESCRIBED_MS);
        return;
      }
      this.#audioNotices.has();
      const ptsUs = this.#clock.unwrap(timestampMs) * 1_000;
      this.#options.publication.publishAudio({ ptsUs, data: tag.data, config: this.#audio });
    } else if (tag.type === 'unknown') {
      this.#audioNotices.lacks({ code: 'sound-codec', codec: tag.codec }, this.#nowMs(), LASTING_MS);
    }
  }

  /** The metadata tells which program it is; nothing else in it is believed. */
  #script(body: Uint8Array): void {
    if (body.length > MAX_SCRIPT_BYTES) return;
    const metadata = decodeAmf0Leading(body).find(isAmfObject);
    const encoder = metadata?.encoder;
    if (typeof encoder === 'string' && /\bobs\b|libobs/i.test(encoder))
      this.#options.publication.rename('OBS');
  }
}

/** Says that a kind of media cannot be read once that has lasted, and takes it back when it can. */
class Watch {
  readonly #publication: Pick<Publication, 'advise' | 'settle'>;
  readonly #codes: readonly PublisherNoticeCode[];
  /** Since when nothing of it could be read; undefined while all can. */
  #sinceMs: number | undefined;
  #isSaid = false;

  constructor(publication: Pick<Publication, 'advise' | 'settle'>, codes: readonly PublisherNoticeCode[]) {
    this.#publication = publication;
    this.#codes = codes;
  }

  lacks(notice: PublisherNotice, nowMs: number, afterMs: number): void {
    this.#sinceMs ??= nowMs;
    if (nowMs - this.#sinceMs < afterMs) return;
    this.#publication.settle(...this.#codes.filter((code) => code !== notice.code));
    this.#publication.advise(notice);
    this.#isSaid = true;
  }

  has(): void {
    this.#sinceMs = undefined;
    if (!this.#isSaid) return;
    this.#isSaid = false;
    this.#publication.settle(...this.#codes);
  }
}
