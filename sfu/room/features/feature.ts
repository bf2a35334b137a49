// How a feature of a room is written on this side: what it remembers over a restart, and what it does while the
// room is open. What it says to browsers is declared in shared/contract/features.
import type { z } from 'zod';
import type { RoomEventBody } from '#shared/contract/events.ts';
import type { FeatureSpec } from '#shared/contract/features/feature.ts';
import type { Ticket } from '#shared/contract/tickets.ts';
import type { Rate } from '#shared/token-bucket.ts';
import type { RoomContext } from '../context.ts';
import type { Peer, Session } from '../peer.ts';
import type { Link } from '../ports.ts';

/** Who asks, after all checks. */
export interface Call {
  readonly peer: Peer;
  readonly ticket: Ticket;
}

type Requests = FeatureSpec['requests'];

/** What each request does; `signalling/bind.ts` has checked it. Throws LecternError to refuse. */
export type Handlers<R extends Requests> = {
  readonly [N in keyof R]: (
    call: Call,
    data: z.output<R[N]['in']>,
  ) => z.input<R[N]['out']> | Promise<z.input<R[N]['out']>>;
};

/** A feature in an open room. */
export interface OpenFeature<S extends FeatureSpec = FeatureSpec> {
  readonly requests: Handlers<S['requests']>;
  /** Its part of the answer to `room:join`. */
  snapshot(peer: Peer, session: Session): { [F in keyof S['snapshot']]: z.input<S['snapshot'][F]> };
  /** Awaited before a session enters: what it has to be given first. Throws LecternError to keep it out. */
  prepare?(peerId: string, session: Session): Promise<void>;
  /** A peer left, was removed, or joins as new: its media are gone. */
  sessionEnded?(peer: Peer): void;
  /** The permissions of a peer changed. */
  permitted?(peer: Peer): void;
  /** The browser ended the connection under this producer. */
  producerGone?(producerId: string): void;
  /** The connection of somebody who was welcomed is gone. */
  linkLost?(peerId: string, link: Link): void;
  /** The media of the room are gone with their worker. */
  mediaLost?(): void;
  /** The school's rules, or links, changed. */
  accessChanged?(): void;
  /** True for somebody who published or wrote something before the room was rebuilt. */
  wasActive?(peerId: string): boolean;
  /** True while it needs the room although nobody is in it. */
  isBusy?(): boolean;
  /** The class is over. The room says that. */
  close?(): void;
  /** The room leaves memory; it may be rebuilt from its events. */
  free?(): void;
}

export interface Feature<S extends FeatureSpec, M, F extends OpenFeature<S>> {
  readonly spec: S;
  /** What it remembers of a room of which nothing is known. */
  memory(): M;
  /** Lets `memory` remember one more event, of its own or of another: called for each that is stored. */
  remember?(memory: M, event: RoomEventBody): void;
  /** True if a room that is remembered so is rebuilt at once when the process starts. */
  isUnfinished?(memory: M): boolean;
  /** What one person may ask for, where the rate for all requests is not enough. Requests with the same
   * `Rate` object share its tokens; a rate of the feature's own stands in its own file.
   */
  readonly rates?: { readonly [N in keyof S['requests']]?: Rate };
  /** Features that were opened before it are at hand in `room`. */
  open(room: RoomContext, memory: M): F;
}

/** A feature, with its types put together. */
export function feature<S extends FeatureSpec, M, F extends OpenFeature<S>>(
  definition: Feature<S, M, F>,
): Feature<S, M, F> {
  return definition;
}

/** Any feature, for those who treat all alike: each gets its own memory, and its own data, back. */
export interface AnyFeature {
  readonly spec: FeatureSpec;
  memory(): unknown;
  remember?(memory: never, event: RoomEventBody): void;
  isUnfinished?(memory: never): boolean;
  readonly rates?: Readonly<Record<string, Rate | undefined>>;
  open(room: RoomContext, memory: never): AnyOpenFeature;
}
export interface AnyOpenFeature extends Omit<OpenFeature, 'requests' | 'snapshot'> {
  readonly requests: Readonly<Record<string, (call: Call, data: never) => unknown>>;
  snapshot(peer: Peer, session: Session): object;
}
