// What a feature has of the room it is in.
import type { RoomEventBody } from '#shared/contract/events.ts';
import type { AnyFeature } from './features/feature.ts';
import type { Members } from './members.ts';
import type { MediaSlot } from './media-slot.ts';
import type { Lobby } from './lobby.ts';
import type { RoomDeps } from './ports.ts';

/** The events of one room. What is appended is stamped, stored, remembered by every feature, and told to the school. */
export interface RoomEvents {
  /** Durable when it returns, unless the disk takes nothing: then it waits in memory, and the class goes on. */
  append(event: RoomEventBody): void;
  /** Durable when it returns; else throws LecternError `disk-full` or `disk-unavailable`. */
  appendNow(event: RoomEventBody): void;
}

export interface RoomContext {
  readonly lesson: string;
  readonly deps: RoomDeps;
  readonly events: RoomEvents;
  readonly members: Members;
  readonly lobby: Lobby;
  readonly media: MediaSlot;
  /** The class's title; empty while nobody with a ticket came. */
  readonly title: () => string;
  /** Something came in from outside: the room is open, if it was not yet. */
  opened(): void;
  /** Something ended that kept the room busy. */
  released(): void;
  /** A feature that was opened before this one. */
  readonly get: <F>(feature: Pick<AnyFeature, 'spec'> & { open(room: RoomContext, memory: never): F }) => F;
}
