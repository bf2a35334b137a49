// What the three services say to each other; internal-api.ts says who asks whom, and where.
import { z } from 'zod';
import { PublisherNotice } from './publisher-notice.ts';
import { RecordingChoice, RecordingMode } from '../domain/recording.ts';
import { RecordingChosen } from './features/broadcast.ts';
import { Source } from '../domain/sources.ts';
import { AccessRules, AccessStep, LessonAccess, RuleName } from './access.ts';
import { BroadcastNotice } from './broadcast-notice.ts';
import { DiskTrouble, ErrorCode } from './errors.ts';
import { RoomEvent } from './events.ts';
import { BroadcastId, ChannelId, LessonId, LessonTitle, RecordingId } from './ids.ts';
import { MAX_EPOCH, Viewer } from './playback.ts';
import { MAX_SHARES } from './shares.ts';
import { LinkVersions } from './links.ts';
import { MAX_PIECES, Piece, Split } from './split.ts';
import { Trim } from './trim.ts';

/** How often the SFU repeats its feed of a live class, in ms. */
export const FEED_INTERVAL_MS = 1_000;
/** Without a feed for this long the gateway takes the SFU for dead and the broadcast for interrupted. */
export const FEED_LOST_MS = 5_000;

const Ip = z.union([z.ipv4(), z.ipv6()]);
const Port = z.number().int().min(1).max(65_535);

/** One RTP stream that the SFU sends: a simulcast layer, or an audio source. */
export const FeedTrack = z.object({
  /** Stable while the same producer layer flows, e.g. `<producerId>:2`. */
  id: z.string().min(1).max(80),
  kind: z.enum(['audio', 'video']),
  source: Source,
  codec: z.enum(['h264', 'vp8', 'opus']),
  ssrc: z.number().int().min(0).max(0xffff_ffff),
  payloadType: z.number().int().min(0).max(127),
  clockRate: z.number().int().positive(),
  channels: z.number().int().min(1).max(2).optional(),
  /** 0 is the smallest simulcast layer. Audio has 0. */
  layer: z.number().int().min(0).max(2),
  /** True while its sender sends nothing on purpose: nobody waits for it. */
  paused: z.boolean().optional(),
  /** RTP header extension id of abs-capture-time, where it was negotiated. */
  absCaptureTimeId: z.number().int().min(1).max(255).optional(),
  /** The latest sender report of the producer, if one came: maps its RTP clock to its NTP clock. */
  senderReport: z.object({ ntpMs: z.number(), rtp: z.number().int().min(0).max(0xffff_ffff) }).optional(),
});
export type FeedTrack = z.infer<typeof FeedTrack>;

/**
 * What those who teach (teachers, assistants, an encoder) do: something is sent; `break`: somebody is
 * connected and sends nothing on purpose, so the audience gets a still picture and silence; `away`: nobody
 * is connected. Only then the wait runs whose end is the end of the broadcast.
 */
export const Teaching = z.enum(['sending', 'break', 'away']);
export type Teaching = z.infer<typeof Teaching>;

export const BroadcastFeed = z.object({
  broadcast: BroadcastId,
  lesson: LessonId,
  title: LessonTitle,
  /** Where the RTP comes from; RTCP (PLI, receiver reports) goes back there. Null while no track flows. */
  from: z.object({ ip: Ip, port: Port }).nullable(),
  /**
   * All that should be in the programme now: at most one video source (the screen if one is shared,
   * else the camera) with its layers, and any number of audio sources, which are mixed.
   * Empty while the teacher is away.
   */
  tracks: z.array(FeedTrack).max(16),
  teaching: Teaching.default('away'),
  /** What somebody chose of the recording, and when, in ms since 1970. */
  recording: RecordingChosen.optional(),
});
export type BroadcastFeed = z.infer<typeof BroadcastFeed>;

