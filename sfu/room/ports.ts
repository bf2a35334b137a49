// What a room needs from the outside: media, links to browsers, a memory that survives, the gateway,
// and someone to tell. `room/` knows nothing of mediasoup, sockets, HTTP or files; `app.ts` joins them.
import type { Log } from '#server/log.ts';
import type { EncoderTrack, FeedTrack } from '#shared/contract/internal.ts';
import type { GatewayClient } from '#shared/contract/internal-api.ts';
import type { Direction, Media, TransportView } from '#shared/contract/features/media.ts';
import type { FactData, FactName } from '#shared/contract/signalling.ts';
import type { RoomEvent } from '#shared/contract/events.ts';
import type { Source } from '#shared/domain/sources.ts';
import type { z } from 'zod';
import type { IceCandidate } from '../sdp/answer.ts';
import type { IceCredentials, Offer } from '../sdp/offer.ts';
import type { RoomRecord } from './record.ts';

/** The way to one browser. */
export interface Link {
  /** False once the socket is gone. */
  readonly open: boolean;
  send<N extends FactName>(name: N, data: FactData<N>): void;
  /** Ends the connection; what was sent before still goes out. */
  close(): void;
}

/** The whole of mediasoup, to a room. */
export interface MediaPlane {
  /**
   * Opens the media of a room on the worker with the most room left. `onLost` is called once if that
   * worker dies: everything of the room's media is gone then, and it may be opened again.
   */
  openRoom(room: string, onLost: () => void): Promise<RoomMedia>;
}

export interface RoomMedia {
  readonly rtpCapabilities: Media;
  /**
   * Makes the media of one peer, with its receiving transport. Throws LecternError `bad-request` if
   * the capabilities are malformed.
   */
  openPeer(rtpCapabilities: Media, events: PeerMediaEvents): Promise<PeerMedia>;
  /** Makes the sender of the room's programme to the gateway. */
  openFeed(): Promise<FeedMedia>;
  /** Makes an entrance for the RTP of a publication that the gateway took. */
  openIngress(): Promise<PlainIngress>;
  /**
   * Makes an entrance for a WHIP client. `onGone` is called once when it is over, by whomever. Throws LecternError
   * `not-acceptable` if the room can use nothing of the offer.
   */
  openWhip(offer: Offer, onGone: () => void): Promise<WhipIngress>;
  /** Makes the way of the programme to WHEP players. */
  openAudience(): Promise<AudienceMedia>;
  close(): void;
}

export interface PeerMediaEvents {
  consumerClosed(consumerId: string): void;
  layerChanged(consumerId: string, spatialLayer: number | null): void;
  /** The browser ended the connection under this producer (DTLS close or failure). */
  producerGone(producerId: string): void;
}

/** One stream to one peer, as the browser needs it. */
export interface ConsumerStream {
  readonly id: string;
  readonly kind: 'audio' | 'video';
  readonly rtpParameters: Media;
  /** Spatial layers of the producer; 1 where it is not simulcast. */
  readonly layers: number;
}

export interface ProduceOptions {
  readonly transportId: string;
  readonly kind: 'audio' | 'video';
  readonly rtpParameters: Media;
  readonly paused: boolean;
}

/**
 * All transports, producers and consumers of one peer. Every method throws LecternError: `not-found`
 * for an id that is not this peer's, `bad-request` or `unsupported-codec` for parameters that
 * mediasoup refuses, `service-unavailable` if the worker died.
 */
export interface PeerMedia {
  /** False once a transport was ended from the browser's side: the session cannot be resumed. */
  readonly intact: boolean;
  readonly recvTransport: TransportView;
  /** `recv` gives the transport that is there; a second `send` takes the place of the first. */
  createTransport(direction: z.infer<typeof Direction>): Promise<TransportView>;
  connectTransport(transportId: string, dtlsParameters: Media): Promise<void>;
  restartIce(transportId: string): Promise<Media>;
  /** Resolves with the producer's id. */
  produce(options: ProduceOptions): Promise<string>;
  setProducerPaused(producerId: string, paused: boolean): Promise<void>;
  closeProducer(producerId: string): void;
  /** Resolves with null if this peer cannot decode that producer, or either is gone by now. */
  consume(producerId: string): Promise<ConsumerStream | null>;
  preferLayer(consumerId: string, spatialLayer: number): Promise<void>;
  setConsumerPaused(consumerId: string, paused: boolean): Promise<void>;
  close(): void;
}

