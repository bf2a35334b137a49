// The programme of a room for players that come by WebRTC (WHEP). It is read off the room's producers once,
// spliced into one stream of each kind, and given to any number of viewers; a change of the programme is
// another source under the same SSRC, so that no player has to negotiate again.
import type { types } from 'mediasoup';
import { LecternError } from '#shared/contract/errors.ts';
import { SOURCES, type Source } from '#shared/domain/sources.ts';
import { expected } from '#shared/expected.ts';
import { parseRtp } from '#shared/media/rtp.ts';
import type { AudienceMedia, FeedSource, WhepViewer } from '../../room/ports.ts';
import type { Offer } from '../../sdp/offer.ts';
import { isGone, refusing } from '../refusal.ts';
import type { LiveWorker } from '../workers.ts';
import { keyOf, EgressTransport, formatOf, type VideoCodec, type EgressFormat } from './egress.ts';
import { Voices } from './voices.ts';

const AUDIO_LEVEL = 'urn:ietf:params:rtp-hdrext:ssrc-audio-level';
/** An unwatched egress is kept for the next viewer for this long. */
const IDLE_MS = 10_000;
/** More ways than this to number two codecs no honest audience has, and each costs a router. */
const MAX_EGRESSES = 32;

interface Tapped {
  readonly source: Source;
  readonly consumer: types.Consumer;
}

/** Opens it on a room's router. */
export async function openAudience(router: types.Router, live: LiveWorker): Promise<AudienceMedia> {
  const transport = await refusing(() => router.createDirectTransport());
  return new AudienceProgramme(router, live, transport);
}

class AudienceProgramme implements AudienceMedia {
  readonly #router: types.Router;
  readonly #live: LiveWorker;
  readonly #transport: types.DirectTransport;
  readonly #levelId: number | undefined;
  /** By producer id. */
  readonly #tapped = new Map<string, Tapped>();
  readonly #voices = new Voices();
  readonly #egresses = new Map<string, Promise<EgressTransport>>();
  readonly #open = new Set<EgressTransport>();
  readonly #idle = new Set<NodeJS.Timeout>();
  /** The producer whose picture is wanted, and the one whose picture goes out. */
  #video: { wanted: string | null; shown: string | null } = { wanted: null, shown: null };
  #codec: VideoCodec = 'h264';

