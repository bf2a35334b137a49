// A member of a room: who it is, what it may do, the link to its browser and its media session.
import type { ConsumerView } from '#shared/contract/features/media.ts';
import type { FactData, FactName, PeerView } from '#shared/contract/signalling.ts';
import { inviteOf } from '#shared/contract/tickets.ts';
import { LecternError } from '#shared/contract/errors.ts';
import { GRANTABLE, type Permission } from '#shared/domain/permissions.ts';
import type { Role } from '#shared/domain/roles.ts';
import type { Source } from '#shared/domain/sources.ts';
import type { ConsumerStream, Link, PeerMedia } from './ports.ts';
import type { PeerRecord } from '#shared/contract/events.ts';

/** A stream that a peer receives, with whose it is. */
export interface Subscription extends ConsumerStream {
  readonly producerId: string;
  readonly peerId: string;
  readonly source: Source;
}

/** The media of one join; a lost socket that comes back finds it again by its id. */
export interface Session {
  readonly id: string;
  readonly media: PeerMedia;
  readonly subscriptions: Map<string, Subscription>;
  /** Producers that were offered to this session already, decodable or not. */
  readonly offered: Set<string>;
}

type Presence =
  | { readonly state: 'present'; readonly link: Link }
  | { readonly state: 'away'; readonly timer: NodeJS.Timeout | undefined; readonly sinceMs: number };

export class Peer {
  readonly id: string;
  readonly role: Role;
  readonly joinedAtMs: number;
  name: string;
  /** The invitation it came by, as its ticket names it. */
  invite: string;
  /** When it agreed to be recorded; undefined if it was not asked. */
  consentedAtMs: number | undefined;
  /** True once it published or wrote something. */
  active = false;
  /** Null before the first join after a restart of the service or of its worker. */
  session: Session | null = null;
  #ticketPermissions: readonly Permission[];
  #permissions: ReadonlySet<Permission>;
  #presence: Presence = { state: 'away', timer: undefined, sinceMs: 0 };

  /** `granted` takes the place of the grantable permissions of its ticket. */
  constructor(record: PeerRecord, granted: readonly Permission[] | undefined) {
    this.id = record.id;
    this.role = record.role;
    this.name = record.name;
    this.invite = inviteOf(record);
    this.joinedAtMs = record.joinedAtMs;
    this.consentedAtMs = record.consentedAtMs;
    this.#ticketPermissions = record.permissions;
    this.#permissions = new Set(record.permissions);
    if (granted !== undefined) this.permit(granted);
  }

  get link(): Link | null {
    return this.#presence.state === 'present' ? this.#presence.link : null;
  }

  comeBack(link: Link): void {
    if (this.#presence.state === 'away') clearTimeout(this.#presence.timer);
    this.#presence = { state: 'present', link };
  }

  /** Since when it is away, in ms; null while it is present. */
  get awaySinceMs(): number | null {
    return this.#presence.state === 'away' ? this.#presence.sinceMs : null;
  }

  /** Its link is gone at `nowMs`; `onGone` is called if it does not come back within `awayMs`. */
  goAway(nowMs: number, awayMs: number, onGone: () => void): void {
    if (this.#presence.state === 'away') clearTimeout(this.#presence.timer);
    this.#presence = { state: 'away', timer: setTimeout(onGone, awayMs), sinceMs: nowMs };
  }

  /** Lets go of the timer and of the media. The link stays open. */
  close(): void {
    if (this.#presence.state === 'away') clearTimeout(this.#presence.timer);
    this.endSession();
  }

  endSession(): void {
    this.session?.media.close();
    this.session = null;
  }

  may(permission: Permission): boolean {
    return this.#permissions.has(permission);
  }

  /** Throws LecternError `forbidden` unless it may. */
  require(permission: Permission): void {
    if (!this.may(permission)) throw new LecternError('forbidden');
  }

  /** Throws LecternError `conflict` while it has no media, as right after its worker died. */
  requireSession(): Session {
    if (this.session === null) throw new LecternError('conflict', 'Join the room again first.');
    return this.session;
  }

  /** Replaces what may be granted; what its ticket says about the rest stays. */
  permit(granted: readonly Permission[]): void {
    this.#permissions = new Set([
      ...this.#ticketPermissions.filter((permission) => !GRANTABLE.includes(permission)),
      ...granted.filter((permission) => GRANTABLE.includes(permission)),
    ]);
  }

  /** Takes over what a newer ticket says; `granted` wins over it. */
  renew(permissions: readonly Permission[], granted: readonly Permission[] | undefined): void {
    this.#ticketPermissions = permissions;
    this.#permissions = new Set(permissions);
    if (granted !== undefined) this.permit(granted);
  }

  notify<N extends FactName>(name: N, data: FactData<N>): void {
    this.link?.send(name, data);
  }

  view(): PeerView {
    return {
      id: this.id,
      name: this.name,
      role: this.role,
      permissions: [...this.#permissions],
      state: this.#presence.state,
      joinedAtMs: this.joinedAtMs,
    };
  }

  record(): PeerRecord {
    const { id, name, role, joinedAtMs, invite, consentedAtMs } = this;
    const permissions = [...this.#ticketPermissions];
    return { id, name, role, joinedAtMs, invite, permissions, ...(consentedAtMs && { consentedAtMs }) };
  }
}

/** How a subscription is told to the browser. */
export function consumerView(subscription: Subscription, producerPaused: boolean): ConsumerView {
  const { id, producerId, peerId, source, kind, rtpParameters, layers } = subscription;
  return { id, producerId, peerId, source, kind, rtpParameters, producerPaused, layers };
}
