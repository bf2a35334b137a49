// The programme of a room for players that come by WebRTC (WHEP). It is read off the room's producers once,
// spliced into one stream of each kind, and given to any number of viewers; a change of the programme is
// another source under the same SSRC, so that no player has to negotiate again.
import type { types } from 'mediasoup';
import { LecternError } from '#shared/contract/errors.ts';
import { SOURCES, type Source } from '#shared/domain/sources.ts';
import type { AudienceMedia, FeedSource, WhepViewer } from '../../room/ports.ts';
import type { Offer } from '../../sdp/offer.ts';
import { isGone, refusing } from '../refusal.ts';
import type { LiveWorker } from '../workers.ts';
import { keyOf, Outlet, wishOf, type VideoCodec, type Wish } from './outlet.ts';
import { readRtp } from './rtp.ts';
import { Voices } from './voices.ts';

const AUDIO_LEVEL = 'urn:ietf:params:rtp-hdrext:ssrc-audio-level';
/** An outlet that nobody watches by is kept for the next viewer for this long. */
const IDLE_MS = 10_000;
/** More ways than this to number two codecs no honest audience has, and each costs a router. */
const MAX_OUTLETS = 32;

interface Tapped {
  readonly source: Source;
  readonly consumer: types.Consumer;
}

/** Opens it on a room's router. */
export async function openAudience(router: types.Router, live: LiveWorker): Promise<AudienceMedia> {
  const transport = await refusing(() => router.createDirectTransport());
  return new Programme(router, live, transport);
}

class Programme implements AudienceMedia {
  readonly #router: types.Router;
  readonly #live: LiveWorker;
  readonly #transport: types.DirectTransport;
  readonly #levelId: number | undefined;
  /** By producer id. */
  readonly #tapped = new Map<string, Tapped>();
  readonly #voices = new Voices();
  readonly #outlets = new Map<string, Promise<Outlet>>();
  readonly #open = new Set<Outlet>();
  readonly #idle = new Set<NodeJS.Timeout>();
  /** The producer whose picture is wanted, and the one whose picture goes out. */
  #picture: { wanted: string | null; shown: string | null } = { wanted: null, shown: null };
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
    for (const outlet of this.#open) viewers += outlet.size;
    return viewers;
  }

  async select(sources: readonly FeedSource[]): Promise<void> {
    const wanted = new Set(sources.map(({ producerId }) => producerId));
    const video = sources.find(({ source }) => !isSound(source))?.producerId ?? null;
    this.#picture = { ...this.#picture, wanted: video };
    this.#voices.set(sources.filter(({ source }) => isSound(source)).map(({ producerId }) => producerId));
    for (const one of sources) if (!this.#tapped.has(one.producerId)) await this.#tap(one);
    for (const [producerId, { consumer }] of this.#tapped) {
      // The picture before stays until the first of the next is there.
      if (!wanted.has(producerId) && producerId !== this.#picture.shown) consumer.close();
    }
    if (video === null && this.#picture.shown !== null) this.#show(null);
  }

  async watch(offer: Offer, onGone: () => void): Promise<WhepViewer> {
    const wish = wishOf(offer, this.#codec);
    const key = keyOf(wish);
    const outlet = await (this.#outlets.get(key) ?? this.#openOutlet(wish));
    // mediasoup asks for a key frame by itself once the player is connected; earlier would be too early.
    return outlet.watch(offer, wish, () => {
      if (outlet.size === 0) this.#retire(outlet);
      onGone();
    });
  }

  close(): void {
    for (const timer of this.#idle) clearTimeout(timer);
    this.#idle.clear();
    for (const outlet of [...this.#open]) this.#drop(outlet);
    this.#transport.close();
  }

  async #tap({ producerId, source }: FeedSource): Promise<void> {
    const sound = isSound(source);
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
    if (producerId === this.#picture.wanted && this.#picture.shown === null) this.#speak(consumer);
    consumer.observer.once('close', () => {
      this.#tapped.delete(producerId);
      if (this.#picture.shown === producerId) this.#picture = { ...this.#picture, shown: null };
    });
    consumer.on('rtp', (packet) => {
      if (sound) this.#sound(producerId, packet);
      else this.#pictureFrom(producerId, consumer, packet);
    });
  }

  #sound(producerId: string, packet: Buffer): void {
    const rtp = readRtp(packet);
    if (rtp === undefined) return;
    const level = this.#levelId === undefined ? undefined : rtp.extensions.get(this.#levelId)?.[0];
    const nowMs = Date.now();
    if (!this.#voices.hear(producerId, level === undefined ? undefined : level & 0x7f, nowMs)) return;
    for (const outlet of this.#open) outlet.push('audio', producerId, rtp, nowMs);
  }

  #pictureFrom(producerId: string, consumer: types.Consumer, packet: Buffer): void {
    const { wanted, shown } = this.#picture;
    // mediasoup begins each consumer with a key frame: its first packet is where the picture may change.
    if (producerId === wanted && producerId !== shown) this.#show(producerId, consumer);
    if (producerId !== this.#picture.shown) return;
    const rtp = readRtp(packet);
    // Probes of bandwidth estimation have no payload.
    if (rtp === undefined || rtp.payload.length === 0) return;
    const nowMs = Date.now();
    for (const outlet of this.#open) outlet.push('video', producerId, rtp, nowMs);
  }

  #show(producerId: string | null, consumer?: types.Consumer): void {
    const { shown } = this.#picture;
    this.#picture = { ...this.#picture, shown: producerId };
    if (shown !== null && shown !== producerId) this.#tapped.get(shown)?.consumer.close();
    if (consumer !== undefined) this.#speak(consumer);
  }

  #speak(consumer: types.Consumer): void {
    const name = consumer.rtpParameters.codecs[0]?.mimeType.toLowerCase();
    const codec = name === 'video/vp8' ? 'vp8' : 'h264';
    if (codec === this.#codec) return;
    this.#codec = codec;
    // Another codec is the one thing that a player has to negotiate: it comes again and gets it.
    for (const outlet of [...this.#open]) if (outlet.codec !== codec) this.#drop(outlet);
  }

  #openOutlet(wish: Wish): Promise<Outlet> {
    const key = keyOf(wish);
    if (this.#outlets.size >= MAX_OUTLETS) {
      const unwatched = [...this.#open].find((outlet) => !outlet.isWatched);
      if (unwatched === undefined) throw new LecternError('room-full');
      this.#drop(unwatched);
    }
    const opening = Outlet.open({
      worker: this.#live.worker,
      server: this.#live.server,
      wish,
      onKeyFrameWanted: () => this.#requestKeyFrame(),
    });
    this.#outlets.set(key, opening);
    opening.then(
      (outlet) => {
        if (this.#transport.closed) outlet.close();
        else this.#open.add(outlet);
      },
      () => this.#outlets.delete(key),
    );
    return opening;
  }

  #retire(outlet: Outlet): void {
    if (!this.#open.has(outlet)) return;
    const timer = setTimeout(() => {
      this.#idle.delete(timer);
      if (outlet.size === 0) this.#drop(outlet);
    }, IDLE_MS);
    this.#idle.add(timer);
  }

  #drop(outlet: Outlet): void {
    if (!this.#open.delete(outlet)) return;
    this.#outlets.delete(outlet.key);
    outlet.close();
  }

  #requestKeyFrame(): void {
    const { shown, wanted } = this.#picture;
    const consumer = this.#tapped.get(shown ?? wanted ?? '')?.consumer;
    consumer?.requestKeyFrame().catch(() => undefined);
  }
}

const isSound = (source: Source): boolean => SOURCES[source].kind === 'audio';
