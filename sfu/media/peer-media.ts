// The transports, producers and consumers of one peer.
import { parseScalabilityMode, type types } from 'mediasoup';
import { LecternError } from '#shared/contract/errors.ts';
import type { Media, TransportView } from '#shared/contract/features/media.ts';
import type { Log } from '#server/log.ts';
import type { ConsumerStream, PeerMedia, PeerMediaEvents, ProduceOptions } from '../room/ports.ts';
import { asMedia, transportView } from './plain.ts';
import { refusing } from './refusal.ts';
import * as shapes from './shapes.ts';

/** Where the bandwidth estimate of a receiver starts: enough for the top layer of one camera at once. */
const INITIAL_OUTGOING_BPS = 2_000_000;
/** The most that one peer may send: camera in three layers, screen and sound. */
const MAX_INCOMING_BPS = 10_000_000;
/** Many who join together ask a teacher for one key frame, not for one each. */
export const KEY_FRAME_DELAY_MS = 200;

export interface PeerMediaOptions {
  readonly router: types.Router;
  readonly server: types.WebRtcServer;
  readonly rtpCapabilities: types.RtpCapabilities;
  readonly events: PeerMediaEvents;
  /** Called for each producer before anyone hears of it. */
  readonly onProducer: (producer: types.Producer) => Promise<void>;
  readonly log: Log;
}

/** Makes the media of a peer, with its receiving transport. */
export async function openPeerMedia(options: PeerMediaOptions): Promise<PeerMedia> {
  const recv = await refusing(() => createTransport(options));
  return new MediasoupPeer(options, recv);
}

function createTransport({ router, server }: PeerMediaOptions): Promise<types.WebRtcTransport> {
  return router.createWebRtcTransport({
    webRtcServer: server,
    enableUdp: true,
    enableTcp: true,
    preferUdp: true,
    initialAvailableOutgoingBitrate: INITIAL_OUTGOING_BPS,
  });
}

/** mediasoup names a consumer of n simulcast layers `LnTx`. */
function spatialLayers({ encodings = [] }: types.RtpParameters): number {
  return parseScalabilityMode(encodings[0]?.scalabilityMode).spatialLayers;
}

class MediasoupPeer implements PeerMedia {
  readonly recvTransport: TransportView;
  readonly #options: PeerMediaOptions;
  readonly #recv: types.WebRtcTransport;
  #send: types.WebRtcTransport | null = null;
  /** DTLS is connected once; the same request again, after a lost answer, gets the same promise. */
  readonly #connected = new Map<string, Promise<void>>();
  readonly #producers = new Map<string, types.Producer>();
  readonly #consumers = new Map<string, types.Consumer>();
  #intact = true;

  constructor(options: PeerMediaOptions, recv: types.WebRtcTransport) {
    this.#options = options;
    this.#recv = recv;
    this.recvTransport = transportView(recv);
    this.#watch(recv);
  }

  get intact(): boolean {
    return this.#intact && !this.#recv.closed;
  }