export const BroadcastStatus = z.object({
  broadcast: BroadcastId,
  state: z.enum(['starting', 'live', 'interrupted', 'ended', 'failed']),
  notice: BroadcastNotice.nullable(),
  /** Why it is not recorded now; it will be again by itself. Null if it is. */
  diskTrouble: DiskTrouble.nullable(),
  startedAtMs: z.number().nullable(),
  durationMs: z.number(),
  viewers: z.object({ flv: z.number().int(), hls: z.number().int(), rtmp: z.number().int() }),
  /** Where the gateway wants the RTP. */
  ingest: z.object({ ip: Ip, port: Port }),
  /** Whether it is to be recorded now, and what its lesson says of that. */
  recording: RecordingChoice.default('on'),
  recordingMode: RecordingMode.default('automatic'),
  /** How much of it is recorded so far, in ms; 0 once it is over. */
  recordedMs: z.number().default(0),
  /** Counts up whenever the channel's viewing rules change: who watches is to be decided again. */
  accessEpoch: z.number().int().min(0).optional(),
  /** How long the broadcast waits while nobody who teaches is connected, in ms. */
  waitMs: z.number().int().min(0).optional(),
  /** When this wait ends, and with it the broadcast, in ms since 1970; null while none runs. */
  waitEndsAtMs: z.number().nullable().default(null),
});
export type BroadcastStatus = z.infer<typeof BroadcastStatus>;

/** How often the gateway repeats what is published to a room, in ms. */
export const ENCODER_INTERVAL_MS = 1_000;
/** Without it, or without media, for this long the publication is over; until then it may return. */
export const ENCODER_LOST_MS = 15_000;

/** One RTP stream of a publication. Its SSRC, sequence and time go on over a return within 15 s. */
export const EncoderTrack = z.object({
  kind: z.enum(['audio', 'video']),
  codec: z.enum(['h264', 'opus']),
  ssrc: z.number().int().min(1).max(0xffff_ffff),
  payloadType: z.number().int().min(96).max(127),
  clockRate: z.number().int().positive(),
  channels: z.number().int().min(1).max(2).optional(),
});
export type EncoderTrack = z.infer<typeof EncoderTrack>;

/** What is published to a room from outside: RTP comes from whatever address its first packet has. */
export const EncoderState = z.object({
  /** One publication, over drops and returns. */
  publication: z.string().regex(/^[A-Za-z0-9_-]{8,40}$/),
  kind: z.enum(['rtmp', 'webcodecs', 'relay']),
  /** What its tile is called. */
  name: z.string().min(1).max(60),
  channel: ChannelId,
  title: LessonTitle,
  /** What flows or is about to; empty while nothing came yet, which asks for the verdict alone. */
  tracks: z.array(EncoderTrack).max(2),
  /** What is not as it should be now; empty if all is well. */
  notices: z.array(PublisherNotice).max(8).default([]),
});
export type EncoderState = z.infer<typeof EncoderState>;

/** Refusals are `already-publishing`, `room-closed` and the like. */
export const EncoderAnswer = z.object({
  state: z.literal('accepted'),
  /** Where the RTP and the sender reports go (one port, RFC 5761); PLI and NACK come back from there. */
  to: z.object({ ip: Ip, port: Port }),
  /** Of which kinds the broadcast takes all that is sent from now on; what is sent before is in no recording. */
  carried: z.array(z.enum(['audio', 'video'])).default(['audio', 'video']),
});
export type EncoderAnswer = z.infer<typeof EncoderAnswer>;

/** What the SFU asks before it gives or takes media by WebRTC. Without an answer the answer is no. */
export const AccessQuestion = z.object({
  action: z.enum(['play', 'publish']),
  protocol: z.enum(['whep', 'whip']),
  channel: ChannelId,
  /** The query of the address as it was asked for, without `?`; to publish, `key=<publish key>`. */
  query: z.string().max(4_000),
  /** Of the viewer or publisher, not of a proxy between. */
  ip: z.string().max(64),
  referer: z.string().max(4_000).optional(),
});
export type AccessQuestion = z.infer<typeof AccessQuestion>;

export const AccessAnswer = z.object({
  allow: z.boolean(),
  /** Which rule decided. */
  rule: z.string().max(64).nullable(),
  /** Why not; null if it is allowed. */
  code: ErrorCode.nullable(),
  /** To publish: the lesson that the key names. */
  lesson: LessonId.optional(),
  /** When it has to be asked again, in ms since 1970; left out if only a change of the rules can alter it. */
  untilMs: z.number().optional(),
});
export type AccessAnswer = z.infer<typeof AccessAnswer>;

export const RecordingInfo = z.object({
  id: RecordingId,
  lesson: LessonId,
  channel: ChannelId,
  state: z.enum(['armed', 'writing', 'paused', 'finalizing', 'ready', 'failed']),
  startedAtMs: z.number(),
  durationMs: z.number(),
  bytes: z.number(),
  /** Left out where all of it is shown; `durationMs` and `bytes` are those of all of it. */
  trim: Trim.optional(),
  /** The files it was cut into; left out where it was not. */
  pieces: z.array(Piece).max(MAX_PIECES).optional(),
});
export type RecordingInfo = z.infer<typeof RecordingInfo>;

