// The picture of a publication: passed on as it is where browsers can show it, converted where not, and
// never passed on broken.
import { LecternError } from '#shared/contract/errors.ts';
import { sentenceOf, type PublisherNotice } from '#shared/contract/publisher-notice.ts';
import { hasRecoveryPoint, LEFT_OUT, NAL, nalType, readAvcc } from '#shared/media/avc.ts';
import { firstSlice, ParameterSets } from '#shared/media/avc-sets.ts';
import type { AvcConfig } from '#shared/media/frame.ts';
import type { CodedVideoFrame } from '../rtp/depacketiser.ts';
import { Conversion, filtersFor, type ConversionOptions } from './conversion.ts';
import { Gop } from './gop.ts';
import {
  ABSURD_RATE,
  hasBSlice,
  inspectConfig,
  MAX_KEYFRAME_INTERVAL_MS,
  MAX_RATE,
  RateMeter,
  type Reason,
} from './inspect.ts';
import type { CodedVideo } from '../../ffmpeg/containers/matroska.ts';
import type { Semaphore } from '../../ffmpeg/semaphore.ts';

/** Without a key frame for this long a publisher is sent away. */
const NO_KEYFRAME_MS = 20_000;
/** A picture that others overtake is shown this much later than one that none does; less is rounding. */
const MIN_SHIFT_US = 3_000;
/** Frames further apart than this have a pause between them, which makes no group of pictures longer. */
const PAUSE_US = 1_000_000;
/** Parameter sets that change between two frames. */
const MAX_CHANGED = 64;

/** One access unit on the timeline. `data` are NAL units or, of other codecs, what their container holds. */
export interface VideoInput {
  readonly ptsUs: number;
  readonly dtsUs: number;
  readonly key: boolean;
  readonly data: Uint8Array;
  readonly config: AvcConfig | CodedVideo;
}

/** A picture as it came. */
interface Original {
  readonly nals: readonly Uint8Array[];
  readonly config: AvcConfig;
  readonly isIdr: boolean;
  readonly ptsUs: number;
}

/** Reasons for which the original may still be shown until the converter is ready. */
const SOFT: ReadonlySet<Reason> = new Set(['rate', 'keyframes']);

export interface PublicationVideoOptions {
  readonly ffmpeg: string;
  readonly slots: Semaphore;
  /** NAL units to send, parameter sets included. Returns false if they were dropped. */
  readonly send: (nals: readonly Uint8Array[], ptsUs: number) => boolean;
  readonly onKeyframeWanted: () => void;
  /** What the publisher should change. */
  readonly onNotice: (notice: PublisherNotice) => void;
  /** It cannot go on. */
  readonly onFailure: (error: LecternError) => void;
  readonly onLog: (line: string) => void;
}

export class PublicationVideo {
  readonly #options: PublicationVideoOptions;
  readonly #rate = new RateMeter();
  readonly #reasons = new Set<Reason>();
  #config: AvcConfig | CodedVideo | undefined;
  /** Of what is passed on: those that were announced, and what changed within the stream since. */
  #sets: { readonly of: AvcConfig; readonly all: ParameterSets } | undefined;
  /** Parameter sets that changed and were not passed on yet. */
  #changed: Uint8Array[] = [];
  #conversion: Conversion | undefined;
  /** Gives back the place among those that are converted. */
  #release: (() => void) | undefined;
  /** It is to be converted as soon as that can begin: until then the original goes on, or not. */
  #wanted: ConversionOptions['original'] | undefined;
  readonly #gop = new Gop();
  /** The original picture that came last, while it is open whether others are shown before it. */
  #held: Original | undefined;
  /** How much later than it is decoded a picture is shown that none overtakes. */
  #shiftUs = 0;
  #needsKey = true;
  /** When the last picture was, and the last key frame: pauses apart. */
  #frameAtUs: number | undefined;
  #keyAtUs: number | undefined;
  #firstAtUs: number | undefined;
  #lastPtsUs = -Infinity;
  #state: 'open' | 'closed' = 'open';

  constructor(options: PublicationVideoOptions) {
    this.#options = options;
  }

  get mode(): 'pass' | 'convert' {
    return this.#conversion === undefined ? 'pass' : 'convert';
  }