  constructor(router: types.Router, live: LiveWorker, transport: types.DirectTransport) {
    this.#router = router;
    this.#live = live;
    this.#transport = transport;
    this.#levelId = router.rtpCapabilities.headerExtensions?.find(
      ({ uri }) => uri === AUDIO_LEVEL,
    )?.preferredId;
  }

  get viewers(): number {
    let viewers = 0;
    for (const egress of this.#open) viewers += egress.size;
    return viewers;
  }

  async select(sources: readonly FeedSource[]): Promise<void> {
    const wanted = new Set(sources.map(({ producerId }) => producerId));
    const video = sources.find(({ source }) => !isAudio(source))?.producerId ?? null;
    this.#video = { ...this.#video, wanted: video };
    this.#voices.set(sources.filter(({ source }) => isAudio(source)).map(({ producerId }) => producerId));
    for (const one of sources) if (!this.#tapped.has(one.producerId)) await this.#tap(one);
    for (const [producerId, { consumer }] of this.#tapped) {
      // The picture before stays until the first of the next is there.
      if (!wanted.has(producerId) && producerId !== this.#video.shown) consumer.close();
    }
    if (video === null && this.#video.shown !== null) this.#show(null);
  }

  async watch(offer: Offer, onGone: () => void): Promise<WhepViewer> {
    const format = formatOf(offer, this.#codec);
    const key = keyOf(format);
    const egress = await (this.#egresses.get(key) ?? this.#openEgress(format));
    // mediasoup asks for a key frame by itself once the player is connected; earlier would be too early.
    return egress.watch(offer, format, () => {
      if (egress.size === 0) this.#retire(egress);
      onGone();
    });
  }

  close(): void {
    for (const timer of this.#idle) clearTimeout(timer);
    this.#idle.clear();
    for (const egress of [...this.#open]) this.#drop(egress);
    this.#transport.close();
  }

  async #tap({ producerId, source }: FeedSource): Promise<void> {
    const audio = isAudio(source);
    let consumer: types.Consumer;
    try {
      const rtpCapabilities = this.#router.rtpCapabilities;
      // An ordinary consumer: of a simulcast picture it takes the best layer that there is.
      consumer = await this.#transport.consume({ producerId, rtpCapabilities, enableRtx: false });
    } catch (error) {
      // It closed meanwhile: the next programme is without it.
      if (isGone(error) && !this.#transport.closed) return;
      throw error;
    }
    this.#tapped.set(producerId, { source, consumer });
    if (producerId === this.#video.wanted && this.#video.shown === null) this.#speak(consumer);
    consumer.observer.once('close', () => {
      this.#tapped.delete(producerId);
      if (this.#video.shown === producerId) this.#video = { ...this.#video, shown: null };
    });
    consumer.on('rtp', (packet) => {
      if (audio) this.#forwardAudio(producerId, packet);
      else this.#videoFrom(producerId, consumer, packet);
    });
  }

  #forwardAudio(producerId: string, packet: Buffer): void {
    const rtp = parseRtp(packet, this.#levelId);
    if (rtp === undefined) return;
    const level = rtp.extension?.[0];
    const nowMs = Date.now();
    if (!this.#voices.hear(producerId, level === undefined ? undefined : level & 0x7f, nowMs)) return;
    for (const egress of this.#open) egress.sendPacket('audio', producerId, rtp, nowMs);
  }

  #videoFrom(producerId: string, consumer: types.Consumer, packet: Buffer): void {
    const { wanted, shown } = this.#video;
    // mediasoup begins each consumer with a key frame: its first packet is where the picture may change.
    if (producerId === wanted && producerId !== shown) this.#show(producerId, consumer);
    if (producerId !== this.#video.shown) return;
    const rtp = parseRtp(packet);
    // Probes of bandwidth estimation have no payload.
    if (rtp === undefined || rtp.payload.length === 0) return;
    const nowMs = Date.now();
    for (const egress of this.#open) egress.sendPacket('video', producerId, rtp, nowMs);
  }

  #show(producerId: string | null, consumer?: types.Consumer): void {
    const { shown } = this.#video;
    this.#video = { ...this.#video, shown: producerId };
    if (shown !== null && shown !== producerId) this.#tapped.get(shown)?.consumer.close();
    if (consumer !== undefined) this.#speak(consumer);
  }

  #speak(consumer: types.Consumer): void {
    const name = consumer.rtpParameters.codecs[0]?.mimeType.toLowerCase();
    const codec = name === 'video/vp8' ? 'vp8' : 'h264';
    if (codec === this.#codec) return;
    this.#codec = codec;
    // Another codec is the one thing that a player has to negotiate: it comes again and gets it.
    for (const egress of [...this.#open]) if (egress.codec !== codec) this.#drop(egress);
  }

  #openEgress(format: EgressFormat): Promise<EgressTransport> {
    const key = keyOf(format);
    if (this.#egresses.size >= MAX_EGRESSES) {
      const unwatched = [...this.#open].find((egress) => !egress.isWatched);
      if (unwatched === undefined) throw new LecternError('room-full');
      this.#drop(unwatched);
    }
    const opening = EgressTransport.open({
      worker: this.#live.worker,
      server: this.#live.server,
      format,
      onKeyFrameWanted: () => this.#requestKeyFrame(),
    });
    this.#egresses.set(key, opening);
    opening.then(
      (egress) => {
        if (this.#transport.closed) egress.close();
        else this.#open.add(egress);
      },
      () => this.#egresses.delete(key),
    );
    return opening;
  }

  #retire(egress: EgressTransport): void {
    if (!this.#open.has(egress)) return;
    const timer = setTimeout(() => {
      this.#idle.delete(timer);
      if (egress.size === 0) this.#drop(egress);
    }, IDLE_MS);
    this.#idle.add(timer);
  }

  #drop(egress: EgressTransport): void {
    if (!this.#open.delete(egress)) return;
    this.#egresses.delete(egress.key);
    egress.close();
  }

  #requestKeyFrame(): void {
    const { shown, wanted } = this.#video;
    const consumer = this.#tapped.get(shown ?? wanted ?? '')?.consumer;
    consumer?.requestKeyFrame().catch(expected('the consumer is closed'));
  }
}

const isAudio = (source: Source): boolean => SOURCES[source].kind === 'audio';
