// What this tab receives: one entry for each source of each person, with the track to show or play.
import type { Consumer } from 'mediasoup-client/types';
import type { ConsumerView } from '#shared/contract/features/media.ts';
import type { Source } from '#shared/domain/sources.ts';
import { Emitter } from './emitter.ts';
import { layerFor, type TileSize } from './layers.ts';
import { rtpParameters, type MediaSession } from './media-session.ts';
import type { Signalling } from './signalling.ts';

/** Tiles move while a window is dragged; the last size within this many ms counts. */
const SIZE_SETTLE_MS = 150;

/** Someone's camera, microphone, screen or screen sound, as it arrives here. */
export interface RemoteMedia {
  /** Stable over reconnections: who and what. */
  readonly key: string;
  readonly peerId: string;
  readonly source: Source;
  readonly kind: 'audio' | 'video';
  /** Null until the first packet's way is set up. After a lost connection it is the old one, with its last frame. */
  readonly track: MediaStreamTrack | null;
  /** The sender paused it. */
  readonly paused: boolean;
  /** The simulcast layer that arrives; null while none does or it is not known. */
  readonly layer: number | null;
}

interface Entry {
  view: ConsumerView;
  consumer: Consumer | undefined;
  track: MediaStreamTrack | null;
  layer: number | null;
  /** The layer last asked for; null is paused, undefined not yet asked. */
  asked: number | null | undefined;
}

export interface SubscriptionsEvents {
  changed: [];
  /** One could not be received; the reason is for the log. */
  failed: [consumerId: string, error: unknown];
}

const keyOf = (view: Pick<ConsumerView, 'peerId' | 'source'>) => `${view.peerId}:${view.source}`;

/** Owns this tab's consumers. */
export class Subscriptions extends Emitter<SubscriptionsEvents> {
  readonly #media: MediaSession;
  readonly #signalling: Pick<Signalling, 'request'>;
  readonly #entries = new Map<string, Entry>();
  #list: readonly RemoteMedia[] | undefined;
  /** What the tiles last said; outlives a consumer that is replaced. */
  readonly #sizes = new Map<string, TileSize>();
  readonly #settling = new Map<string, ReturnType<typeof setTimeout>>();

  constructor(media: MediaSession, signalling: Pick<Signalling, 'request'>) {
    super();
    this.#media = media;
    this.#signalling = signalling;
  }

  /** The same array until something changes. */
  get list(): readonly RemoteMedia[] {
    this.#list ??= [...this.#entries].map(([key, entry]) => ({
      key,
      peerId: entry.view.peerId,
      source: entry.view.source,
      kind: entry.view.kind,
      track: entry.track,
      paused: entry.view.producerPaused,
      layer: entry.layer,
    }));
    return this.#list;
  }

  /** Brings the entries to what the server sends now; others go, with their tracks. */
  sync(views: readonly ConsumerView[]): void {
    const keep = new Set(views.map(keyOf));
    for (const [key, entry] of this.#entries) {
      if (!keep.has(key)) this.#remove(key, entry);
    }
    for (const view of views) this.add(view);
    this.#changed();
  }

  /** Receives one more, or the same source of the same person again. */
  add(view: ConsumerView): void {
    const key = keyOf(view);
    const before = this.#entries.get(key);
    if (before?.consumer !== undefined && before.view.id === view.id && !before.consumer.closed) {
      before.view = view;
      void this.#ask(key);
      this.#changed();
      return;
    }
    before?.consumer?.close();
    const entry: Entry = {
      view,
      consumer: undefined,
      // The last frame stays on the screen until the new track has one.
      track: before?.track ?? null,
      layer: null,
      asked: undefined,
    };
    this.#entries.set(key, entry);
    void this.#consume(key, entry);
    this.#changed();
  }

  remove(consumerId: string): void {
    for (const [key, entry] of this.#entries) {
      if (entry.view.id === consumerId) this.#remove(key, entry);
    }
    this.#changed();
  }

  /** The owner of a producer paused or resumed it. */
  producerPaused(producerId: string, paused: boolean): void {
    for (const entry of this.#entries.values()) {
      if (entry.view.producerId === producerId) entry.view = { ...entry.view, producerPaused: paused };
    }
    this.#changed();
  }

  layerChanged(consumerId: string, layer: number | null): void {
    for (const entry of this.#entries.values()) {
      if (entry.view.id === consumerId) entry.layer = layer;
    }
    this.#changed();
  }

  /** A tile says how large it shows `key`, in device pixels. */
  shown(key: string, size: TileSize): void {
    this.#sizes.set(key, size);
    clearTimeout(this.#settling.get(key));
    this.#settling.set(
      key,
      setTimeout(() => {
        this.#settling.delete(key);
        void this.#ask(key);
      }, SIZE_SETTLE_MS),
    );
  }

  /** The consumers died with their transport; their entries wait, showing the last frame. */
  reset(): void {
    for (const entry of this.#entries.values()) {
      entry.consumer = undefined;
      entry.asked = undefined;
    }
  }

  close(): void {
    for (const timer of this.#settling.values()) clearTimeout(timer);
    this.#settling.clear();
    for (const [key, entry] of this.#entries) this.#remove(key, entry);
  }

  #changed(): void {
    this.#list = undefined;
    this.emit('changed');
  }

  #remove(key: string, entry: Entry): void {
    this.#entries.delete(key);
    entry.consumer?.close();
  }

  async #consume(key: string, entry: Entry): Promise<void> {
    const { view } = entry;
    try {
      const consumer = await this.#media.recv.consume({
        id: view.id,
        producerId: view.producerId,
        kind: view.kind,
        rtpParameters: rtpParameters(view.rtpParameters),
        // Lips and voice of one person are played together; a screen has its own clock.
        streamId: `${view.peerId}-${view.source.startsWith('screen') ? 'screen' : 'person'}`,
      });
      if (this.#entries.get(key) !== entry) {
        consumer.close();
        return;
      }
      entry.consumer = consumer;
      entry.track = consumer.track;
      this.#changed();
      void this.#ask(key);
    } catch (error) {
      if (this.#entries.get(key) === entry) this.emit('failed', view.id, error);
    }
  }

  /** Tells the SFU which layer is worth sending, if that is another one than last time. */
  async #ask(key: string): Promise<void> {
    const entry = this.#entries.get(key);
    const size = this.#sizes.get(key);
    if (entry?.consumer === undefined || entry.view.kind !== 'video' || size === undefined) return;
    const wanted = layerFor(size, entry.view.layers);
    if (wanted === entry.asked) return;
    entry.asked = wanted;
    const consumerId = entry.view.id;
    try {
      if (wanted === null) {
        entry.consumer.pause();
        await this.#signalling.request('consumer:pause', { consumerId });
        return;
      }
      if (entry.view.layers > 1) {
        await this.#signalling.request('consumer:prefer', { consumerId, spatialLayer: wanted });
      }
      if (entry.consumer.paused) {
        entry.consumer.resume();
        await this.#signalling.request('consumer:resume', { consumerId });
      }
    } catch {
      // The connection broke, or the consumer went meanwhile: asked again at the next chance.
      entry.asked = undefined;
    }
  }
}
