// What a browser and the SFU say to each other over socket.io. Requests are `noun:verb` and are
// acknowledged with `Ack`; facts are past tense and are not. mediasoup's own structures pass through
// as bounded JSON: mediasoup and mediasoup-client validate them, their shape is not ours.
import { z } from 'zod';
import { PublisherNotice } from './publisher-notice.ts';
import { Permission, Role } from '../domain/permissions.ts';
import { Source, TabSource } from '../domain/sources.ts';
import { BroadcastNotice } from './broadcast-notice.ts';
import { DiskTrouble, type ErrorCode } from './errors.ts';
import { BroadcastId, DisplayName, MediaId, MessageId, PeerId, visibleText } from './ids.ts';

/** The largest message a client may send, in bytes; socket.io's `maxHttpBufferSize`. */
export const MAX_SIGNAL_BYTES = 64 * 1024;
/** How long the SFU keeps a peer whose socket is gone, in ms. Within it a peer resumes with its media. */
export const RESUME_WINDOW_MS = 30_000;

const Media = z.record(z.string().max(64), z.unknown());
/** mediasoup's RtpCapabilities, RtpParameters, DtlsParameters, … as plain JSON. */
export type Media = z.infer<typeof Media>;

export const Direction = z.enum(['send', 'recv']);

/** socket.io's `auth` payload. */
export const Handshake = z.object({
  ticket: z.string().max(2_000),
  /** The session that a lost socket had, to resume it. */
  session: z.string().max(64).optional(),
});
export type Handshake = z.infer<typeof Handshake>;

export const PeerView = z.object({
  id: PeerId,
  name: z.string(),
  role: Role,
  permissions: z.array(Permission),
  /** `away`: its socket is lost and the resume window runs. */
  state: z.enum(['present', 'away']),
  joinedAtMs: z.number(),
  /** What is not as it should be in what a program outside sends. */
  notices: z.array(PublisherNotice).max(8).optional(),
});
export type PeerView = z.infer<typeof PeerView>;

export const ProducerView = z.object({
  id: MediaId,
  peerId: PeerId,
  source: Source,
  paused: z.boolean(),
});
export type ProducerView = z.infer<typeof ProducerView>;

export const ConsumerView = z.object({
  id: MediaId,
  producerId: MediaId,
  peerId: PeerId,
  source: Source,
  kind: z.enum(['audio', 'video']),
  rtpParameters: Media,
  producerPaused: z.boolean(),
  /** Spatial layers of the producer; 1 where it is not simulcast. */
  layers: z.number().int(),
});
export type ConsumerView = z.infer<typeof ConsumerView>;

export const TransportView = z.object({
  id: MediaId,
  iceParameters: Media,
  iceCandidates: z.array(Media),
  dtlsParameters: Media,
});
export type TransportView = z.infer<typeof TransportView>;

export const ChatMessage = z.object({
  id: MessageId,
  peerId: PeerId,
  name: z.string(),
  role: Role,
  text: z.string(),
  sentAtMs: z.number(),
});
export type ChatMessage = z.infer<typeof ChatMessage>;
/** The longest chat message, in characters. */
export const MAX_CHAT_LENGTH = 2_000;
/** Lines and tabs stay, other control characters and halves of characters go. */
export const ChatText = z
  .string()
  .transform((text) => text.replace(/[^\P{Cc}\n\t]|\p{Cs}/gu, '').trim())
  .pipe(visibleText(MAX_CHAT_LENGTH));
/** How many messages a newcomer is given, and how many bytes of text they have at most. */
export const CHAT_HISTORY = 200;
export const CHAT_HISTORY_BYTES = 128 * 1024;

