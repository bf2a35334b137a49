// Who waits to be let in, for those who manage people.
import { z } from 'zod';
import { PeerId } from '../ids.ts';
import { LinkVersions } from '../links.ts';
import { Nothing, type FeatureSpec } from './feature.ts';

/** Somebody who waits for the teacher's yes. */
export const WaitingView = z.object({ id: PeerId, name: z.string(), sinceMs: z.number() });
export type WaitingView = z.infer<typeof WaitingView>;

/** How many can be admitted or refused at once. */
const MAX_AT_THE_DOOR = 50;
const AtTheDoor = z.object({ peerIds: z.array(PeerId).min(1).max(MAX_AT_THE_DOOR) });

export const door = {
  name: 'door',
  permissions: {},
  requests: {
    /** Lets these people in who wait; those who do not are ignored. */
    'door:admit': { in: AtTheDoor, out: Nothing, permission: 'peer:manage' },
    /** Sends them away. */
    'door:refuse': { in: AtTheDoor, out: Nothing, permission: 'peer:manage' },
  },
  facts: {
    /** To those who manage people: somebody waits, and some do not any more. */
    'door:knocked': WaitingView,
    'door:left': z.object({ peerIds: z.array(PeerId) }),
    /** To somebody who waits: join now. */
    'door:opened': Nothing,
  },
  events: {
    'peer:admitted': z.object({ peerId: PeerId }),
    'links:replaced': z.object({ links: LinkVersions }),
    /** Whether students have to agree to be recorded. */
    'consent:asked': z.object({ isAsked: z.boolean() }),
  },
  /** Empty for those who do not manage people. */
  snapshot: { waiting: z.array(WaitingView).default([]) },
} as const satisfies FeatureSpec;