/** What a program outside sends into the room. `close` is idempotent. */
export interface Ingress {
  /** Bytes of media that came so far; counts up. Throws LecternError `service-unavailable` once it is gone. */
  received(): Promise<number>;
  setProducerPaused(producerId: string, paused: boolean): Promise<void>;
  closeProducer(producerId: string): void;
  close(): void;
}

/** An ingress for plain RTP, from whatever address the first packet has. */
export interface PlainIngress extends Ingress {
  /** Where the RTP goes. */
  readonly to: { ip: string; port: number };
  /** Resolves with the producer's id. */
  produce(track: EncoderTrack): Promise<string>;
}

/** The server's side of an ICE restart. */
export interface IceAnswer {
  readonly ice: IceCredentials;
  readonly candidates: readonly IceCandidate[];
  /** The section that carries the transport. */
  readonly mid: string;
}

/** An ingress for a WHIP client, with all that it sends. */
export interface WhipIngress extends Ingress {
  /** The SDP answer. */
  readonly answer: string;
  readonly producers: readonly { readonly id: string; readonly kind: 'audio' | 'video' }[];
  restartIce(): Promise<IceAnswer>;
}

/** A player that gets the programme by WebRTC. `close` is idempotent. */
export interface WhepViewer {
  /** The SDP answer. */
  readonly answer: string;
  /** True once its media flow. */
  readonly connected: boolean;
  restartIce(): Promise<IceAnswer>;
  close(): void;
}

/** Gives the programme of a room to players. */
export interface AudienceMedia {
  /** How many watch. */
  readonly viewers: number;
  /** Makes these producers the programme: at most one picture, and the voices, the most important first. */
  select(sources: readonly FeedSource[]): Promise<void>;
  /**
   * Lets a player in. `onGone` is called once when it is over, by whomever. Throws LecternError
   * `not-acceptable` if it takes nothing that there is.
   */
  watch(offer: Offer, onGone: () => void): Promise<WhepViewer>;
  close(): void;
}

/** A producer that belongs to the programme. */
export interface FeedSource {
  readonly producerId: string;
  readonly source: Source;
  /** True while its sender sends nothing on purpose. */
  readonly paused?: boolean;
}

/** Sends producers of a room to the gateway as plain RTP, each simulcast layer as it is. */
export interface FeedMedia {
  readonly from: { ip: string; port: number };
  /** The producers that go out now. */
  readonly flowing: readonly string[];
  /**
   * Makes exactly these producers the feed's. New ones stay silent until `flow`, so that the gateway
   * knows them before their first packet. Resolves with the tracks they make.
   */
  select(sources: readonly FeedSource[]): Promise<FeedTrack[]>;
  /**
   * Sends to this address and lets all selected flow, each from a key frame. Resolves with false if
   * this feed already goes to another address: it has to be opened again.
   */
  flow(to: { ip: string; port: number }): Promise<boolean>;
  close(): void;
}

/** The gateway's side of a broadcast. */
export type Gateway = Pick<GatewayClient, 'feedChannel' | 'endBroadcast'>;

/** What a room outlives its process with, and what `school` hears of it, at least once. */
export interface EventLog {
  load(room: string): RoomRecord;
  /** Durable when it returns, unless the disk takes nothing: then it waits in memory, and the class goes on. */
  append(event: RoomEvent): void;
  /** Durable when it returns; else throws LecternError `disk-full` or `disk-unavailable`. */
  appendNow(event: RoomEvent): void;
  /** Rooms that had someone in them, or were on air, when the process ended. */
  unfinished(): string[];
}

export interface RoomDeps {
  readonly media: MediaPlane;
  readonly events: EventLog;
  readonly gateway: Gateway;
  readonly log: Log;
  /** Milliseconds since 1970. */
  readonly now: () => number;
}
