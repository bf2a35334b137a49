// What browsers send to mediasoup, checked to the last field. mediasoup checks most of it itself, but
// a value that fails inside its serializer (a `maxBitrate` of 1.5, say) leaves the channel to that
// worker broken for every room on it. Unknown fields are dropped.
import type { types } from 'mediasoup';
import { z } from 'zod';
import { LecternError } from '#shared/contract/errors.ts';

const Text = z.string().max(500);
const Name = z.string().min(1).max(100);
const Int32 = z.number().int().min(-0x8000_0000).max(0x7fff_ffff);
const Ssrc = z.number().int().min(1).max(0xffff_ffff);
const PayloadType = z.number().int().min(0).max(127);
const ExtensionId = z.number().int().min(1).max(255);

const Parameter = z.union([Text, z.boolean(), Int32, z.number(), z.array(Int32).max(16)]);
const Parameters = z.record(z.string().max(64), Parameter.nullish()).transform((parameters) => {
  const given = Object.entries(parameters).filter(([, value]) => value !== null && value !== undefined);
  return Object.fromEntries(given);
});
const RtcpFeedback = z.object({ type: Name, parameter: z.string().max(100).optional() });

const Codec = {
  mimeType: z.string().regex(/^(audio|video)\/[A-Za-z0-9-]{1,40}$/),
  clockRate: z.number().int().positive().max(1_000_000),
  channels: z.number().int().min(1).max(8).optional(),
  parameters: Parameters.optional(),
  rtcpFeedback: z.array(RtcpFeedback).max(32).optional(),
};

/** RTCRtpParameters as mediasoup-client makes them (W3C WebRTC §5.2, narrowed). */
const RtpParameters = z.object({
  mid: z.string().min(1).max(32).optional(),
  msid: Text.optional(),
  codecs: z
    .array(z.object({ ...Codec, payloadType: PayloadType }))
    .min(1)
    .max(16),
  headerExtensions: z
    .array(
      z.object({
        uri: z.string().min(1).max(200),
        id: ExtensionId,
        encrypt: z.boolean().optional(),
        parameters: Parameters.optional(),
      }),
    )
    .max(32)
    .optional(),
  encodings: z
    .array(
      z.object({
        ssrc: Ssrc.optional(),
        rid: z
          .string()
          .regex(/^[A-Za-z0-9_-]{1,16}$/)
          .optional(),
        codecPayloadType: PayloadType.optional(),
        rtx: z.object({ ssrc: Ssrc }).optional(),
        dtx: z.boolean().optional(),
        scalabilityMode: z
          .string()
          .regex(/^[LS][1-3]T[1-3](_KEY|_KEY_SHIFT|h)?$/)
          .optional(),
        maxBitrate: z.number().min(0).max(1e9).transform(Math.round).optional(),
      }),
    )
    .min(1)
    .max(3),
  rtcp: z.object({ cname: z.string().max(256).optional(), reducedSize: z.boolean().optional() }).optional(),
});

const Kind = z.enum(['audio', 'video']);
const RtpCapabilities = z.object({
  codecs: z
    .array(z.object({ ...Codec, kind: Kind, preferredPayloadType: PayloadType.optional() }))
    .max(200)
    .optional(),
  headerExtensions: z
    .array(
      z.object({
        kind: Kind,
        uri: z.string().min(1).max(200),
        preferredId: ExtensionId,
        preferredEncrypt: z.boolean().optional(),
        direction: z.enum(['sendrecv', 'sendonly', 'recvonly', 'inactive']).optional(),
      }),
    )
    .max(64)
    .optional(),
});

const DtlsParameters = z.object({
  role: z.enum(['auto', 'client', 'server']).optional(),
  fingerprints: z
    .array(
      z.object({
        algorithm: z.enum(['sha-1', 'sha-224', 'sha-256', 'sha-384', 'sha-512']),
        value: z.string().regex(/^[0-9A-Fa-f:]{10,200}$/),
      }),
    )
    .min(1)
    .max(8),
});

function checked<T extends z.ZodType>(schema: T, value: unknown, what: string): z.output<T> {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const issue = result.error.issues[0];
  throw new LecternError(
    'bad-request',
    `${what}.${issue?.path.join('.') ?? ''}: ${issue?.message ?? 'is wrong'}`,
  );
}

// The casts say that a missing field and an undefined one are alike to mediasoup.

/** Throws LecternError `bad-request`. */
export const rtpParameters = (value: unknown) =>
  checked(RtpParameters, value, 'rtpParameters') as types.RtpParameters;
/** Throws LecternError `bad-request`. */
export const rtpCapabilities = (value: unknown) =>
  checked(RtpCapabilities, value, 'rtpCapabilities') as types.RtpCapabilities;
/** Throws LecternError `bad-request`. */
export const dtlsParameters = (value: unknown) =>
  checked(DtlsParameters, value, 'dtlsParameters') as types.DtlsParameters;