/** What the gateway has to know of a channel. A lower `version` than it has changes nothing. */
export const ChannelSettings = z.object({
  /** Grows with each change: in ms since 1970, so that it does after a restored backup as well. */
  version: z.number().int().nonnegative(),
  lesson: LessonId,
  title: LessonTitle,
  /** Stream keys below this version were replaced; null once the lesson has ended: then none opens. */
  publishVersion: z.number().int().nonnegative().nullable(),
  /** Whether its broadcasts are recorded; `automatic` if nothing is said. */
  recording: RecordingMode.optional(),
  /** How its recordings are cut into files; not at all if nothing is said. */
  split: Split.optional(),
  /** Signatures below this epoch were revoked. */
  epoch: z.number().int().min(0).max(MAX_EPOCH),
  access: LessonAccess,
  /** Signatures that were made for one of these were revoked; none if nothing is said. */
  endedViewers: z.array(Viewer).max(MAX_SHARES).optional(),
});
export type ChannelSettings = z.infer<typeof ChannelSettings>;

/**
 * What the SFU has to know of a lesson's room. A version of a link never counts down. `asksConsent`: students have to
 * agree to be recorded; left out by earlier versions.
 */
export const RoomAccess = z.object({ links: LinkVersions, asksConsent: z.boolean().optional() });
export type RoomAccess = z.infer<typeof RoomAccess>;

/** What is chosen through the API of the recording of what is on air. */
export const RecordingSet = z.object({ choice: RecordingChoice });

/** The school's rules, for lessons that have none of their own. */
export const AccessDefaults = z.object({ version: z.number().int().nonnegative(), access: AccessRules });
export type AccessDefaults = z.infer<typeof AccessDefaults>;

/** The answer to both; `instance` names the gateway's memory: a new one has lost what it was told. */
export const SettingsTaken = z.object({ version: z.number(), instance: z.string().max(40) });
export type SettingsTaken = z.infer<typeof SettingsTaken>;

/** How a request is decided on, and what each rule says. */
export const ExplainRequest = z.object({
  /** `/live/<channel>`, or `/replay/` and what `replayName` makes. */
  resource: z.string().regex(/^\/(live\/[a-z0-9]{8,24}|replay\/[a-z0-9-]{8,320})$/),
  /** The path that was asked for, where it says more than the resource. */
  path: z.string().max(2_048).optional(),
  /** The query as it came, without `?`. */
  query: z.string().max(4_096),
  /** Of the viewer, not of a proxy. */
  ip: z.string().max(64),
  referer: z.string().max(4_096).nullable(),
  /** Rules to decide by instead of those in force. */
  trial: AccessRules.optional(),
});
export type ExplainRequest = z.infer<typeof ExplainRequest>;

export const ExplainAnswer = z.object({
  allow: z.boolean(),
  code: ErrorCode.nullable(),
  rule: RuleName.nullable(),
  steps: z.array(AccessStep),
  country: z.string().nullable(),
});
export type ExplainAnswer = z.infer<typeof ExplainAnswer>;

/** What the gateway tells of a lesson's broadcasts. `atMs` is when it happened. */
const GatewayEvent = z.discriminatedUnion('type', [
  z.object({
    type: z.literal('broadcast:changed'),
    atMs: z.number(),
    lesson: LessonId,
    channel: ChannelId,
    broadcast: BroadcastId,
    state: z.enum(['starting', 'live', 'interrupted', 'ended', 'failed']),
  }),
  z.object({ type: z.literal('recording:changed'), atMs: z.number(), recording: RecordingInfo }),
  /** The gateway is there (again); `instance` as in {@link SettingsTaken}. */
  z.object({ type: z.literal('gateway:started'), atMs: z.number(), instance: z.string().max(40) }),
]);
export type GatewayEvent = z.infer<typeof GatewayEvent>;

/** What flows back to `school`. */
export const ServiceEvent = z.union([RoomEvent, GatewayEvent]);
export type ServiceEvent = RoomEvent | GatewayEvent;

/** Events of one service in their order; `id` grows, so that a repeated delivery is recognised. */
export const EventBatch = z.object({
  /** Names the outbox: the service and its data folder's own random id. */
  outbox: z.string().min(1).max(80),
  events: z.array(z.object({ id: z.number().int().positive(), event: ServiceEvent })).max(200),
});
export type EventBatch = z.infer<typeof EventBatch>;