  async createTransport(direction: 'send' | 'recv'): Promise<TransportView> {
    if (direction === 'recv') return this.recvTransport;
    const transport = await refusing(() => createTransport(this.#options));
    // Two at once: the later one stays.
    if (this.#recv.closed) {
      transport.close();
      throw new LecternError('service-unavailable');
    }
    this.#closeSend();
    this.#send = transport;
    this.#watch(transport);
    await refusing(() => transport.setMaxIncomingBitrate(MAX_INCOMING_BPS));
    return transportView(transport);
  }

  connectTransport(transportId: string, dtlsParameters: Media): Promise<void> {
    const transport = this.#transport(transportId);
    const known = this.#connected.get(transportId);
    if (known !== undefined) return known;
    const parameters = shapes.dtlsParameters(dtlsParameters);
    const connected = refusing(() => transport.connect({ dtlsParameters: parameters }));
    this.#connected.set(transportId, connected);
    connected.catch(() => this.#connected.delete(transportId));
    return connected;
  }

  async restartIce(transportId: string): Promise<Media> {
    const transport = this.#transport(transportId);
    return asMedia(await refusing(() => transport.restartIce()));
  }

  async produce({ transportId, kind, rtpParameters, paused }: ProduceOptions): Promise<string> {
    const transport = this.#transport(transportId);
    if (transport !== this.#send) throw new LecternError('bad-request', 'This transport only receives.');
    const parameters = shapes.rtpParameters(rtpParameters);
    const producer = await refusing(() =>
      transport.produce({
        kind,
        rtpParameters: parameters,
        paused,
        ...(kind === 'video' ? { keyFrameRequestDelay: KEY_FRAME_DELAY_MS } : {}),
      }),
    );
    this.#producers.set(producer.id, producer);
    producer.observer.once('close', () => this.#producers.delete(producer.id));
    await refusing(() => this.#options.onProducer(producer));
    return producer.id;
  }

  async setProducerPaused(producerId: string, paused: boolean): Promise<void> {
    const producer = this.#producers.get(producerId);
    if (producer === undefined) throw new LecternError('not-found', 'There is no such producer of yours.');
    await refusing(() => (paused ? producer.pause() : producer.resume()));
  }

  closeProducer(producerId: string): void {
    this.#producers.get(producerId)?.close();
  }

  async consume(producerId: string): Promise<ConsumerStream | null> {
    const { router, rtpCapabilities, events, log } = this.#options;
    try {
      if (!router.canConsume({ producerId, rtpCapabilities })) return null;
      // Not paused: mediasoup asks for a key frame once DTLS stands, so the first picture needs no
      // further round trip.
      const consumer = await this.#recv.consume({ producerId, rtpCapabilities });
      this.#consumers.set(consumer.id, consumer);
      consumer.observer.once('close', () => this.#consumers.delete(consumer.id));
      consumer.on('producerclose', () => events.consumerClosed(consumer.id));
      let told: number | null | undefined;
      consumer.on('layerschange', (layers) => {
        const spatialLayer = layers?.spatialLayer ?? null;
        // A change of the temporal layer alone is nobody's business.
        if (spatialLayer !== told) events.layerChanged(consumer.id, spatialLayer);
        told = spatialLayer;
      });
      return {
        id: consumer.id,
        kind: consumer.kind,
        rtpParameters: asMedia(consumer.rtpParameters),
        layers: spatialLayers(consumer.rtpParameters),
      };
    } catch (error) {
      // The producer closed, this peer left, or its capabilities make no sense: only it goes without.
      log.debug({ err: error, producerId }, 'a peer does not consume a producer');
      return null;
    }
  }

  async preferLayer(consumerId: string, spatialLayer: number): Promise<void> {
    const consumer = this.#consumer(consumerId);
    await refusing(() => consumer.setPreferredLayers({ spatialLayer }));
  }

  async setConsumerPaused(consumerId: string, paused: boolean): Promise<void> {
    const consumer = this.#consumer(consumerId);
    await refusing(() => (paused ? consumer.pause() : consumer.resume()));
  }

  close(): void {
    this.#closeSend();
    this.#recv.close();
  }

  #closeSend(): void {
    const transport = this.#send;
    if (transport === null) return;
    this.#send = null;
    const mine = [...this.#producers.keys()];
    transport.close();
    for (const producerId of mine) this.#options.events.producerGone(producerId);
  }

  #watch(transport: types.WebRtcTransport): void {
    transport.observer.once('close', () => this.#connected.delete(transport.id));
    transport.on('dtlsstatechange', (state) => {
      if (state !== 'closed' && state !== 'failed') return;
      this.#intact = false;
      if (transport === this.#send) this.#closeSend();
    });
  }

  #transport(transportId: string): types.WebRtcTransport {
    const transport = transportId === this.#recv.id ? this.#recv : this.#send;
    if (transport?.id !== transportId)
      throw new LecternError('not-found', 'There is no such transport of yours.');
    return transport;
  }

  #consumer(consumerId: string): types.Consumer {
    const consumer = this.#consumers.get(consumerId);
    if (consumer === undefined) throw new LecternError('not-found', 'There is no such consumer of yours.');
    return consumer;
  }
}
