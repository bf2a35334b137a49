// What happens in a room, as its one log keeps it (sfu/event-log.ts): a room is rebuilt from it, newcomers are given
// what it amounts to, and the school hears of it. Each feature declares its own events (features/index.ts).
import { z } from 'zod';
import { Permission } from '../domain/permissions.ts';
import { Role } from '../domain/roles.ts';
import { Nothing } from './features/feature.ts';
import { FEATURE_EVENTS } from './features/index.ts';
import { BroadcastId, LessonId, PeerId } from './ids.ts';

/** A peer as it is remembered; permissions are those of its ticket, grants are kept apart. */
export const PeerRecord = z.object({
  id: PeerId,
  name: z.string().max(60),
  role: Role,
  permissions: z.array(Permission),
  joinedAtMs: z.number(),
  /** The invitation it came by; left out by earlier versions. */
  invite: z.string().optional(),
  /** When it agreed to be recorded, where it was asked. */
  consentedAtMs: z.number().optional(),
});
export type PeerRecord = z.infer<typeof PeerRecord>;

const ROOM_EVENTS = {
  'room:opened': Nothing,
  'room:closed': Nothing,
  'peer:joined': z.object({ peer: PeerRecord }),
  /** Somebody who is in came back as new, perhaps under another name or by another link. */
  'peer:changed': z.object({ peer: PeerRecord }),
  'peer:left': z.object({ peerId: PeerId }),
  /** The ticket of this person does not come in again. */
  'peer:removed': z.object({ peerId: PeerId }),
  'peer:permitted': z.object({ peerId: PeerId, permissions: z.array(Permission) }),
  ...FEATURE_EVENTS,
};
type Bodies = typeof ROOM_EVENTS;

/** What is said of every event. */
const Stamp = z.object({
  atMs: z.number(),
  /** The lesson's id is its room's. */
  room: LessonId,
  /** The broadcast that was on air, and how much of it there was, in ms. A replay finds its events by
   * the broadcast or the time, and their place in the picture by the time alone.
   */
  media: z.object({ broadcast: BroadcastId, ms: z.number().min(0) }).nullable(),
});
export type MediaTime = z.infer<typeof Stamp>['media'];

/** An event before it is stamped. */
export type RoomEventBody = {
  [N in keyof Bodies]: { readonly type: N } & Pick<z.output<Bodies[N]>, keyof Bodies[N]['shape']>;
}[keyof Bodies];
export type RoomEvent = RoomEventBody & z.output<typeof Stamp>;

const variants = Object.entries(ROOM_EVENTS).map(([type, body]) =>
  z.object({ type: z.literal(type), ...Stamp.shape, ...body.shape }),
);
// Made of the table that the type is made of; TypeScript cannot follow the loop.
export const RoomEvent = z.discriminatedUnion(
  'type',
  variants as [(typeof variants)[number]],
) as unknown as z.ZodType<RoomEvent>;
