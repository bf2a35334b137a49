// One broadcast's sound on this side of the worker. While one source alone is heard its Opus is passed through
// as it came; while there are several the worker mixes them. AAC always comes from the worker. Nothing is made
// that nobody needs.
import { AAC_FRAME_SAMPLES, aacConfig } from '#shared/media/aac.ts';
import { MalformedError } from '#shared/media/bytes.ts';
import type { AudioConfig, AudioCodec } from '#shared/media/frame.ts';
import { opusPacketInfo, PROGRAMME_OPUS, SILENT_OPUS } from '#shared/media/opus.ts';
import type { Mixer, MixerOptions } from '../channel/sources.ts';
import { OPUS_SAMPLES } from './messages.ts';
import { SAMPLE_RATE, SNAP_SAMPLES, type ChannelCount } from './mixer.ts';

const MS = SAMPLE_RATE / 1_000;
/** So much is kept for a codec that somebody asks for now: a group of pictures, which new viewers begin with. */
const KEPT_SAMPLES = 3_000 * MS;
/** A source that sent nothing for this long is not heard. */
const HEARD_SAMPLES = 1_000 * MS;
/** What goes to a mixer before it is needed, for decoders to settle. */
const SETTLE_SAMPLES = 100 * MS;
/** Packets that wait while there is no worker: ten seconds of one source. What is older is left out. */
const MAX_QUEUED = 500;
/** A codec that nobody needs any more is made for so long yet: viewers come back. */
const LINGER_MS = 10_000;
/** How much of the distance from there is made up with each packet: clocks drift. */
const DRIFT_WEIGHT = 0.02;
/** A source that is this late is silent, as far as the second distance (the mixer waits as long). */
const SILENT_AFTER_SAMPLES = 240 * MS;
const SILENT_BEHIND_SAMPLES = 120 * MS;

const AAC = { 1: aacConfig(SAMPLE_RATE, 1), 2: aacConfig(SAMPLE_RATE, 2) } as const;
/** The bit of a packet's first byte that says stereo (RFC 6716 §3.1). */
const OPUS_STEREO = 0x04;

/** One Opus packet at its place on the timeline, in samples. */
export interface Packet {
  readonly source: string;
  readonly position: number;
  readonly data: Uint8Array;
}

/** What the worker is to do for a bus now. */
export interface Order {
  readonly channels: ChannelCount;
  /** Where the timeline is, in samples; undefined while it stands still. */
  readonly now: number | undefined;
  readonly packets: readonly Packet[];
  readonly removed: readonly string[];
  readonly aac: boolean;
  /** From where on the mix is wanted in Opus, in samples; undefined if it is not. */
  readonly opusFrom: number | undefined;
}

/** Where the Opus that is given out comes from. */
type Opus =
  | { readonly state: 'off' | 'passing' }
  | { readonly state: 'mixing'; readonly from: number }
  /** The mix is over; its last packets are awaited, with the answer to this batch once it was sent. */
  | { readonly state: 'draining'; batch: number | undefined };

export interface MixerBusHost {
  /** Monotonic, ms. */
  nowMs(): number;
  /** There is something new, which {@link MixerBus.order} tells. */
  news(): void;
  /** The worker may forget this bus until there is an order again. */
  release(): void;
}

export class MixerBus implements Omit<Mixer, 'close'> {
  readonly #options: MixerOptions;
  readonly #host: MixerBusHost;
  /** Until when each codec is made, in ms. */
  readonly #untilMs = new Map<AudioCodec, number>();
  /** Where the newest packet of each source begins. */
  readonly #heard = new Map<string, number>();
  #recent: Packet[] = [];
  #queue: Packet[] = [];
  #removed: string[] = [];
  #opus: Opus = { state: 'off' };
  /** Where what was given out ends, in samples: nothing goes back behind it. */
  readonly #end = { aac: -Infinity, opus: -Infinity };
  /** True while packets go to the worker. */
  #feeds = false;
  /**
   * Undefined until it is decided: mono costs half of stereo, and a change in the middle would be a new
   * configuration for every player.
   */
  #channels: ChannelCount | undefined;

  constructor(options: MixerOptions, host: MixerBusHost) {
    this.#options = options;
    this.#host = host;
  }

