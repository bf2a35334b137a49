// Raised hands, in the order in which they went up.
import { z } from 'zod';
import { PeerId } from '../ids.ts';
import { Nothing, type FeatureSpec } from './feature.ts';

export const RaisedHand = z.object({ peerId: PeerId, raisedAtMs: z.number() });
export type RaisedHand = z.infer<typeof RaisedHand>;

export const hands = {
  name: 'hands',
  permissions: { 'hand:raise': { roles: ['student'], grantable: false } },
  requests: {
    /** Raises the sender's own hand; one that is up keeps its place. */
    'hand:raise': { in: Nothing, out: Nothing, permission: 'hand:raise' },
    /** Lowers the sender's own hand, or that of `peerId`, which asks for managing people. Idempotent. */
    'hand:lower': {
      in: z.object({ peerId: PeerId.optional() }),
      out: Nothing,
      permission: ({ peerId }: { readonly peerId?: string | undefined }) =>
        peerId === undefined ? 'hand:raise' : 'peer:manage',
    },
  },
  facts: { 'hand:raised': RaisedHand, 'hand:lowered': z.object({ peerId: PeerId }) },
  events: { 'hand:raised': RaisedHand, 'hand:lowered': z.object({ peerId: PeerId }) },
  /** The first first. */
  snapshot: { hands: z.array(RaisedHand).default([]) },
} as const satisfies FeatureSpec;
