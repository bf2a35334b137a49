// The internal API: everything that the three services ask of each other over HTTP, grouped by the service that
// answers, with `Authorization: Bearer <internal secret>`. Clients and servers are made of this table
// (server/internal-client.ts, server/internal-server.ts). Each request may be repeated: a repetition changes nothing.
import { z } from 'zod';
import { ChannelId, LessonId, RecordingId } from './ids.ts';
import {
  AccessAnswer,
  AccessDefaults,
  AccessQuestion,
  BroadcastFeed,
  BroadcastStatus,
  ChannelSettings,
  EncoderAnswer,
  EncoderState,
  EventBatch,
  ExplainAnswer,
  ExplainRequest,
  RecordingInfo,
  RecordingSet,
  RoomAccess,
  SettingsTaken,
} from './internal.ts';
import { Chapter, ChapterMark } from './features/chapters.ts';
import { EncoderNow } from './publish.ts';
import { RelaysInfo, RelaysPut } from './relay.ts';
import { RoomView } from './signalling.ts';
import { GatewayStatus, SfuStatus } from './status.ts';
import { TrimSpan } from './trim.ts';

/** What may stand in a path behind a colon. A room has the id of its lesson. */
export const PathParams = z.object({ room: LessonId, channel: ChannelId, recording: RecordingId }).partial();
export type PathParams = z.infer<typeof PathParams>;

/** A page waits for it: a service that does not answer by then counts as down. */
const STATUS_LIMIT_MS = 1_500;
/** The school's own server may be asked, and has up to five seconds. */
const EXPLAIN_LIMIT_MS = 7_000;
/** The names of the servers are looked up. */
const RELAYS_LIMIT_MS = 10_000;
/** A full batch of the longest chat messages, with every character escaped. */
const MAX_BATCH_BYTES = 4 * 1024 * 1024;

/** One request and its answer. */
export interface Endpoint {
  readonly method: 'GET' | 'PUT' | 'POST' | 'DELETE';
  /** Its parameters are those of {@link PathParams}. */
  readonly path: string;
  readonly query?: z.ZodType;
  readonly body?: z.ZodType;
  /** Left out where an answer says only that it is done. */
  readonly reply?: z.ZodType;
  /** How large a body may be; 64 KiB if it is left out. */
  readonly maxBytes?: number;
  /** How long an answer may take, where that is not for the caller to say. */
  readonly timeoutMs?: number;
}

export type Endpoints = Readonly<Record<string, Endpoint>>;

