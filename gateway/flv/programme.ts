// The one picture and sound of a broadcast, as FLV and RTMP viewers get them.
import { writeAvcc } from '#shared/media/avc.ts';
import { concatBytes } from '#shared/media/bytes.ts';
import type { AudioConfig, AvcConfig, Frame, AudioCodec, VideoFrame } from '#shared/media/frame.ts';
import { flvTimestampMs } from '#shared/media/flv.ts';
import { MIN_STEP_US } from '../channel/limits.ts';
import type { ProgrammeAsks, ProgrammeSink } from '../channel/ports.ts';
import { Fanout, type FanoutEvents, type Reader } from './fanout.ts';
import { GopCache } from './gop-cache.ts';
import { frameTag, headerTags, type Tag, type Wire } from './tag.ts';

/**
 * How long the first viewers wait for the second kind of media, so that the header tells the truth. What
 * is not there by then is filled in.
 */
const PRIME_AFTER_US = 1_500_000;

/** How often the key frame of a new configuration is sent before it. */
const BRIDGE_STEPS = 2;

export interface ProgrammeOptions {
  readonly wires: readonly Wire[];
  readonly asks: ProgrammeAsks;
  readonly eventsOf: (wire: Wire) => FanoutEvents;
  /** Called once, when the broadcast is over. */
  readonly onEnd?: () => void;
}

export class FlvProgramme implements ProgrammeSink {
  readonly #options: ProgrammeOptions;
  readonly #fanouts: ReadonlyMap<Wire, Fanout>;
  readonly #cache = new GopCache();
  /** Who waits for a picture and a sound to begin with, and since when. */
  readonly #waiting = new Map<Reader, { readonly wire: Wire; sinceUs: number | undefined }>();
  #wanted: ReadonlySet<AudioCodec> = new Set();
  #video: AvcConfig | undefined;
  /** By codec: what was announced of its sound, and when the newest of it is heard. */
  readonly #audio = new Map<AudioCodec, { config: AudioConfig; lastUs: number }>();
  /** When the newest picture is decoded. */
  #videoUs = -Infinity;
  #state: 'on-air' | 'ended' = 'on-air';

