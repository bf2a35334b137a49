// Who is in the room: coming, going, being away, and what each may do. Journalled as it happens.
import { LecternError } from '#shared/contract/errors.ts';
import {
  RESUME_WINDOW_MS,
  type FactData,
  type FactName,
  type PeerView,
} from '#shared/contract/signalling.ts';
import { inviteOf, type Ticket } from '#shared/contract/tickets.ts';
import { GRANTABLE, mayManage, teaches, type Permission } from '#shared/domain/permissions.ts';
import { Peer } from './peer.ts';
import type { Link, RoomDeps } from './ports.ts';
import type { RoomRecord } from './record.ts';
import { seatFor } from './seats.ts';

export class Members {
  readonly #room: string;
  readonly #deps: RoomDeps;
  readonly #peers = new Map<string, Peer>();
  readonly #removed: Set<string>;
  readonly #grants: Map<string, readonly Permission[]>;
  readonly #onGone: (peer: Peer) => void;

  /**
   * Whoever was in the room when the process ended is away, and gone after the resume window.
   * `onGone` is called for each that leaves, in whatever way, before the others hear of it.
   */
  constructor(room: string, record: RoomRecord, deps: RoomDeps, onGone: (peer: Peer) => void) {
    this.#room = room;
    this.#deps = deps;
    this.#removed = record.removed;
    this.#grants = record.grants;
    this.#onGone = onGone;
    for (const one of record.present.values()) {
      const peer = new Peer(one, this.#grants.get(one.id));
      peer.active = record.chat.writtenBy(peer.id) > 0;
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

  tell<N extends FactName>(name: N, data: FactData<N>, except?: Peer): void {
    for (const peer of this.#peers.values()) {
      if (peer !== except) peer.tell(name, data);
    }
  }

  /** Tells those who teach. */
  tellTeachers<N extends FactName>(name: N, data: FactData<N>): void {
    for (const peer of this.#peers.values()) if (teaches(peer.role)) peer.tell(name, data);
  }

  /** Throws LecternError `peer-removed`, or `room-full` for a student more than fit. */
  admit(ticket: Ticket): void {
    if (this.#removed.has(ticket.sub)) throw new LecternError('peer-removed');
    if (this.#peers.has(ticket.sub)) return;
    if (seatFor(ticket, this.#peers.values()) === null) throw new LecternError('room-full');
  }

  /** Lets a person in by this link, as the peer it already is or as a new one. */
  enter(ticket: Ticket, name: string, link: Link): Peer {
    const { sub: id, role, permissions } = ticket;
    const granted = this.#grants.get(id);
    const known = this.#peers.get(id);
    const joinedAtMs = known?.joinedAtMs ?? this.#deps.now();
    if (known === undefined) {
      const leaving = seatFor(ticket, this.#peers.values());
      if (leaving) this.dismiss(leaving);
    }
    const invite = inviteOf(ticket);
    const peer = known ?? new Peer({ id, name, role, permissions, joinedAtMs, invite }, granted);
    peer.name = name;
    peer.invite = invite;
    peer.renew(permissions, granted);
    peer.comeBack(link);
    if (known === undefined) {
      this.#peers.set(id, peer);
      this.#deps.publish({ type: 'peer:joined', atMs: joinedAtMs, lesson: this.#room, peer: id, name, role });
      this.#deps.log.info({ lesson: this.#room, peer: id, role }, 'peer joined');
    }
    this.#deps.journal.append(this.#room, { type: 'peer:joined', peer: peer.record() });
    this.tell(known === undefined ? 'peer:joined' : 'peer:updated', peer.view(), peer);
    return peer;
  }

  /** The same page is back by another socket; the old one is only not yet known to be dead. */
  resume(peer: Peer, link: Link): void {
    const old = peer.link;
    peer.comeBack(link);
    if (old !== link) old?.close();
    this.tell('peer:updated', peer.view(), peer);
  }

  /** Another tab of the same person comes in by `link`: the old one hears of it. */
  displace(peer: Peer, link: Link): void {
    const old = peer.link;
    if (old === null || old === link) return;
    peer.tell('room:closed', { reason: 'replaced' });
    this.#away(peer);
    old.close();
  }

  /** The link is gone: whoever came by it is away, and may resume for a while. */
  lost(peerId: string, link: Link): void {
    const peer = this.#peers.get(peerId);
    if (peer?.link !== link) return;
    this.#away(peer);
    this.tell('peer:updated', peer.view());
  }

  /** Lets a peer go, telling it why if it did not ask for it itself. */
  dismiss(peer: Peer, reason?: FactData<'room:closed'>['reason']): void {
    if (this.#peers.get(peer.id) !== peer) return;
    this.#peers.delete(peer.id);
    if (reason !== undefined) {
      peer.tell('room:closed', { reason });
      peer.link?.close();
    }
    this.#onGone(peer);
    peer.close();
    this.tell('peer:left', { peerId: peer.id });
    this.#deps.publish({ type: 'peer:left', atMs: this.#deps.now(), lesson: this.#room, peer: peer.id });
    this.#deps.journal.append(this.#room, { type: 'peer:left', peerId: peer.id });
    this.#deps.log.info({ lesson: this.#room, peer: peer.id, reason }, 'peer left');
  }

  /** Removes for good: the same ticket does not come in again. */
  remove(peer: Peer): void {
    this.ban(peer.id);
    this.dismiss(peer, 'removed');
  }

  /** The ticket of this person does not come in again. */
  ban(peerId: string): void {
    this.#deps.journal.append(this.#room, { type: 'peer:removed', peerId });
    this.#removed.add(peerId);
  }

  /** Replaces the grantable permissions of one person, now and for later joins. */
  permit(peer: Peer, permissions: readonly Permission[]): void {
    const granted = permissions.filter((permission) => GRANTABLE.includes(permission));
    this.#deps.journal.append(this.#room, { type: 'peer:permitted', peerId: peer.id, permissions: granted });
    this.#grants.set(peer.id, granted);
    peer.permit(granted);
    this.tell('peer:updated', peer.view());
  }

  /** The peer that `actor` wants to manage. Throws LecternError `not-found` or `forbidden`. */
  manageable(actor: Peer, peerId: string): Peer {
    const target = this.#peers.get(peerId);
    if (target === undefined) throw new LecternError('not-found', 'This person is not in the room.');
    if (!mayManage(actor.role, target.role)) throw new LecternError('forbidden');
    return target;
  }

  /** Lets go of everyone without a word; the journal still has them. */
  free(): void {
    for (const peer of this.#peers.values()) peer.close();
    this.#peers.clear();
  }

  #away(peer: Peer): void {
    peer.goAway(this.#deps.now(), RESUME_WINDOW_MS, () => this.dismiss(peer));
  }
}