export const BroadcastView = z.object({
  id: BroadcastId.nullable(),
  state: z.enum(['idle', 'starting', 'live', 'interrupted', 'ended', 'failed']),
  /** When the first frame went out, in ms since 1970; null until then. */
  startedAtMs: z.number().nullable(),
  /** Why it `failed`, or what else needs saying. */
  notice: BroadcastNotice.nullable(),
  audience: z.number().int(),
  recording: z.boolean(),
  /** True while it is live and nobody sends anything on purpose: the audience sees that it is a break. */
  onBreak: z.boolean().default(false),
  /** How long it waits while nobody who teaches is connected, in ms; null until the gateway said so. */
  waitMs: z.number().nullable().default(null),
  /** When this wait ends, and with it the broadcast, in ms since 1970; null while none runs. */
  waitEndsAtMs: z.number().nullable().default(null),
  /** Why it ended: somebody stopped it, or nobody who teaches was connected for too long. */
  end: z.enum(['stopped', 'absent']).nullable().default(null),
  /** How much of it was broadcast, in ms; null until it is over, and where nobody knows. */
  durationMs: z.number().nullable().default(null),
  /** Why it is on air but not recorded now; it will be again by itself. Null if nothing is wrong. */
  diskTrouble: DiskTrouble.nullable(),
});
export type BroadcastView = z.infer<typeof BroadcastView>;

export const RoomView = z.object({
  id: z.string(),
  title: z.string(),
  state: z.enum(['opening', 'open', 'closing', 'closed']),
  broadcast: BroadcastView,
});
export type RoomView = z.infer<typeof RoomView>;

/** Sent once on connection, before joining, so that the page can prepare its device. */
export const Welcome = z.object({
  room: RoomView,
  routerRtpCapabilities: Media,
  /** How many others are in the room; `room:presence` says how many later. */
  present: z.number().int(),
  serverTimeMs: z.number(),
});
export type Welcome = z.infer<typeof Welcome>;

/** Somebody who waits for the teacher's yes. */
export const WaitingView = z.object({ id: PeerId, name: z.string(), sinceMs: z.number() });
export type WaitingView = z.infer<typeof WaitingView>;
/** How many can be admitted or refused at once. */
const MAX_AT_THE_DOOR = 50;
const AtTheDoor = z.object({ peerIds: z.array(PeerId).min(1).max(MAX_AT_THE_DOOR) });

export const Joined = z.object({
  /** Send it in the next handshake to resume. */
  session: z.string(),
  /** True if transports, producers and consumers of this session are as they were. */
  resumed: z.boolean(),
  you: PeerView,
  room: RoomView,
  peers: z.array(PeerView),
  producers: z.array(ProducerView),
  chat: z.array(ChatMessage),
  /** The receiving transport and what already flows on it: one round trip to the first picture. */
  recvTransport: TransportView,
  consumers: z.array(ConsumerView),
  /** Who waits at the door; empty for those who do not manage people. */
  waiting: z.array(WaitingView).default([]),
  serverTimeMs: z.number(),
});
export type Joined = z.infer<typeof Joined>;

const Nothing = z.object({});

