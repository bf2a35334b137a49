// What a browser and the SFU say to each other over socket.io. Requests are `noun:verb` and are
// acknowledged with `Ack`; facts are past tense and are not. The room itself and the people in it are here;
// whatever else a room can do is a feature and declares its own part (features/index.ts).
import { z } from 'zod';
import { Permission } from '../domain/permissions.ts';
import { Role } from '../domain/roles.ts';
import type { ErrorCode } from './errors.ts';
import { BroadcastView } from './features/broadcast.ts';
import { Nothing, type RequestSpec } from './features/feature.ts';
import { FEATURE_FACTS, FEATURE_REQUESTS, FEATURE_SNAPSHOT } from './features/index.ts';
import { Media } from './features/media.ts';
import { DisplayName, PeerId } from './ids.ts';
import { PublisherNotice } from './publisher-notice.ts';

/** The largest message a client may send, in bytes; socket.io's `maxHttpBufferSize`. */
export const MAX_SIGNAL_BYTES = 64 * 1024;
/** How long the SFU keeps a peer whose socket is gone, in ms. Within it a peer resumes with its media. */
export const RESUME_WINDOW_MS = 30_000;

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

export const Joined = z.object({
  /** Send it in the next handshake to resume. */
  session: z.string(),
  /** True if transports, producers and consumers of this session are as they were. */
  resumed: z.boolean(),
  you: PeerView,
  room: RoomView,
  peers: z.array(PeerView),
  serverTimeMs: z.number(),
  ...FEATURE_SNAPSHOT,
});
export type Joined = z.infer<typeof Joined>;

export const ROOM_REQUESTS = {
  /**
   * Refused with `must-wait`, it is sent again after `door:opened`, and after each new connection. `consents`: the
   * person agrees to be recorded; without it `consent-needed` where the ticket asks for that.
   */
  'room:join': {
    in: z.object({ name: DisplayName, rtpCapabilities: Media, consents: z.boolean().optional() }),
    out: Joined,
    permission: null,
  },
  /** Ends the class for everyone and with it the broadcast. */
  'room:close': { in: Nothing, out: Nothing, permission: 'room:close' },
  'room:leave': { in: Nothing, out: Nothing, permission: null },
  /** Replaces the grantable permissions of one person (`GRANTABLE`); the others are left alone. */
  'peer:permit': {
    in: z.object({ peerId: PeerId, permissions: z.array(Permission).max(Permission.options.length) }),
    out: Nothing,
    permission: 'peer:manage',
  },
  'peer:remove': { in: z.object({ peerId: PeerId }), out: Nothing, permission: 'peer:manage' },
} as const satisfies Readonly<Record<string, RequestSpec>>;

/** Every request: what it takes, what its acknowledgement carries and what its sender needs. */
export const REQUESTS = { ...ROOM_REQUESTS, ...FEATURE_REQUESTS };

export type RequestName = keyof typeof REQUESTS;
export type RequestInput<N extends RequestName> = z.input<(typeof REQUESTS)[N]['in']>;
export type RequestData<N extends RequestName> = z.output<(typeof REQUESTS)[N]['in']>;
export type RequestResult<N extends RequestName> = z.output<(typeof REQUESTS)[N]['out']>;

/** The permission that a request asks for; null if joining is enough. */
export function permissionFor<N extends RequestName>(name: N, data: RequestData<N>): Permission | null {
  const { permission }: RequestSpec = REQUESTS[name];
  // The rule of a name takes the data of the same name, and its words are permissions: PERMISSIONS says so.
  const needed = typeof permission === 'function' ? permission(data as never) : permission;
  return needed as Permission | null;
}

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
  ...FEATURE_FACTS,
} as const;

export type FactName = keyof typeof FACTS;
export type FactData<N extends FactName> = z.output<(typeof FACTS)[N]>;
