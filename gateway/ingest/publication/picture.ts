// The picture of a publication: passed on as it is where browsers can show it, converted where not, and
// never passed on broken.
import { LecternError } from '#shared/contract/errors.ts';
import { sentenceOf, type PublisherNotice } from '#shared/contract/publisher-notice.ts';
import { NAL, nalType, readAvcc } from '#shared/media/avc.ts';
import { firstSlice, ParameterSets } from '#shared/media/avc-sets.ts';
import type { AvcConfig } from '#shared/media/frame.ts';
import type { CodedPicture } from '../rtp/picture.ts';
import { Transcoder } from '../transcode.ts';
import {
  ABSURD_RATE,
  hasBSlice,
  inspectConfig,
  MAX_KEYFRAME_INTERVAL_MS,
  MAX_RATE,
  RateMeter,
  type Reason,
} from './inspect.ts';
import { describeAvc, matroska, type CodedVideo } from './matroska.ts';
import type { TranscodeSlots } from './slots.ts';

/** Times go through ffmpeg in these units. */
const MS_PER_S = 1_000;
/** Without a key frame for this long a publisher is sent away. */
const NO_KEYFRAME_MS = 20_000;
/** Parameter sets that change between two pictures. */
const MAX_CHANGED = 64;
/** NAL units that are of no use to a receiver, or that stand in the configuration. */
const LEFT_OUT: ReadonlySet<number> = new Set([
  NAL.sps,
  NAL.pps,
  NAL.aud,
  NAL.filler,
  NAL.endOfSequence,
  NAL.endOfStream,
]);

/** One access unit on the timeline. `data` are NAL units or, of other codecs, what their container holds. */
export interface PictureIn {
  readonly ptsUs: number;
  readonly dtsUs: number;
  readonly key: boolean;
  readonly data: Uint8Array;
  readonly config: AvcConfig | CodedVideo;
}

/** Reasons for which the pictures until the next key frame may still be shown. */
const SOFT: ReadonlySet<Reason> = new Set(['rate', 'keyframes']);

export interface PictureLineOptions {
  readonly ffmpeg: string;
  readonly slots: TranscodeSlots;
  /** NAL units to send, parameter sets included. Returns false if they were dropped. */
  readonly send: (nals: readonly Uint8Array[], ptsUs: number) => boolean;
  readonly onKeyframeWanted: () => void;
  /** What the publisher should change. */
  readonly onNotice: (notice: PublisherNotice) => void;
  /** It cannot go on. */
  readonly onFailure: (error: LecternError) => void;
  readonly onLog: (line: string) => void;
}

export class PictureLine {
  readonly #options: PictureLineOptions;
  readonly #rate = new RateMeter();
  readonly #reasons = new Set<Reason>();
  #config: AvcConfig | CodedVideo | undefined;
  /** Of what is passed on: those that were announced, and what changed within the stream since. */
  #sets: { readonly of: AvcConfig; readonly all: ParameterSets } | undefined;
  /** Parameter sets that changed and were not passed on yet. */
  #changed: Uint8Array[] = [];
  #conversion: { transcoder: Transcoder<CodedVideo>; release: () => void } | undefined;
  /** What ffmpeg reads is described anew only where the configuration changes. */
  #described: { of: AvcConfig | CodedVideo; as: CodedVideo } | undefined;
  /** It is to be converted from the next key frame on; until then it is good enough as it is. */
  #isPending = false;
  #needsKey = true;
  #keyAtUs: number | undefined;
  #firstAtUs: number | undefined;
  #lastPtsUs = -Infinity;
  #state: 'open' | 'closed' = 'open';

  constructor(options: PictureLineOptions) {
    this.#options = options;
  }

  get mode(): 'pass' | 'convert' {
    return this.#conversion === undefined ? 'pass' : 'convert';
  }