  /** Takes the next access unit, in decoding order. Throws MalformedError if it is none. */
  submitFrame(frame: VideoInput): void {
    if (this.#state === 'closed') return;
    this.#firstAtUs ??= frame.dtsUs;
    if (frame.config !== this.#config) this.#configure(frame.config);
    // A view of what was received would be overwritten, and `slice` of a Buffer is one.
    const data = new Uint8Array(frame.data);
    const nals = 'codec' in frame.config ? this.#split(data) : undefined;
    const isIdr = nals?.some((nal) => nalType(nal) === NAL.idr) ?? frame.key;
    const key = isIdr || frame.key || (nals !== undefined && hasRecoveryPoint(nals));
    this.#watchRate(frame.dtsUs);
    this.#watchKeys(isIdr, key, frame.dtsUs);
    if (nals !== undefined && hasBSlice(nals)) this.#require('b-frames');
    if (this.#isClosed()) return;
    const kept = { ...frame, key, data };
    this.#gop.addFrame(kept, isIdr);
    if (this.#wanted !== undefined && this.#gop.frames.length > 0) this.#convert(this.#wanted);
    else this.#conversion?.convertFrames([kept]);
    if (nals !== undefined && 'codec' in frame.config) this.#original(frame, nals, frame.config, isIdr);
  }

  /** Nothing more comes. Resolves when all that came is sent. */
  async finish(): Promise<void> {
    this.#passHeld();
    await this.#conversion?.finish();
  }

  close(): void {
    this.#state = 'closed';
    this.#gop.clear();
    this.#conversion?.close();
    this.#conversion = undefined;
    this.#release?.();
    this.#release = undefined;
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
      this.#gop.clear();
      throw error;
    }
  }

  #configure(config: AvcConfig | CodedVideo): void {
    this.#config = config;
    this.#passHeld();
    this.#needsKey = true;
    this.#gop.clear();
    const reasons = 'codec' in config ? inspectConfig(config) : new Set<Reason>(['codec']);
    for (const reason of reasons) this.#require(reason);
  }

  /** There is no way back: a stream that is converted now and then would flicker. */
  #require(reason: Reason): void {
    if (this.#reasons.has(reason) || this.#isClosed()) return;
    this.#reasons.add(reason);
    this.#options.onNotice(this.#notice);
    const isOver = this.#conversion?.hasTakenOver ?? false;
    // What runs already does what is to be done.
    const isEnough = this.#conversion?.filters === filtersFor(this.#reasons);
    if (isEnough && (isOver || SOFT.has(reason))) return;
    if (isOver || !SOFT.has(reason)) this.#wanted = 'ends';
    else this.#wanted ??= 'goes-on';
  }

  /** Converts from the beginning of this group of pictures on. */
  #convert(original: ConversionOptions['original']): void {
    this.#wanted = undefined;
    this.#conversion?.close();
    this.#release ??= this.#options.slots.take();
    if (this.#release === undefined) {
      const why = 'This stream has to be converted, and the server converts as many as it can already.';
      this.#fail(new LecternError('service-unavailable', `${why} ${sentenceOf(this.#notice)}`));
      return;
    }
    const { ffmpeg, onKeyframeWanted, onLog } = this.#options;
    this.#conversion = new Conversion({
      ffmpeg,
      reasons: this.#reasons,
      original,
      shownMs: () => Math.round(this.#lastPtsUs / 1_000),
      onFrame: (frame) => this.#converted(frame),
      onKeyframeWanted,
      onFailure: (reason) => this.#fail(new LecternError('unsupported-codec', reason)),
      onLog,
    });
    this.#conversion.convertFrames(this.#gop.frames);
  }

  #converted({ ticks, key, data, config }: CodedVideoFrame<AvcConfig>): void {
    if (this.#isClosed()) return;
    this.#pass(readAvcc(data), config, key, ticks * 1_000);
  }

  /** Passes the picture on as it came, unless it is the converter that shows it. */
  #original({ ptsUs, dtsUs }: VideoInput, nals: Uint8Array[], config: AvcConfig, isIdr: boolean): void {
    this.#passHeld();
    const shiftUs = ptsUs - dtsUs;
    if (isIdr) this.#shiftUs = shiftUs;
    this.#held = { nals, config, isIdr, ptsUs };
    // Shown later than it is decoded: if those that come before it are B-frames, it is not the original's.
    if (shiftUs - this.#shiftUs < MIN_SHIFT_US) this.#passHeld();
  }

  #passHeld(): void {
    const held = this.#held;
    this.#held = undefined;
    // Of one that is to be converted nothing more is shown as it is, also where its beginning is waited for.
    if (held === undefined || this.#wanted === 'ends' || this.#conversion?.takes(held.ptsUs)) return;
    this.#pass(held.nals, held.config, held.isIdr, held.ptsUs);
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

  /** Encoders may change their parameter sets within the stream and say nothing outside it. */
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

  /** `key` says whether decoding can begin here, `isIdr` whether browsers can begin here. */
  #watchKeys(isIdr: boolean, key: boolean, dtsUs: number): void {
    const stepUs = dtsUs - (this.#frameAtUs ?? dtsUs);
    this.#frameAtUs = dtsUs;
    if (isIdr) this.#keyAtUs = dtsUs;
    else if (stepUs > PAUSE_US && this.#keyAtUs !== undefined) this.#keyAtUs += stepUs;
    const sinceUs = dtsUs - (this.#keyAtUs ?? this.#firstAtUs ?? dtsUs);
    if (this.#keyAtUs !== undefined) {
      if (sinceUs > MAX_KEYFRAME_INTERVAL_MS * 1_000) this.#require('keyframes');
    } else if (key) {
      this.#require('keyframes');
    } else if (!this.#reasons.has('keyframes') && sinceUs > NO_KEYFRAME_MS * 1_000) {
      const text = 'The stream brought no key frame: set the keyframe interval to 2 s.';
      this.#fail(new LecternError('unsupported-codec', text));
    }
  }

  #fail(error: LecternError): void {
    if (this.#isClosed()) return;
    this.close();
    this.#options.onFailure(error);
  }
}
