// The aggregate: one lesson's interactive session. All rules of the room are here; what they act upon
// (media, links, memory, gateway) comes through ports.
import { LecternError } from '#shared/contract/errors.ts';
import type {
  BroadcastView,
  ChatMessage,
  Joined,
  RequestData,
  RoomView,
  Welcome,
} from '#shared/contract/signalling.ts';
import type { Ticket } from '#shared/contract/tickets.ts';
import { roomLifecycle, type RoomState } from '#shared/domain/lifecycle.ts';
import { ENCODER_ID } from '#shared/domain/sources.ts';
import { Chat } from './chat.ts';
import { Door } from './door.ts';
import { Lobby } from './lobby.ts';
import { MediaSlot } from './media-slot.ts';
import { Members } from './members.ts';
import { consumerView, type Peer, type Session } from './peer.ts';
import { OnAir } from './on-air.ts';
import type { Link, PeerMedia, RoomDeps } from './ports.ts';
import type { RoomRecord } from './record.ts';
import { Stage } from './stage.ts';

/** How long a room that nobody is in, and that is not on air, stays in memory. */
export const EMPTY_ROOM_MS = 5 * 60_000;
/** How often a join is tried again by itself when the worker dies under it. */
const JOIN_TRIES = 3;

/** Who asks, by which way, and the session it had before. */
export interface Entrance {
  readonly ticket: Ticket;
  readonly link: Link;
  readonly session: string | undefined;
}

export class Room {
  readonly id: string;
  readonly #deps: RoomDeps;
  readonly #onEmpty: (room: Room) => void;
  readonly #members: Members;
  readonly #stage: Stage;
  readonly #chat: Chat;
  readonly #media: MediaSlot;
  readonly onAir: OnAir;
  readonly door: Door;
  readonly #lobby: Lobby;
  /** The join that is under way for a peer id; a newer one makes an older one fail. */
  readonly #joining = new Map<string, Entrance>();
  #state: RoomState = 'opening';
  /** True once `school` knows that this room opened: it hears of it once in the room's life. */
  #announced: boolean;
  #title: string;
  #emptyTimer: NodeJS.Timeout | undefined;

