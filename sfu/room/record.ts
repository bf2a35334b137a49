// What of a room outlives the process: its events, folded into a record when the room is opened and with each that
// is stored from then on.
import type { PeerRecord, RoomEventBody } from '#shared/contract/events.ts';
import type { Permission } from '#shared/domain/permissions.ts';
import type { AnyFeature } from './features/feature.ts';
import { FEATURES } from './features/index.ts';

export interface RoomRecord {
  state: 'new' | 'opened' | 'closed';
  /** Who is in the room, or was when the process ended. */
  readonly present: Map<string, PeerRecord>;
  readonly removed: Set<string>;
  /** The grantable permissions that a person was given or left with, by peer id. */
  readonly grants: Map<string, readonly Permission[]>;
  /** What each feature remembers. */
  readonly memories: ReadonlyMap<AnyFeature, unknown>;
}

/** The record of a room that nothing is known of, and that can do what `features` can. */
export function emptyRecord(features: readonly AnyFeature[] = FEATURES): RoomRecord {
  return {
    state: 'new',
    present: new Map(),
    removed: new Set(),
    grants: new Map(),
    memories: new Map(features.map((feature) => [feature, feature.memory()])),
  };
}

/** What `feature` remembers in `record`. */
export function memoryOf<M>(record: RoomRecord, feature: { memory(): M } & AnyFeature): M {
  // Made by the feature itself, in `emptyRecord`.
  return record.memories.get(feature) as M;
}

/** True if the room is rebuilt at once when the process starts: somebody was in it, or it was on air. */
export function isUnfinished(record: RoomRecord): boolean {
  const { present, memories } = record;
  return present.size > 0 || [...memories].some(([one, memory]) => one.isUnfinished?.(memory as never));
}

/** Lets `record` remember one more event. */
export function remember(record: RoomRecord, event: RoomEventBody): void {
  for (const [feature, memory] of record.memories) feature.remember?.(memory as never, event);
  switch (event.type) {
    case 'room:opened':
      record.state = 'opened';
      break;
    case 'room:closed':
      record.state = 'closed';
      record.present.clear();
      break;
    case 'peer:joined':
    case 'peer:changed':
      record.present.set(event.peer.id, event.peer);
      break;
    case 'peer:left':
      record.present.delete(event.peerId);
      break;
    case 'peer:removed':
      record.present.delete(event.peerId);
      record.removed.add(event.peerId);
      break;
    case 'peer:permitted':
      record.grants.set(event.peerId, event.permissions);
      break;
    default:
    // A feature's.
  }
}
