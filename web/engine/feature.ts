// What a feature of a room has of the class that this tab is in.
import type { FactData, FactName, Joined } from '#shared/contract/signalling.ts';
import type { Notice } from './phases.ts';
import type { RoomMirror } from './room-mirror.ts';
import type { Signalling } from './signalling.ts';

export interface FeatureHost extends Pick<Signalling, 'request'> {
  readonly room: RoomMirror;
  /** Calls `handle` for each such fact, in the room's order: never before the answer to the join it follows. */
  on<Name extends FactName>(name: Name, handle: (fact: FactData<Name>) => void): void;
  /** Calls `handle` with each snapshot of the room: after the first join, and after each one that follows. */
  onJoined(handle: (joined: Joined) => void): void;
  /**
   * Something that is shown is not as it was. After `on` and `onJoined` it is called for you: call it for what an
   * answer changed, or you yourself. Everything that changed in one turn is shown at once.
   */
  changed(): void;
  notice(notice: Notice): void;
  /** A notice of the feature's own about a person; names that come together make one notice. */
  noticeOf(key: string, name: string): void;
}

/** Makes a feature's part of a class. The same function gives that part back: {@link Classroom.feature}. */
export type CreateFeature<Part = unknown> = (host: FeatureHost) => Part;
