// What is published in a room, and who hears of it.
import { z } from 'zod';
import { Source, SOURCES, TabSource } from '../../domain/sources.ts';
import { MediaId, PeerId } from '../ids.ts';
import { Nothing, type FeatureSpec } from './feature.ts';
import { Media } from './media.ts';

export const ProducerView = z.object({
  id: MediaId,
  peerId: PeerId,
  source: Source,
  paused: z.boolean(),
});
export type ProducerView = z.infer<typeof ProducerView>;

const publish = { roles: ['teacher', 'assistant'], grantable: true } as const;

export const stage = {
  name: 'stage',
  permissions: { 'publish:camera': publish, 'publish:microphone': publish, 'publish:screen': publish },
  requests: {
    'producer:create': {
      in: z.object({
        transportId: MediaId,
        kind: z.enum(['audio', 'video']),
        source: TabSource,
        rtpParameters: Media,
        paused: z.boolean().default(false),
      }),
      out: z.object({ producerId: MediaId }),
      permission: ({ source }: { readonly source: TabSource }) => SOURCES[source].permission,
    },
    'producer:pause': { in: z.object({ producerId: MediaId }), out: Nothing, permission: null },
    'producer:resume': { in: z.object({ producerId: MediaId }), out: Nothing, permission: null },
    'producer:close': { in: z.object({ producerId: MediaId }), out: Nothing, permission: null },
    /** Closes that peer's producer; the peer may publish again if it still has the permission. */
    'peer:mute': {
      in: z.object({ peerId: PeerId, source: Source }),
      out: Nothing,
      permission: 'peer:manage',
    },
  },
  facts: {
    'producer:created': ProducerView,
    'producer:updated': ProducerView,
    /** To everyone; to its owner too when it was the server or a teacher who closed it. */
    'producer:closed': z.object({ producerId: MediaId, reason: z.enum(['closed', 'muted', 'revoked']) }),
  },
  events: {},
  snapshot: { producers: z.array(ProducerView) },
} as const satisfies FeatureSpec;