  /** Takes the next access unit, in decoding order. Throws MalformedError if it is none. */
  push(picture: PictureIn): void {
    if (this.#state === 'closed') return;
    this.#firstAtUs ??= picture.dtsUs;
    if (picture.config !== this.#config) this.#configure(picture.config);
    const nals = 'codec' in picture.config ? this.#split(picture.data) : undefined;
    const isIdr = nals?.some((nal) => nalType(nal) === NAL.idr) ?? picture.key;
    this.#watchRate(picture.dtsUs);
    this.#watchKeys(isIdr, picture.dtsUs);
    if (this.#isClosed()) return;
    if (nals !== undefined && hasBSlice(nals)) this.#require('b-frames');
    if (this.#isClosed()) return;
    const isStart = isIdr || picture.key;
    if (this.#isPending && isStart) this.#convert();
    if (this.#isClosed()) return;
    if (this.#conversion !== undefined) {
      this.#conversion.transcoder.push(this.#toConvert(picture, isStart));
    } else if (nals !== undefined && 'codec' in picture.config) {
      this.#pass(nals, picture.config, isIdr, picture.ptsUs);
    }
  }

  /** Nothing more comes. Resolves when all that came is sent. */
  async finish(): Promise<void> {
    await this.#conversion?.transcoder.finish();
  }

  close(): void {
    this.#state = 'closed';
    this.#conversion?.transcoder.close();
    this.#conversion?.release();
    this.#conversion = undefined;
  }

  get #notice(): PublisherNotice {
    return { code: 'converted', reasons: [...this.#reasons] };
  }

  #isClosed(): boolean {
    return this.#state === 'closed';
  }

  #split(data: Uint8Array): Uint8Array[] {
    try {
      return readAvcc(data);
    } catch (error) {
      // What follows is built on the picture that is lost.
      this.#needsKey = true;
      throw error;
    }
  }

  #configure(config: AvcConfig | CodedVideo): void {
    this.#config = config;
    this.#needsKey = true;
    const reasons = 'codec' in config ? inspectConfig(config) : new Set<Reason>(['codec']);
    for (const reason of reasons) this.#require(reason);
  }

  /** There is no way back: a stream that is converted now and then would flicker. */
  #require(reason: Reason): void {
    if (this.#reasons.has(reason) || this.#isClosed()) return;
    this.#reasons.add(reason);
    this.#options.onNotice(this.#notice);
    if (SOFT.has(reason)) this.#isPending = true;
    else this.#convert();
  }

  #convert(): void {
    this.#isPending = false;
    const release = this.#conversion?.release ?? this.#options.slots.take();
    this.#conversion?.transcoder.close();
    this.#conversion = undefined;
    if (release === undefined) {
      const why = 'This stream has to be converted, and the server converts as many as it can already.';
      this.#fail(new LecternError('service-unavailable', `${why} ${sentenceOf(this.#notice)}`));
      return;
    }
    const size = 'w=min(1920\\,iw):h=min(1920\\,ih):force_original_aspect_ratio=decrease';
    const filters = [
      ...(this.#reasons.has('interlaced') ? ['yadif=deint=interlaced'] : []),
      ...(this.#reasons.has('rate') ? ['fps=30'] : []),
      // Square pixels, whatever they were: browsers stretch nothing that comes by WebRTC.
      'scale=w=round(max(iw\\,iw*sar)):h=round(max(ih\\,ih/sar)),setsar=1',
      `scale=${size}:force_divisible_by=2`,
      'format=yuv420p',
    ];
    const transcoder = new Transcoder<CodedVideo>({
      ffmpeg: this.#options.ffmpeg,
      clockRate: MS_PER_S,
      what: 'This stream',
      container: matroska,
      outputs: [
        {
          filters: filters.join(','),
          profile: 'baseline',
          maxKbps: 6_000,
          onPicture: (picture) => this.#converted(picture),
        },
      ],
      onKeyframeNeeded: () => this.#options.onKeyframeWanted(),
      onFailure: (reason) => this.#fail(new LecternError('unsupported-codec', reason)),
      onLog: this.#options.onLog,
    });
    this.#conversion = { transcoder, release };
  }

  #toConvert(picture: PictureIn, key: boolean): CodedPicture<CodedVideo> {
    if (this.#described?.of !== picture.config) {
      const { config } = picture;
      const as: CodedVideo = 'codec' in config ? describeAvc(config) : config;
      this.#described = { of: config, as };
    }
    return {
      ticks: Math.round(picture.ptsUs / 1_000),
      key,
      data: picture.data,
      config: this.#described.as,
    };
  }

  #converted({ ticks, key, data, config }: CodedPicture<AvcConfig>): void {
    if (this.#isClosed()) return;
    this.#pass(readAvcc(data), config, key, ticks * 1_000);
  }

  #pass(nals: readonly Uint8Array[], config: AvcConfig, key: boolean, ptsUs: number): void {
    const sets = this.#parameters(nals, config);
    if (this.#needsKey && !key) return;
    const slice = firstSlice(nals);
    if (slice === undefined) return;
    const current = key ? sets.configFor(slice) : undefined;
    // Without the parameter sets that it names nothing can be made of it.
    if (key && current === undefined) {
      this.#needsKey = true;
      return;
    }
    const kept = nals.filter((nal) => !LEFT_OUT.has(nalType(nal)));
    // Without B-frames each picture is shown after the one before it; what says otherwise is rounding.
    const atUs = Math.max(ptsUs, this.#lastPtsUs + 1_000);
    this.#lastPtsUs = atUs;
    const before = current?.sets ?? this.#changed;
    this.#changed = [];
    const isSent = this.#options.send([...before, ...kept], atUs);
    this.#needsKey = !isSent;
    if (!isSent) this.#options.onKeyframeWanted();
  }

  /** Encoders may change their parameter sets within the stream and say nothing beside it. */
  #parameters(nals: readonly Uint8Array[], config: AvcConfig): ParameterSets {
    if (this.#sets?.of !== config) {
      this.#sets = { of: config, all: new ParameterSets(config) };
      this.#changed = [];
    }
    const { all } = this.#sets;
    for (const nal of nals) {
      const type = nalType(nal);
      if (type !== NAL.sps && type !== NAL.pps) continue;
      if (!all.add(nal)) continue;
      if (this.#changed.length >= MAX_CHANGED) this.#changed = [];
      this.#changed.push(new Uint8Array(nal));
    }
    return all;
  }

  #watchRate(dtsUs: number): void {
    this.#rate.add(dtsUs);
    const rate = this.#rate.perSecond ?? 0;
    if (rate > ABSURD_RATE) {
      const what = Number.isFinite(rate)
        ? `${Math.round(rate)} pictures a second`
        : 'a clock that stands still';
      const text = `The stream has ${what}: set the frame rate to 60 or less.`;
      this.#fail(new LecternError('rate-limited', text));
    } else if (rate > MAX_RATE) {
      this.#require('rate');
    }
  }

  #watchKeys(isKey: boolean, dtsUs: number): void {
    const sinceUs = dtsUs - (this.#keyAtUs ?? this.#firstAtUs ?? dtsUs);
    if (this.#keyAtUs === undefined && !isKey && sinceUs > NO_KEYFRAME_MS * 1_000) {
      const text = 'The stream brought no key frame: set the keyframe interval to 2 s.';
      this.#fail(new LecternError('unsupported-codec', text));
    } else if (this.#keyAtUs !== undefined && sinceUs > MAX_KEYFRAME_INTERVAL_MS * 1_000) {
      this.#require('keyframes');
    }
    if (isKey) this.#keyAtUs = dtsUs;
  }

  #fail(error: LecternError): void {
    if (this.#isClosed()) return;
    this.close();
    this.#options.onFailure(error);
  }
}