  /**
   * Rebuilds a room from its record: who was in it when the process ended is away, what was on air
   * goes on. `onEmpty` is called when nobody was here for `EMPTY_ROOM_MS`; a closed room
   * stays as long, to see its broadcast end at the gateway.
   */
  constructor(id: string, record: RoomRecord, deps: RoomDeps, onEmpty: (room: Room) => void) {
    this.id = id;
    this.#deps = deps;
    this.#onEmpty = onEmpty;
    this.#announced = record.state !== 'new';
    this.#title = record.onAir?.title ?? '';
    this.#members = new Members(id, record, deps, (peer) => {
      this.#stage.closeAll(peer);
      this.#lobby.changed();
      this.#watchEmptiness();
    });
    this.door = new Door({ lesson: id, record, deps, members: this.#members });
    this.#lobby = new Lobby({
      present: (but) => this.#members.size - Number(this.#members.get(but) !== undefined),
      isIn: (peerId, link) => this.#members.get(peerId)?.link === link,
    });
    this.#stage = new Stage(this.#members, () => this.onAir.showProgramme());
    this.#chat = new Chat({ lesson: id, log: record.chat, members: this.#members, deps });
    this.#media = new MediaSlot(
      (onLost) => deps.media.openRoom(id, onLost),
      () => this.#restart(),
    );
    this.onAir = new OnAir({
      lesson: id,
      record,
      deps,
      members: this.#members,
      stage: this.#stage,
      media: this.#media,
      title: () => this.#title,
      onMedia: () => this.#open(),
      onChange: (view) => this.#lobby.broadcast(view),
      onEnded: () => this.#watchEmptiness(),
    });
    this.#watchEmptiness();
  }

  get state(): RoomState {
    return this.#state;
  }

  /** How many peers are in it, present or away. */
  get size(): number {
    return this.#members.size;
  }

  view(): RoomView {
    return { id: this.id, title: this.#title, state: this.#state, broadcast: this.onAir.view };
  }

  /**
   * What a page needs before it joins. From here on its link hears of the end of the class.
   * Throws LecternError `service-unavailable` without a worker.
   */
  async welcome(ticket: Ticket, link: Link): Promise<Welcome> {
    const present = this.#lobby.enter(link, ticket.sub);
    if (this.#title === '') this.#title = ticket.title;
    const { rtpCapabilities } = await this.#media.open();
    return {
      room: this.view(),
      routerRtpCapabilities: rtpCapabilities,
      present,
      serverTimeMs: this.#deps.now(),
    };
  }

  /** Throws LecternError `room-closed`, `peer-removed`, `link-replaced` or `room-full` if this ticket does not get in. */
  admit(ticket: Ticket): void {
    this.#requireOpen();
    if (ticket.sub === ENCODER_ID) throw new LecternError('ticket-invalid');
    this.door.requireGoodLink(ticket);
    this.#members.admit(ticket);
  }

  /**
   * Joins, or resumes the session that a lost socket had. A peer that is here already by another
   * session is replaced by this one. Throws LecternError, `must-wait` at a door that is watched.
   */
  async join(entrance: Entrance, data: RequestData<'room:join'>): Promise<Joined> {
    const { ticket, link } = entrance;
    this.admit(ticket);
    this.door.pass(ticket, data.name, link);
    const known = this.#members.get(ticket.sub);
    const kept = known?.session;
    if (known !== undefined && kept?.media.intact === true) {
      // It has the snapshot and all facts since: whoever lost the answer comes by a new socket.
      if (known.link === link) throw new LecternError('conflict', 'You are in this room already.');
      if (kept.id === entrance.session) {
        this.#members.resume(known, link);
        return this.#snapshot(known, kept, true);
      }
    }
    if (known !== undefined) {
      this.#members.displace(known, link);
      this.#stage.closeAll(known);
      known.endSession();
    }
    this.#joining.set(ticket.sub, entrance);
    try {
      for (let tries = 1; ; tries += 1) {
        const opening = this.#media.open();
        try {
          return await this.#joinAfresh(entrance, data, opening);
        } catch (error) {
          if (this.#media.isCurrent(opening) || tries >= JOIN_TRIES || !link.open) throw error;
        }
      }
    } finally {
      if (this.#joining.get(ticket.sub) === entrance) this.#joining.delete(ticket.sub);
    }
  }

  /** The peer that came in by this link. Throws LecternError `not-joined`. */
  peerBy(peerId: string, link: Link): Peer {
    return this.#members.by(peerId, link);
  }

  /** The link is gone: whoever came by it is away, and may resume for a while. */
  lost(peerId: string, link: Link): void {
    this.door.lost(peerId, link);
    this.#lobby.leave(link);
    this.#members.lost(peerId, link);
  }

  leave(peer: Peer): void {
    this.#members.dismiss(peer);
  }

  /** The ticket behind this link ran out. */
  expire(peerId: string, link: Link): void {
    const peer = this.#members.get(peerId);
    if (peer?.link === link) this.#members.dismiss(peer, 'ticket-expired');
  }

  produce(peer: Peer, data: RequestData<'producer:create'>): Promise<string> {
    return this.#stage.produce(peer, data);
  }

  setProducerPaused(peer: Peer, producerId: string, paused: boolean): Promise<void> {
    return this.#stage.setPaused(peer, producerId, paused);
  }

  closeProducer(peer: Peer, producerId: string): void {
    this.#stage.closeOwn(peer, producerId);
  }

  post(peer: Peer, data: RequestData<'chat:send'>): ChatMessage {
    return this.#chat.post(peer, data);
  }

  deleteMessage(messageId: string): void {
    this.#chat.delete(messageId);
  }

  /** Grants and revokes; what is published without its permission ends at once. */
  permit(actor: Peer, { peerId, permissions }: RequestData<'peer:permit'>): void {
    const target = this.#members.manageable(actor, peerId);
    this.#members.permit(target, permissions);
    this.#stage.revoke(target);
  }

  mute(actor: Peer, { peerId, source }: RequestData<'peer:mute'>): void {
    this.#stage.mute(this.#members.manageable(actor, peerId), source);
  }

  remove(actor: Peer, { peerId }: RequestData<'peer:remove'>): void {
    if (peerId === ENCODER_ID) {
      this.onAir.encoder.dismiss();
      return;
    }
    const peer = this.#members.manageable(actor, peerId);
    this.#members.remove(peer);
    this.#chat.giveBack(peer.id);
    this.door.guard(peer.invite);
  }

  /** Goes on air; does nothing if the class is already. */
  startBroadcast(actor: Peer, ticket: Ticket): BroadcastView {
    this.onAir.start(ticket.channel, this.#title, actor.id);
    return this.onAir.view;
  }

  /** Goes off air; does nothing if the class is not on it. */
  stopBroadcast(): BroadcastView {
    this.onAir.stop();
    return this.onAir.view;
  }

  /** Ends the class for everyone, and with it the broadcast. Closing twice is closing once. */
  close(): void {
    if (this.#state === 'closing' || this.#state === 'closed') return;
    this.#state = roomLifecycle.next(this.#state, 'close');
    this.onAir.end();
    this.door.close();
    for (const peer of this.#members.all()) this.#members.dismiss(peer, 'ended');
    this.#lobby.end();
    this.#deps.publish({ type: 'room:closed', atMs: this.#deps.now(), lesson: this.id });
    this.#deps.journal.append(this.id, { type: 'room:closed' });
    this.#media.close();
    this.#state = roomLifecycle.next(this.#state, 'closed');
    this.#watchEmptiness();
    this.#deps.log.info({ lesson: this.id }, 'room closed');
  }

  /** Lets go of all that is in memory; the journal stays, so that the room can be rebuilt. */
  free(): void {
    this.onAir.free();
    this.door.close();
    this.#lobby.free();
    this.#members.free();
    this.#media.close();
    // Last: an encoder that leaves starts it again.
    clearTimeout(this.#emptyTimer);
  }

  async #joinAfresh(
    entrance: Entrance,
    data: RequestData<'room:join'>,
    opening: ReturnType<MediaSlot['open']>,
  ): Promise<Joined> {
    const { ticket, link } = entrance;
    let session: Session | undefined;
    const here = () => {
      const peer = this.#members.get(ticket.sub);
      return session !== undefined && peer?.session === session ? peer : undefined;
    };
    const room = await opening;
    const media: PeerMedia = await room.openPeer(data.rtpCapabilities, {
      consumerClosed: (consumerId) => {
        session?.subscriptions.delete(consumerId);
        here()?.tell('consumer:closed', { consumerId });
      },
      layerChanged: (consumerId, spatialLayer) =>
        here()?.tell('consumer:layer', { consumerId, spatialLayer }),
      producerGone: (producerId) => this.#stage.close(producerId, 'closed'),
    });
    try {
      session = { id: crypto.randomUUID(), media, subscriptions: new Map(), offered: new Set() };
      await this.#stage.offerAll(ticket.sub, session);
      // From here to the return nothing is awaited: the snapshot and the facts that follow it fit.
      this.admit(ticket);
      this.door.pass(ticket, data.name, link);
      if (this.#joining.get(ticket.sub) !== entrance) throw new LecternError('session-replaced');
      if (!this.#media.isCurrent(opening) || !link.open) throw new LecternError('service-unavailable');
    } catch (error) {
      media.close();
      throw error;
    }
    this.#title = ticket.title;
    clearTimeout(this.#emptyTimer);
    this.#open();
    const peer = this.#members.enter(ticket, data.name, link);
    peer.session = session;
    this.door.entered(peer.id);
    this.#lobby.changed();
    return this.#snapshot(peer, session, false);
  }

  #snapshot(peer: Peer, session: Session, resumed: boolean): Joined {
    return {
      session: session.id,
      resumed,
      you: peer.view(),
      room: this.view(),
      peers: [...this.#members.viewsBut(peer), ...this.onAir.encoder.views()],
      producers: this.#stage.views(),
      chat: this.#chat.history(),
      recvTransport: session.media.recvTransport,
      consumers: [...session.subscriptions.values()].map((subscription) =>
        consumerView(subscription, this.#stage.isPaused(subscription.producerId)),
      ),
      waiting: peer.may('peer:manage') ? this.door.views() : [],
      serverTimeMs: this.#deps.now(),
    };
  }

  /** The first peer opens the room. */
  #open(): void {
    if (this.#state !== 'opening') return;
    this.#state = roomLifecycle.next(this.#state, 'opened');
    if (this.#announced) return;
    this.#announced = true;
    this.#deps.publish({ type: 'room:opened', atMs: this.#deps.now(), lesson: this.id });
    this.#deps.journal.append(this.id, { type: 'room:opened' });
    this.#deps.log.info({ lesson: this.id }, 'room opened');
  }

  /** The worker died: everyone joins again, on the same socket, into new media. */
  #restart(): void {
    this.onAir.encoder.lost();
    this.#stage.clear();
    for (const peer of this.#members.all()) peer.endSession();
    this.#deps.log.info({ lesson: this.id }, 'room restarts on another worker');
    this.#members.tell('room:restarted', {});
  }

  #requireOpen(): void {
    if (this.#state === 'closing' || this.#state === 'closed') throw new LecternError('room-closed');
  }

  #watchEmptiness(): void {
    clearTimeout(this.#emptyTimer);
    if (this.#members.size > 0) return;
    this.#emptyTimer = setTimeout(() => {
      const busy = this.#members.size + this.#lobby.size + this.#joining.size > 0 || this.onAir.busy;
      if (busy) this.#watchEmptiness();
      else this.#onEmpty(this);
    }, EMPTY_ROOM_MS);
  }
}
