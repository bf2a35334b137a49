// The last hour of the services, as the school noted it: one sample each ten seconds.
import { z } from 'zod';
import { BroadcastId } from './ids.ts';
import { ServiceName } from './status.ts';

export const SAMPLE_EVERY_MS = 10_000;
export const MAX_SAMPLES = 360;
/** So many classes have a line of their own; the sums are of all. */
export const MAX_CHANNELS_SAMPLED = 30;

const Count = z.number().int().min(0);
const Amount = z.number().min(0);

/** Null and missing is what nobody could tell at that time: a line has a gap there. */
export const StatusSample = z.object({
  atMs: z.number(),
  /** Processor time in parts of a core since the sample before, and memory. */
  services: z.partialRecord(ServiceName, z.object({ cpu: Amount, memoryBytes: Amount })),
  /** Of all classes on air; null while the gateway does not answer. */
  sums: z
    .object({
      inBps: Amount,
      outBps: Amount,
      /** By protocol. */
      viewers: z.record(z.string().max(20), Count),
      /** Of the classes that had viewers: the median of the usual one, and the slowest of the p95. */
      firstFrame: z.object({ p50Ms: Amount, p95Ms: Amount }).nullable(),
      diskFreeBytes: Amount,
    })
    .nullable(),
  channels: z.partialRecord(BroadcastId, z.object({ inBps: Amount, outBps: Amount, viewers: Count })),
});
export type StatusSample = z.infer<typeof StatusSample>;

/** `GET /api/v1/status/history`: the oldest first. */
export const StatusHistory = z.object({ samples: z.array(StatusSample).max(MAX_SAMPLES) });
export type StatusHistory = z.infer<typeof StatusHistory>;
