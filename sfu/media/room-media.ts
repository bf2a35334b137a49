// A room's router on one worker, and the media of its peers.
import type { types } from 'mediasoup';
import type {
  AudienceMedia,
  FeedMedia,
  MediaPlane,
  PeerMedia,
  PeerMediaEvents,
  PlainIngress,
  RoomMedia,
  WhipIngress,
} from '../room/ports.ts';
import type { Media } from '#shared/contract/features/media.ts';
import type { Log } from '#server/log.ts';
import type { Settings } from '#server/settings.ts';
import { openAudience } from './audience/audience-media.ts';
import { MEDIA_CODECS } from './codecs.ts';
import { openFeed } from './feed-media.ts';
import { openPlainIngress } from './plain-ingress.ts';
import { openPeerMedia } from './peer-media.ts';
import { asMedia } from './plain.ts';
import { refusing } from './refusal.ts';
import type { Offer } from '../sdp/offer.ts';
import { SenderReports } from './sender-reports.ts';
import * as shapes from './shapes.ts';
import { openWhipIngress } from './whip-ingress.ts';
import type { LiveWorker, Workers } from './workers.ts';

/** Makes the media plane on these workers. */
export function createMediaPlane(workers: Workers, settings: Settings, log: Log): MediaPlane {
  return {
    async openRoom(room, onLost) {
      const { live, release } = await workers.take();
      try {
        const router = await refusing(() => live.worker.createRouter({ mediaCodecs: MEDIA_CODECS }));
        return new RouterMedia(router, live, release, onLost, settings, log.child({ lesson: room }));
      } catch (error) {
        release();
        throw error;
      }
    },
  };
}

class RouterMedia implements RoomMedia {
  readonly rtpCapabilities: Media;
  readonly #router: types.Router;
  readonly #live: LiveWorker;
  readonly #release: () => void;
  readonly #onDeath: () => void;
  readonly #settings: Settings;
  readonly #log: Log;
  readonly #reports = new Map<string, SenderReports>();

  constructor(
    router: types.Router,
    live: LiveWorker,
    release: () => void,
    onLost: () => void,
    settings: Settings,
    log: Log,
  ) {
    this.rtpCapabilities = asMedia(router.rtpCapabilities);
    this.#router = router;
    this.#live = live;
    this.#release = release;
    this.#settings = settings;
    this.#log = log;
    this.#onDeath = () => {
      release();
      onLost();
    };
    live.onDeath.add(this.#onDeath);
  }

  async openPeer(capabilities: Media, events: PeerMediaEvents): Promise<PeerMedia> {
    const rtpCapabilities = shapes.rtpCapabilities(capabilities);
    const { server } = this.#live;
    return openPeerMedia({
      router: this.#router,
      server,
      rtpCapabilities,
      events,
      onProducer: (producer) => this.#watch(producer),
      log: this.#log,
    });
  }

  openFeed(): Promise<FeedMedia> {
    const { ip } = this.#settings.ingest;
    return openFeed(this.#router, ip, (producerId) => this.#reports.get(producerId));
  }

  openIngress(): Promise<PlainIngress> {
    const { ip } = this.#settings.ingest;
    return openPlainIngress(this.#router, ip, (producer) => this.#watch(producer));
  }

  openAudience(): Promise<AudienceMedia> {
    return openAudience(this.#router, this.#live);
  }

  openWhip(offer: Offer, onGone: () => void): Promise<WhipIngress> {
    const { server } = this.#live;
    return openWhipIngress({
      router: this.#router,
      server,
      offer,
      onGone,
      onProducer: (producer) => this.#watch(producer),
    });
  }

  close(): void {
    this.#live.onDeath.delete(this.#onDeath);
    this.#release();
    this.#router.close();
  }

  /** From the first report on, so that a broadcast that starts later knows the clock at once. */
  async #watch(producer: types.Producer): Promise<void> {
    const reports = await SenderReports.watch(producer);
    if (producer.closed) return;
    this.#reports.set(producer.id, reports);
    producer.observer.once('close', () => this.#reports.delete(producer.id));
  }
}