  constructor(options: ProgrammeOptions) {
    this.#options = options;
    this.#fanouts = new Map(
      options.wires.map((wire) => [
        wire,
        new Fanout({
          wire,
          headers: (next) => this.#headers(wire.audioCodec, next),
          events: options.eventsOf(wire),
        }),
      ]),
    );
  }

  /** How many watch over one of `wires`. */
  viewers(...wires: readonly Wire[]): number {
    const waiting = [...this.#waiting.values()].filter(({ wire }) => wires.includes(wire)).length;
    return wires.reduce((sum, wire) => sum + (this.#fanouts.get(wire)?.size ?? 0), waiting);
  }

  /** Lets `reader` watch. It gets a picture at once if there is one. Leave with {@link leave}. */
  join(wire: Wire, reader: Reader): void {
    if (this.#state === 'ended') {
      reader.close('in-order');
      return;
    }
    this.#waiting.set(reader, { wire, sinceUs: undefined });
    this.#listen();
    this.#admit();
    if (this.#video !== undefined && this.#cache.tags.length === 0) this.#options.asks.requestKeyframe();
  }

  /** The reader is gone. */
  leave(reader: Reader): void {
    this.#waiting.delete(reader);
    for (const fanout of this.#fanouts.values()) fanout.remove(reader);
    this.#listen();
  }

  writeFrame(frame: Frame): void {
    if (this.#state === 'ended') return;
    this.#take(frame);
  }

  end(): void {
    if (this.#state === 'ended') return;
    this.#state = 'ended';
    for (const reader of this.#waiting.keys()) reader.close('in-order');
    this.#waiting.clear();
    for (const fanout of this.#fanouts.values()) fanout.close();
    this.#cache.clear();
    this.#options.onEnd?.();
  }

  #take(given: Frame): void {
    const frame = given.kind === 'video' ? this.#behind(given) : given;
    const timeUs = frame.kind === 'video' ? frame.dtsUs : frame.ptsUs;
    if (frame.kind === 'video') {
      const changed = frame.config !== this.#video;
      if (changed && this.#video !== undefined) this.#bridge(frame);
      this.#videoUs = timeUs;
      this.#video = frame.config;
      if (changed) this.#announce([...this.#fanouts.keys()].map(({ audioCodec: codec }) => codec));
    } else {
      const { config } = frame;
      const changed = config !== this.#audio.get(config.codec)?.config;
      this.#audio.set(config.codec, { config, lastUs: timeUs });
      if (changed) this.#announce([config.codec]);
    }
    // Without a picture every sound is as good a place to begin as another.
    const entry = frame.kind === 'video' ? frame.key : this.#video === undefined;
    this.#pushTag(frameTag(frame, entry));
    if (this.#waiting.size > 0) this.#admit(timeUs);
  }

  /** Asks for the codecs that somebody listens to. */
  #listen(): void {
    const wires = [...this.#fanouts.keys()].filter((wire) => this.viewers(wire) > 0);
    const wanted = new Set(wires.map(({ audioCodec: codec }) => codec));
    if (wanted.size === this.#wanted.size && [...wanted].every((codec) => this.#wanted.has(codec))) return;
    this.#wanted = wanted;
    const [oldest] = this.#cache.tags;
    this.#options.asks.wantAudio(wanted, oldest && oldest.timestampMs * 1_000);
  }

  /** Lets those begin who have all they need, or waited for long enough at `nowUs`. */
  #admit(nowUs?: number): void {
    for (const [reader, waiting] of this.#waiting) {
      waiting.sinceUs ??= nowUs;
      const { wire, sinceUs } = waiting;
      const isComplete =
        this.#video !== undefined && this.#options.asks.audioConfig(wire.audioCodec) !== undefined;
      const waitedUs = sinceUs === undefined || nowUs === undefined ? 0 : nowUs - sinceUs;
      if (!isComplete && waitedUs <= PRIME_AFTER_US) continue;
      this.#waiting.delete(reader);
      this.#welcome(wire, reader);
    }
  }

  /**
   * A new configuration needs room before it, and what comes next is behind it: no two frames have one time.
   */
  #behind(frame: VideoFrame): VideoFrame {
    const isBridged = this.#video !== undefined && frame.config !== this.#video;
    const lateUs = this.#videoUs + (isBridged ? BRIDGE_STEPS + 1 : 1) * MIN_STEP_US - frame.dtsUs;
    return lateUs > 0 ? { ...frame, dtsUs: frame.dtsUs + lateUs, ptsUs: frame.ptsUs + lateUs } : frame;
  }

  /**
   * Sends the key frame of a new configuration twice before it, with its parameter sets inside. mpegts.js
   * and flv.js hold the newest frame back until the next tells its length, and then hand it to the decoder
   * under the new configuration: if that is a key frame of the old one, Chromium gives up. Twice, because
   * they hold back one more where a piece of the stream has a single frame.
   */
  #bridge(frame: VideoFrame): void {
    const data = concatBytes([writeAvcc(frame.config.sets), frame.data]);
    for (let step = 1; step <= BRIDGE_STEPS; step += 1) {
      const dtsUs = this.#videoUs + step * MIN_STEP_US;
      this.#pushTag(frameTag({ ...frame, data, dtsUs, ptsUs: dtsUs }, false));
    }
  }

  /** Tells those who get one of `codecs` the configurations, after one of them changed. */
  #announce(codecs: readonly AudioCodec[]): void {
    for (const codec of new Set(codecs)) for (const tag of this.#headers(codec, [])) this.#pushTag(tag);
  }

  #pushTag(tag: Tag): void {
    this.#cache.addTag(tag);
    for (const fanout of this.#fanouts.values()) fanout.sendTag(tag);
  }

  #welcome(wire: Wire, reader: Reader): void {
    const preamble = wire.preamble({
      audio: this.#options.asks.audioConfig(wire.audioCodec) !== undefined,
      video: this.#video !== undefined,
    });
    const cached = this.#cache.tags;
    // What builds on a picture that this viewer never got is of no use to it.
    if (cached.length === 0) {
      this.#fanouts.get(wire)?.addViewer(reader, [preamble], 'entry');
      return;
    }
    const head = [preamble, ...this.#headers(wire.audioCodec, cached).map((tag) => tag.on(wire))];
    this.#fanouts.get(wire)?.addViewer(reader, [Buffer.concat(head), ...this.#cache.on(wire)]);
  }

  /**
   * The configurations, to be followed by `next` and what comes then. Sound is encoded and so comes behind
   * the picture of its moment: the time is one that no tag after them is before, of either kind.
   */
  #headers(codec: AudioCodec, next: readonly Tag[]): Tag[] {
    const heard = this.#audio.get(codec);
    const newest = [this.#videoUs, heard?.lastUs ?? -Infinity].filter((timeUs) => timeUs !== -Infinity);
    const timestampsMs = [...newest.map(flvTimestampMs), ...next.map((tag) => tag.timestampMs)];
    const config = heard?.config ?? this.#options.asks.audioConfig(codec);
    return headerTags(codec, this.#video, config, Math.min(...timestampsMs));
  }
}