  /** What the worker encodes for it now. */
  get encoded(): readonly AudioCodec[] {
    if (!this.#feeds || this.#channels === undefined) return [];
    return [
      ...(this.#isNeeded('aac') ? ['aac' as const] : []),
      ...(this.#opus.state === 'mixing' ? ['opus' as const] : []),
    ];
  }

  want(codecs: ReadonlySet<AudioCodec>): void {
    const nowMs = this.#host.nowMs();
    for (const codec of codecs) this.#untilMs.set(codec, Infinity);
    for (const [codec, untilMs] of this.#untilMs)
      if (!codecs.has(codec) && untilMs === Infinity) this.#untilMs.set(codec, nowMs + LINGER_MS);
    this.#route();
    this.#host.news();
  }

  addPacket(source: string, ptsUs: number, data: Uint8Array): void {
    const packet = { source, position: (ptsUs * SAMPLE_RATE) / 1_000_000, data };
    this.#channels ??= ((data[0] ?? 0) & OPUS_STEREO) === 0 ? 1 : 2;
    this.#heard.set(source, packet.position);
    const oldest = packet.position - KEPT_SAMPLES;
    while (this.#recent.length > 0 && (this.#recent[0]?.position ?? 0) < oldest) this.#recent.shift();
    this.#route();
    this.#recent.push(packet);
    if (this.#feeds) this.#feed(packet);
    if (this.#opus.state === 'passing') this.#pass(packet);
    this.#host.news();
  }

  configOf(codec: AudioCodec): AudioConfig {
    return codec === 'aac' ? AAC[(this.#channels ??= 2)] : PROGRAMME_OPUS;
  }

  remove(source: string): void {
    this.#heard.delete(source);
    this.#removed.push(source);
  }

  /** What the worker is to do, in the batch of this number; undefined if nothing. Call it regularly. */
  order(batch: number): Order | undefined {
    this.#route();
    const nowUs = this.#options.positionUs();
    const now = nowUs === undefined ? undefined : (nowUs * SAMPLE_RATE) / 1_000_000;
    if (this.#opus.state === 'passing' && now !== undefined) this.#fallSilent(now);
    if (this.#opus.state === 'draining') this.#opus.batch ??= batch;
    if (!this.#feeds || this.#channels === undefined) return undefined;
    const order: Order = {
      channels: this.#channels,
      now,
      packets: this.#queue,
      removed: this.#removed,
      aac: this.#isNeeded('aac'),
      opusFrom: this.#opus.state === 'mixing' ? this.#opus.from : undefined,
    };
    this.#queue = [];
    this.#removed = [];
    return order;
  }

  /** The worker made `data`, which begins at `position` in samples. */
  made(codec: AudioCodec, position: number, data: Uint8Array): void {
    // A fresh encoder begins with its priming, which would go back behind what was given out.
    if (this.#channels === undefined || position < this.#end[codec]) return;
    if (codec === 'aac') this.#give(AAC[this.#channels], position, AAC_FRAME_SAMPLES, data);
    else if (this.#opus.state !== 'passing') this.#give(PROGRAMME_OPUS, position, OPUS_SAMPLES, data);
  }

  /** All that the worker made of this batch was handed over. */
  answered(batch: number): void {
    if (this.#opus.state === 'draining' && this.#opus.batch === batch) this.#passAgain();
  }

  /** The worker is another, which knows nothing of what came before. */
  restarted(): void {
    if (this.#opus.state === 'draining') this.#passAgain();
  }

  #isNeeded(codec: AudioCodec): boolean {
    return (this.#untilMs.get(codec) ?? -Infinity) > this.#host.nowMs();
  }

  /** Who is heard now. */
  #speaking(): readonly string[] {
    const newest = Math.max(...this.#heard.values());
    return [...this.#heard].filter(([, at]) => at > newest - HEARD_SAMPLES).map(([source]) => source);
  }

  /** Decides where Opus comes from, and whether the worker has to be fed. */
  #route(): void {
    const { state } = this.#opus;
    const several = this.#speaking().length > 1;
    if (!this.#isNeeded('opus')) this.#opus = { state: 'off' };
    else if (several && (state === 'off' || state === 'passing')) {
      const oldest = this.#recent[0]?.position ?? -Infinity;
      this.#opus = { state: 'mixing', from: Math.max(this.#end.opus, oldest) };
    } else if (!several && state === 'off') this.#passAgain();
    else if (!several && state === 'mixing') this.#opus = { state: 'draining', batch: undefined };
    const needsAac = this.#isNeeded('aac');
    const feeds = needsAac || this.#opus.state === 'mixing' || this.#opus.state === 'draining';
    if (feeds && !this.#feeds) {
      const from = needsAac || this.#opus.state !== 'mixing' ? -Infinity : this.#opus.from - SETTLE_SAMPLES;
      for (const packet of this.#recent) if (packet.position >= from) this.#feed(packet);
    }
    if (!feeds && this.#feeds) {
      this.#queue = [];
      this.#removed = [];
      this.#host.release();
    }
    this.#feeds = feeds;
  }

  #feed(packet: Packet): void {
    this.#queue.push(packet);
    if (this.#queue.length > MAX_QUEUED) this.#queue.shift();
  }

  /** Opus comes from the one source that is heard, from what was given out last on. */
  #passAgain(): void {
    this.#opus = { state: 'passing' };
    const [source] = this.#speaking();
    for (const packet of this.#recent) if (packet.source === source) this.#pass(packet);
  }

  #pass({ position, data }: Packet): void {
    const samples = lengthOf(data);
    const end = this.#end.opus;
    if (samples === undefined || position < end - samples / 2) return;
    const distance = position - end;
    const at = Math.abs(distance) < SNAP_SAMPLES ? end + distance * DRIFT_WEIGHT : position;
    this.#give(PROGRAMME_OPUS, at, samples, data);
  }

  #fallSilent(now: number): void {
    if (now - this.#end.opus < SILENT_AFTER_SAMPLES || this.#end.opus === -Infinity) return;
    while (this.#end.opus + OPUS_SAMPLES <= now - SILENT_BEHIND_SAMPLES)
      this.#give(PROGRAMME_OPUS, this.#end.opus, OPUS_SAMPLES, SILENT_OPUS);
  }

  #give(config: AudioConfig, position: number, samples: number, data: Uint8Array): void {
    this.#end[config.codec] = position + samples;
    this.#options.onFrame({
      kind: 'audio',
      ptsUs: Math.round((position * 1_000_000) / SAMPLE_RATE),
      durationUs: (samples * 1_000_000) / SAMPLE_RATE,
      data,
      config,
    });
  }
}

/** In samples; undefined if the packet is none. */
function lengthOf(data: Uint8Array): number | undefined {
  try {
    return (opusPacketInfo(data).durationUs * SAMPLE_RATE) / 1_000_000;
  } catch (error) {
    if (error instanceof MalformedError) return undefined;
    throw error;
  }
}
