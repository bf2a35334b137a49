// Who is in the room: coming, going, being away, and what each may do. Every change is an event.
import { LecternError } from '#shared/contract/errors.ts';
import {
  RESUME_WINDOW_MS,
  type FactData,
  type FactName,
  type PeerView,
} from '#shared/contract/signalling.ts';
import { inviteOf, type Ticket } from '#shared/contract/tickets.ts';
import { GRANTABLE, type Permission } from '#shared/domain/permissions.ts';
import { mayManage, teaches } from '#shared/domain/roles.ts';
import { Peer } from './peer.ts';
import type { Link, RoomDeps } from './ports.ts';
import type { RoomEvents } from './context.ts';
import type { RoomRecord } from './record.ts';
import { seatFor } from './seats.ts';

export interface MembersOptions {
  readonly lesson: string;
  readonly record: RoomRecord;
  readonly deps: RoomDeps;
  readonly events: RoomEvents;
  readonly onGone: (peer: Peer) => void;
}

export class Members {
  readonly #room: string;
  readonly #deps: RoomDeps;
  readonly #events: RoomEvents;
  readonly #record: RoomRecord;
  readonly #peers = new Map<string, Peer>();
  readonly #onGone: (peer: Peer) => void;

  /**
   * Anyone who was in the room when the process ended is away, and gone after the resume window.
   * `onGone` is called for each that leaves, in whatever way, before the others hear of it.
   */
  constructor({ lesson, record, deps, events, onGone }: MembersOptions) {
    this.#room = lesson;
    this.#deps = deps;
    this.#events = events;
    this.#record = record;
    this.#onGone = onGone;
    for (const one of record.present.values()) {
      const peer = new Peer(one, record.grants.get(one.id));
      this.#peers.set(peer.id, peer);
      this.#away(peer);
    }
  }

  get size(): number {
    return this.#peers.size;
  }

  all(): Peer[] {
    return [...this.#peers.values()];
  }

  get(peerId: string): Peer | undefined {
    return this.#peers.get(peerId);
  }

  /** The peer that came in by this link. Throws LecternError `not-joined`. */
  by(peerId: string, link: Link): Peer {
    const peer = this.#peers.get(peerId);
    if (peer?.link !== link) throw new LecternError('not-joined');
    return peer;
  }

  viewsBut(peer: Peer): PeerView[] {
    return this.all()
      .filter((other) => other !== peer)
      .map((other) => other.view());
  }

  notify<N extends FactName>(name: N, data: FactData<N>, except?: Peer): void {
    for (const peer of this.#peers.values()) {
      if (peer !== except) peer.notify(name, data);
    }
  }

  /** Tells those who teach. */
  notifyTeachers<N extends FactName>(name: N, data: FactData<N>): void {
    for (const peer of this.#peers.values()) if (teaches(peer.role)) peer.notify(name, data);
  }

  /** Throws LecternError `peer-removed`, or `room-full` for a student more than fit. */
  admit(ticket: Ticket): void {
    if (this.#record.removed.has(ticket.sub)) throw new LecternError('peer-removed');
    if (this.#peers.has(ticket.sub)) return;
    if (seatFor(ticket, this.#peers.values()) === null) throw new LecternError('room-full');
  }

  /** Lets a person in by this link, as the peer it already is or as a new one. */
  enter(ticket: Ticket, name: string, link: Link, consents = false): Peer {
    const { sub: id, role, permissions } = ticket;
    const granted = this.#record.grants.get(id);
    const known = this.#peers.get(id);
    const joinedAtMs = known?.joinedAtMs ?? this.#deps.now();
    if (known === undefined) {
      const leaving = seatFor(ticket, this.#peers.values());
      if (leaving) this.dismiss(leaving);
    }
    const invite = inviteOf(ticket);
    const peer = known ?? new Peer({ id, name, role, permissions, joinedAtMs, invite }, granted);
    peer.name = name;
    if (consents) peer.consentedAtMs ??= this.#deps.now();
    peer.invite = invite;
    peer.renew(permissions, granted);
    peer.comeBack(link);
    if (known === undefined) {
      this.#peers.set(id, peer);
      this.#deps.log.info({ lesson: this.#room, peer: id, role }, 'peer joined');
    }
    this.#events.append({
      type: known === undefined ? 'peer:joined' : 'peer:changed',
      peer: peer.record(),
    });
    this.notify(known === undefined ? 'peer:joined' : 'peer:updated', peer.view(), peer);
    return peer;
  }

  /** The same page is back by another socket; the old one is only not yet known to be dead. */
  resume(peer: Peer, link: Link): void {
    const old = peer.link;
    peer.comeBack(link);
    if (old !== link) old?.close();
    this.notify('peer:updated', peer.view(), peer);
  }

  /** Another tab of the same person comes in by `link`: the old one hears of it. */
  displace(peer: Peer, link: Link): void {
    const old = peer.link;
    if (old === null || old === link) return;
    peer.notify('room:closed', { reason: 'replaced' });
    this.#away(peer);
    old.close();
  }

  /** The link is gone: anyone who came by it is away, and may resume for a while. */
  lost(peerId: string, link: Link): void {
    const peer = this.#peers.get(peerId);
    if (peer?.link !== link) return;
    this.#away(peer);
    this.notify('peer:updated', peer.view());
  }

  /** Lets a peer go, telling it why if it did not ask for it itself. */
  dismiss(peer: Peer, reason?: FactData<'room:closed'>['reason']): void {
    if (this.#peers.get(peer.id) !== peer) return;
    this.#peers.delete(peer.id);
    if (reason !== undefined) {
      peer.notify('room:closed', { reason });
      peer.link?.close();
    }
    this.#onGone(peer);
    peer.close();
    this.notify('peer:left', { peerId: peer.id });
    this.#events.append({ type: 'peer:left', peerId: peer.id });
    this.#deps.log.info({ lesson: this.#room, peer: peer.id, reason }, 'peer left');
  }

  /** Removes for good: the same ticket does not come in again. */
  remove(peer: Peer): void {
    this.ban(peer.id);
    this.dismiss(peer, 'removed');
  }

  /** The ticket of this person does not come in again. */
  ban(peerId: string): void {
    this.#events.append({ type: 'peer:removed', peerId });
  }

  /** Replaces the grantable permissions of one person, now and for later joins. */
  permit(peer: Peer, permissions: readonly Permission[]): void {
    const granted = permissions.filter((permission) => GRANTABLE.includes(permission));
    this.#events.append({ type: 'peer:permitted', peerId: peer.id, permissions: granted });
    peer.permit(granted);
    this.notify('peer:updated', peer.view());
  }

  /** The peer that `actor` wants to manage. Throws LecternError `not-found` or `forbidden`. */
  manageable(actor: Peer, peerId: string): Peer {
    const target = this.#peers.get(peerId);
    if (target === undefined) throw new LecternError('not-found', 'This person is not in the room.');
    if (!mayManage(actor.role, target.role)) throw new LecternError('forbidden');
    return target;
  }

  /** Lets go of everyone without a word; the events still have them. */
  free(): void {
    for (const peer of this.#peers.values()) peer.close();
    this.#peers.clear();
  }

  #away(peer: Peer): void {
    peer.goAway(this.#deps.now(), RESUME_WINDOW_MS, () => this.dismiss(peer));
  }
}
