// How the services are: what each tells the school at `GET /internal/status`, and what the owner reads of
// all of them at `GET /api/v1/status`. Figures, not words: the page says what they mean.
import { z } from 'zod';
import { BroadcastNotice } from './broadcast-notice.ts';
import { DiskTrouble } from './errors.ts';
import { BroadcastId, ChannelId, LessonId } from './ids.ts';

const Count = z.number().int().min(0);
const Bytes = z.number().min(0);

/** One process, since its start. */
export const ProcessStats = z.object({
  cpuS: z.number().min(0),
  memoryBytes: Bytes,
  uptimeS: z.number().min(0),
});
export type ProcessStats = z.infer<typeof ProcessStats>;

/** A broadcast that is on air. Rates are those of the last five seconds, ratios of the last half minute. */
export const ChannelStatus = z.object({
  channel: ChannelId,
  lesson: LessonId,
  broadcast: BroadcastId,
  title: z.string(),
  /** Of the publisher: not there yet, sending, gone for now. */
  state: z.enum(['starting', 'live', 'interrupted']),
  startedAtMs: z.number().nullable(),
  durationMs: z.number(),
  /** What a person should know of it. */
  notice: BroadcastNotice.nullable(),
  /** Why it is not recorded now; null if it is. */
  diskTrouble: DiskTrouble.nullable(),
  /** Media that comes in and goes out, in bit/s. */
  inBps: z.number().min(0),
  outBps: z.number().min(0),
  /** Pictures per second of the programme. */
  fps: z.number().min(0),
  /** By protocol. */
  viewers: z.record(z.string().max(20), Count),
  /** Of the packets that were sent to us, 0 … 1. */
  lossRatio: z.number().min(0).max(1),
  keyframeIntervalMs: z.number().nullable(),
  /** How much later than its picture the sound of a moment is handed on. */
  skewMs: z.number().nullable(),
  /** Readers that were too slow within the last half minute: they skipped, or were let go. */
  slowReaders: Count,
  /** From a viewer's request to the first media, over the last 200 viewers. */
  firstFrame: z.object({ count: Count, p50Ms: z.number().nullable(), p95Ms: z.number().nullable() }),
});
export type ChannelStatus = z.infer<typeof ChannelStatus>;

/** At most this many channels are told one by one; a gateway carries far fewer. */
export const MAX_CHANNELS_TOLD = 500;

export const GatewayStatus = z.object({
  vitals: ProcessStats,
  channels: z.array(ChannelStatus).max(MAX_CHANNELS_TOLD),
  /** Of the file system that the recordings are on, and what they take of it. It has no size while it is away. */
  disk: z.object({ freeBytes: Bytes, sizeBytes: Bytes, recordingsBytes: Bytes }),
  /** The workers that make AAC: their processor time since the start, and how late they answer. */
  sound: z.object({ workers: Count, cpuS: z.number().min(0), lagMs: z.number() }),
  /** Events that wait for the school. */
  outbox: Count,
});
export type GatewayStatus = z.infer<typeof GatewayStatus>;

export const SfuStatus = z.object({
  /** Its media workers included. */
  vitals: ProcessStats,
  rooms: Count,
  people: Count,
  /** Players that watch by WHEP, by lesson. */
  whepViewers: z.record(LessonId, Count),
  workers: Count,
  workerDeaths: Count,
  outbox: Count,
});
export type SfuStatus = z.infer<typeof SfuStatus>;

export const ServiceName = z.enum(['gateway', 'sfu', 'school']);
export type ServiceName = z.infer<typeof ServiceName>;

/** What an operator should look at. The page has words for each. */
export const Warning = z.object({
  code: z.enum([
    'service-down',
    'disk-full',
    'disk-low',
    'disk-unavailable',
    'not-recorded',
    'source-gone',
    'class-notice',
    'packet-loss',
    'keyframes-rare',
    'skew',
    'viewers-slow',
    'sound-late',
    'worker-died',
    'events-waiting',
  ]),
  service: ServiceName.optional(),
  /** The class that it is about. */
  lesson: LessonId.optional(),
  title: z.string().optional(),
  /** In the unit that the code implies: bytes, a ratio, ms, a number of things. */
  value: z.number().optional(),
  notice: BroadcastNotice.optional(),
});
export type Warning = z.infer<typeof Warning>;
export type WarningCode = Warning['code'];

/** `GET /api/v1/status`. What a service that does not answer would tell is null, or missing from a list. */
export const Status = z.object({
  atMs: z.number(),
  services: z.array(
    z.object({
      name: ServiceName,
      state: z.enum(['up', 'down']),
      /** How long it took to answer. */
      answerMs: z.number().nullable(),
      vitals: ProcessStats.nullable(),
      /** Processor time in parts of a core, since the last sample of the history. */
      cpu: z.number().min(0).nullable(),
    }),
  ),
  channels: z.array(ChannelStatus),
  rooms: z.object({ rooms: Count, people: Count, workers: Count }).nullable(),
  disk: GatewayStatus.shape.disk.nullable(),
  sound: GatewayStatus.shape.sound.nullable(),
  /** The most urgent first. */
  warnings: z.array(Warning),
});
export type Status = z.infer<typeof Status>;