/** Every request: what it takes and what its acknowledgement carries. */
export const REQUESTS = {
  /** Refused with `must-wait`, it is sent again after `door:opened`, and after each new connection. */
  'room:join': {
    in: z.object({ name: DisplayName, rtpCapabilities: Media }),
    out: Joined,
  },
  /** Ends the class for everyone and with it the broadcast. */
  'room:close': { in: Nothing, out: Nothing },
  'room:leave': { in: Nothing, out: Nothing },
  'transport:create': { in: z.object({ direction: Direction }), out: TransportView },
  'transport:connect': { in: z.object({ transportId: MediaId, dtlsParameters: Media }), out: Nothing },
  /** Asks for fresh ICE parameters after a change of network. */
  'transport:restart': { in: z.object({ transportId: MediaId }), out: z.object({ iceParameters: Media }) },
  'producer:create': {
    in: z.object({
      transportId: MediaId,
      kind: z.enum(['audio', 'video']),
      source: TabSource,
      rtpParameters: Media,
      paused: z.boolean().default(false),
    }),
    out: z.object({ producerId: MediaId }),
  },
  'producer:pause': { in: z.object({ producerId: MediaId }), out: Nothing },
  'producer:resume': { in: z.object({ producerId: MediaId }), out: Nothing },
  'producer:close': { in: z.object({ producerId: MediaId }), out: Nothing },
  /** The most that the tile can use; the SFU sends that or what the bandwidth allows. */
  'consumer:prefer': {
    in: z.object({ consumerId: MediaId, spatialLayer: z.number().int().min(0).max(2) }),
    out: Nothing,
  },
  'consumer:pause': { in: z.object({ consumerId: MediaId }), out: Nothing },
  'consumer:resume': { in: z.object({ consumerId: MediaId }), out: Nothing },
  'chat:send': {
    in: z.object({
      /** Chosen by the sender; the same id sent again is acknowledged, not posted twice. */
      id: MessageId,
      text: ChatText,
    }),
    out: z.object({ message: ChatMessage }),
  },
  'chat:delete': { in: z.object({ messageId: MessageId }), out: Nothing },
  /** Replaces the grantable permissions of one person (`GRANTABLE`); the others are left alone. */
  'peer:permit': {
    in: z.object({ peerId: PeerId, permissions: z.array(Permission).max(16) }),
    out: Nothing,
  },
  /** Closes that peer's producer; the peer may publish again if it still has the permission. */
  'peer:mute': { in: z.object({ peerId: PeerId, source: Source }), out: Nothing },
  'peer:remove': { in: z.object({ peerId: PeerId }), out: Nothing },
  /** Lets these people in who wait; those who do not are ignored. */
  'door:admit': { in: AtTheDoor, out: Nothing },
  /** Sends them away. */
  'door:refuse': { in: AtTheDoor, out: Nothing },
  'broadcast:start': { in: Nothing, out: z.object({ broadcast: BroadcastView }) },
  'broadcast:stop': { in: Nothing, out: z.object({ broadcast: BroadcastView }) },
} as const;

export type RequestName = keyof typeof REQUESTS;
export type RequestInput<N extends RequestName> = z.input<(typeof REQUESTS)[N]['in']>;
export type RequestData<N extends RequestName> = z.output<(typeof REQUESTS)[N]['in']>;
export type RequestResult<N extends RequestName> = z.output<(typeof REQUESTS)[N]['out']>;

export type Ack<T> =
  { ok: true; data: T } | { ok: false; error: { code: z.infer<typeof ErrorCode>; message: string } };

/** Every fact that the SFU tells. */
export const FACTS = {
  'room:welcomed': Welcome,
  'room:closed': z.object({
    reason: z.enum(['ended', 'removed', 'replaced', 'ticket-expired', 'refused', 'link-replaced']),
  }),
  /** To those who have not joined yet: how many others are in the room. */
  'room:presence': z.object({ present: z.number().int() }),
  /** The room's media moved to another worker: join again at once with the same socket. */
  'room:restarted': Nothing,
  'peer:joined': PeerView,
  'peer:updated': PeerView,
  'peer:left': z.object({ peerId: PeerId }),
  /** To those who manage people: somebody waits, and some do not any more. */
  'door:knocked': WaitingView,
  'door:left': z.object({ peerIds: z.array(PeerId) }),
  /** To somebody who waits: join now. */
  'door:opened': Nothing,
  'producer:created': ProducerView,
  'producer:updated': ProducerView,
  /** To everyone; to its owner too when it was the server or a teacher who closed it. */
  'producer:closed': z.object({ producerId: MediaId, reason: z.enum(['closed', 'muted', 'revoked']) }),
  'consumer:created': ConsumerView,
  'consumer:closed': z.object({ consumerId: MediaId }),
  /** The layer now being sent; null while none is. */
  'consumer:layer': z.object({ consumerId: MediaId, spatialLayer: z.number().int().nullable() }),
  'chat:posted': ChatMessage,
  'chat:deleted': z.object({ messageId: MessageId }),
  /** To those who teach: the lesson's share of chat is used up, and students can write no more. */
  'chat:filled': Nothing,
  'broadcast:changed': BroadcastView,
} as const;

export type FactName = keyof typeof FACTS;
export type FactData<N extends FactName> = z.output<(typeof FACTS)[N]>;