export const INTERNAL = {
  gateway: {
    /**
     * What should be on air, stated by the SFU again and again (FEED_INTERVAL_MS); the answer says what is. So a
     * restart of either side heals at the next round and needs no protocol of its own.
     */
    feedChannel: {
      method: 'PUT',
      path: '/internal/channels/:channel/broadcast',
      body: BroadcastFeed,
      reply: BroadcastStatus,
    },
    endBroadcast: {
      method: 'DELETE',
      path: '/internal/channels/:channel/broadcast',
      /** Empty if nothing was on air. */
      reply: BroadcastStatus.partial(),
    },
    /** Ends the broadcast, and erases all recordings of the channel. */
    eraseChannel: { method: 'DELETE', path: '/internal/channels/:channel' },
    listRecordings: {
      method: 'GET',
      path: '/internal/recordings',
      query: z.object({ channel: ChannelId.optional() }),
      reply: z.array(RecordingInfo),
    },
    eraseRecording: { method: 'DELETE', path: '/internal/recordings/:recording' },
    /** Shows of a finished recording only what is wholly in this time; null: all of it again. */
    trimRecording: {
      method: 'PUT',
      path: '/internal/recordings/:recording/trim',
      body: z.object({ trim: TrimSpan.nullable() }),
      reply: RecordingInfo,
    },
    /** Who may watch and publish, told by the school again after every failure. The gateway keeps it on disk. */
    putSettings: {
      method: 'PUT',
      path: '/internal/channels/:channel/settings',
      body: ChannelSettings,
      reply: SettingsTaken,
    },
    /** The same for lessons without rules of their own. */
    putDefaults: { method: 'PUT', path: '/internal/access', body: AccessDefaults, reply: SettingsTaken },
    /** Whether a WebRTC viewer may play, or a program publish. */
    decide: { method: 'POST', path: '/internal/decide', body: AccessQuestion, reply: AccessAnswer },
    /** How a request would be decided on, and by which rule. */
    explain: {
      method: 'POST',
      path: '/internal/explain',
      body: ExplainRequest,
      reply: ExplainAnswer,
      timeoutMs: EXPLAIN_LIMIT_MS,
    },
    /** What became of the relays of a channel. */
    getRelays: { method: 'GET', path: '/internal/channels/:channel/relays', reply: RelaysInfo },
    /** All that there should be from now on. */
    putRelays: {
      method: 'PUT',
      path: '/internal/channels/:channel/relays',
      body: RelaysPut,
      reply: RelaysInfo,
      timeoutMs: RELAYS_LIMIT_MS,
    },
    endRelays: { method: 'DELETE', path: '/internal/channels/:channel/relays' },
    status: { method: 'GET', path: '/internal/status', reply: GatewayStatus, timeoutMs: STATUS_LIMIT_MS },
  },
  sfu: {
    getRoom: { method: 'GET', path: '/internal/rooms/:room', reply: RoomView.extend({ peers: z.number() }) },
    /** Ends the class in this room for good. */
    closeRoom: { method: 'DELETE', path: '/internal/rooms/:room' },
    /**
     * Which links of a lesson are good. Those who publish or watch by WebRTC are decided on again at once, so the
     * gateway is told first; where it cannot be, the SFU is told all the same, and again once the gateway has heard.
     */
    putRoomAccess: { method: 'PUT', path: '/internal/rooms/:room/access', body: RoomAccess },
    /** Chooses for the broadcast on air; refused with `not-live` while there is none. */
    chooseRecording: { method: 'PUT', path: '/internal/rooms/:room/recording', body: RecordingSet },
    /** Marks a chapter of the broadcast on air. */
    markChapter: {
      method: 'POST',
      path: '/internal/rooms/:room/chapters',
      body: ChapterMark,
      reply: Chapter,
    },
    /** The school's rules changed: all rooms decide again. */
    recheckRooms: { method: 'PUT', path: '/internal/access' },
    /** What a program outside publishes to a room, stated by the gateway every ENCODER_INTERVAL_MS. */
    stateEncoder: {
      method: 'PUT',
      path: '/internal/rooms/:room/encoder',
      body: EncoderState,
      reply: EncoderAnswer,
    },
    endEncoder: {
      method: 'DELETE',
      path: '/internal/rooms/:room/encoder',
      query: EncoderState.pick({ publication: true }),
    },
    /** Who has the place of the one who publishes from outside. */
    getEncoder: { method: 'GET', path: '/internal/rooms/:room/encoder', reply: EncoderNow },
    status: { method: 'GET', path: '/internal/status', reply: SfuStatus, timeoutMs: STATUS_LIMIT_MS },
  },
  school: {
    /** From a durable outbox, at least once. An answer means that the events are safe. */
    deliverEvents: {
      method: 'POST',
      path: '/internal/events',
      body: EventBatch,
      maxBytes: MAX_BATCH_BYTES,
    },
  },
} as const satisfies Readonly<Record<string, Endpoints>>;

type ParamIn<Path extends string> = Path extends `${string}:${infer Name}/${infer Rest}`
  ? Name | ParamIn<Rest>
  : Path extends `${string}:${infer Name}`
    ? Name
    : never;

/** `unknown` says that there is none. */
type Params<E extends Endpoint> = [ParamIn<E['path']>] extends [never]
  ? unknown
  : { readonly params: Readonly<Record<ParamIn<E['path']>, string>> };

/** A request as its caller writes it. */
export type Sent<E extends Endpoint> = Params<E> &
  (E extends { query: infer Q extends z.ZodType } ? { readonly query: z.input<Q> } : unknown) &
  (E extends { body: infer B extends z.ZodType } ? { readonly body: z.input<B> } : unknown);

/** The same once it was checked. */
export type Received<E extends Endpoint> = Params<E> &
  (E extends { query: infer Q extends z.ZodType } ? { readonly query: z.output<Q> } : unknown) &
  (E extends { body: infer B extends z.ZodType } ? { readonly body: z.output<B> } : unknown);

/** An answer as its server writes it. */
export type Answer<E extends Endpoint> = E extends { reply: infer R extends z.ZodType } ? z.input<R> : void;

/** The same once it was checked. */
export type Reply<E extends Endpoint> = E extends { reply: infer R extends z.ZodType } ? z.output<R> : void;

/** A service as the others call it. All reject with LecternError if it refuses or cannot be reached. */
export type Client<T extends Endpoints> = {
  readonly [N in keyof T]: (
    ...request: unknown extends Sent<T[N]> ? [] : [Sent<T[N]>]
  ) => Promise<Reply<T[N]>>;
};

export type GatewayClient = Client<typeof INTERNAL.gateway>;
export type SfuClient = Client<typeof INTERNAL.sfu>;
export type SchoolClient = Client<typeof INTERNAL.school>;
