// A peer's transports and what it receives on them. mediasoup's own structures pass through as bounded JSON:
// mediasoup and mediasoup-client validate them, their shape is not ours.
import { z } from 'zod';
import { Source } from '../../domain/sources.ts';
import { MediaId, PeerId } from '../ids.ts';
import { Nothing, type FeatureSpec } from './feature.ts';

export const Media = z.record(z.string().max(64), z.unknown());
/** mediasoup's RtpCapabilities, RtpParameters, DtlsParameters, … as plain JSON. */
export type Media = z.infer<typeof Media>;

export const Direction = z.enum(['send', 'recv']);

export const TransportView = z.object({
  id: MediaId,
  iceParameters: Media,
  iceCandidates: z.array(Media),
  dtlsParameters: Media,
});
export type TransportView = z.infer<typeof TransportView>;

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

export const media = {
  name: 'media',
  permissions: {},
  requests: {
    'transport:create': { in: z.object({ direction: Direction }), out: TransportView, permission: null },
    'transport:connect': {
      in: z.object({ transportId: MediaId, dtlsParameters: Media }),
      out: Nothing,
      permission: null,
    },
    /** Asks for fresh ICE parameters after a change of network. */
    'transport:restart': {
      in: z.object({ transportId: MediaId }),
      out: z.object({ iceParameters: Media }),
      permission: null,
    },
    /** The most that the tile can use; the SFU sends that or what the bandwidth allows. */
    'consumer:prefer': {
      in: z.object({ consumerId: MediaId, spatialLayer: z.number().int().min(0).max(2) }),
      out: Nothing,
      permission: null,
    },
    'consumer:pause': { in: z.object({ consumerId: MediaId }), out: Nothing, permission: null },
    'consumer:resume': { in: z.object({ consumerId: MediaId }), out: Nothing, permission: null },
  },
  facts: {
    'consumer:created': ConsumerView,
    'consumer:closed': z.object({ consumerId: MediaId }),
    /** The layer now being sent; null while none is. */
    'consumer:layer': z.object({ consumerId: MediaId, spatialLayer: z.number().int().nullable() }),
  },
  events: {},
  /** The receiving transport and what already flows on it: one round trip to the first frame. */
  snapshot: { recvTransport: TransportView, consumers: z.array(ConsumerView) },
} as const satisfies FeatureSpec;
