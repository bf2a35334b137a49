// The aggregate: one lesson's interactive session. Here are its state, its members, joining and resuming, and its
// end; whatever else a room can do is a feature (features/index.ts). What they act upon (media, links, memory,
// gateway) comes through ports.
import { LecternError } from '#shared/contract/errors.ts';
import type { RoomEvent, RoomEventBody } from '#shared/contract/events.ts';
import type { Joined, RequestData, ROOM_REQUESTS, RoomView, Welcome } from '#shared/contract/signalling.ts';
import type { Ticket } from '#shared/contract/tickets.ts';
import { roomLifecycle, type RoomState } from '#shared/domain/lifecycle.ts';
import { ENCODER_ID } from '#shared/domain/sources.ts';
import type { RoomContext, RoomEvents } from './context.ts';
import { broadcast } from './features/broadcast/on-air.ts';
import { door } from './features/door.ts';
import type { Call, Handlers } from './features/feature.ts';
import { Lobby } from './lobby.ts';
import { MediaSlot } from './media-slot.ts';
import { Members } from './members.ts';
import { OpenFeatures } from './open-features.ts';
import type { Peer, Session } from './peer.ts';
import type { Link, PeerMedia, RoomDeps } from './ports.ts';
import { remember, type RoomRecord } from './record.ts';

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

export class Room implements RoomContext {
  readonly lesson: string;
  readonly deps: RoomDeps;
  readonly events: RoomEvents;
  readonly members: Members;
  readonly lobby: Lobby;
  readonly media: MediaSlot;
  readonly #onEmpty: (room: Room) => void;
  readonly #features = new OpenFeatures();
  /** The join that is under way for a peer id; a newer one makes an older one fail. */
  readonly #joining = new Map<string, Entrance>();
  #state: RoomState = 'opening';
  /** True once `school` knows that this room opened: it hears of it once in the room's life. */
  #announced: boolean;
  #title = '';
  /** When the ticket expires that said last whether the lesson is recorded: an older one knows less. */
  #modeOf = 0;
  #emptyTimer: NodeJS.Timeout | undefined;

  /**
   * Rebuilds a room from its record: who was in it when the process ended is away, what was on air
   * goes on. `onEmpty` is called when nobody was here for `EMPTY_ROOM_MS`; a closed room
   * stays as long, to see its broadcast end at the gateway.
   */
  constructor(lesson: string, record: RoomRecord, deps: RoomDeps, onEmpty: (room: Room) => void) {
    this.lesson = lesson;
    this.deps = deps;
    this.#onEmpty = onEmpty;
    this.#announced = record.state !== 'new';
    const stamped = (body: RoomEventBody): RoomEvent => {
      const { mediaTime } = this.get(broadcast).onAir;
      return { ...body, atMs: deps.now(), room: lesson, media: mediaTime };
    };
    this.events = {
      append(body) {
        deps.events.append(stamped(body));
        remember(record, body);
      },
      appendNow(body) {
        deps.events.appendNow(stamped(body));
        remember(record, body);
      },
    };
    const onGone = (peer: Peer) => {
      for (const feature of this.#features.all()) feature.sessionEnded?.(peer);
      this.lobby.changed();
      this.released();
    };
    this.members = new Members({ lesson, record, deps, events: this.events, onGone });
    this.lobby = new Lobby({
      present: (but) => this.members.size - Number(this.members.get(but) !== undefined),
      isIn: (peerId, link) => this.members.get(peerId)?.link === link,
    });
    this.media = new MediaSlot(
      (onLost) => deps.media.openRoom(lesson, onLost),
      () => this.#restart(),
    );
    this.#features.answer(this.#requests);
    this.#features.open(record, this);
    for (const peer of this.members.all()) {
      peer.active = this.#features.all().some((feature) => feature.wasActive?.(peer.id) === true);
    }
    this.released();
  }

  get state(): RoomState {
    return this.#state;
  }

  /** How many peers are in it, present or away. */
  get size(): number {
    return this.members.size;
  }

  readonly title = (): string => this.#title;

  view(): RoomView {
    const { view } = this.get(broadcast).onAir;
    return { id: this.lesson, title: this.#title, state: this.#state, broadcast: view };
  }

  readonly get: RoomContext['get'] = (feature) => this.#features.get(feature);

  /**
   * What a page needs before it joins. From here on its link hears of the end of the class.
   * Throws LecternError `service-unavailable` without a worker.
   */
  async welcome(ticket: Ticket, link: Link): Promise<Welcome> {
    const present = this.lobby.enter(link, ticket.sub);
    if (this.#title === '') this.#title = ticket.title;
    if (ticket.recording !== undefined && ticket.exp >= this.#modeOf) {
      this.#modeOf = ticket.exp;
      this.get(broadcast).onAir.setRecordingMode(ticket.recording);
    }
    const { rtpCapabilities } = await this.media.open();
    return {
      room: this.view(),
      routerRtpCapabilities: rtpCapabilities,
      present,
      serverTimeMs: this.deps.now(),
    };
  }

  /** Throws LecternError `room-closed`, `peer-removed`, `link-replaced` or `room-full` if this ticket does not get in. */
  admit(ticket: Ticket): void {
    if (this.#state === 'closing' || this.#state === 'closed') throw new LecternError('room-closed');
    if (ticket.sub === ENCODER_ID) throw new LecternError('ticket-invalid');
    this.get(door).door.requireGoodLink(ticket);
    this.members.admit(ticket);
  }

  /**
   * Joins, or resumes the session that a lost socket had. A peer that is here already by another
   * session is replaced by this one. Throws LecternError, `must-wait` at a door that is watched, and `consent-needed`.
   */
  async join(entrance: Entrance, data: RequestData<'room:join'>): Promise<Joined> {
    const { ticket, link } = entrance;
    this.admit(ticket);
    this.get(door).door.requireConsent(ticket, data.consents === true);
    this.get(door).door.pass(ticket, data.name, link);
    const known = this.members.get(ticket.sub);
    const kept = known?.session;
    if (known !== undefined && kept?.media.intact === true) {
      // It has the snapshot and all facts since: anyone who lost the answer comes by a new socket.
      if (known.link === link) throw new LecternError('conflict', 'You are in this room already.');
      if (kept.id === entrance.session) {
        this.members.resume(known, link);
        return this.#snapshot(known, kept, true);
      }
    }
    if (known !== undefined) {
      this.members.displace(known, link);
      for (const feature of this.#features.all()) feature.sessionEnded?.(known);
      known.endSession();
    }
    this.#joining.set(ticket.sub, entrance);
    try {
      for (let tries = 1; ; tries += 1) {
        const opening = this.media.open();
        try {
          return await this.#joinAfresh(entrance, data, opening);
        } catch (error) {
          if (this.media.isCurrent(opening) || tries >= JOIN_TRIES || !link.open) throw error;
        }
      }
    } finally {
      if (this.#joining.get(ticket.sub) === entrance) this.#joining.delete(ticket.sub);
    }
  }

  /** The peer that came in by this link. Throws LecternError `not-joined`. */
  peerBy(peerId: string, link: Link): Peer {
    return this.members.by(peerId, link);
  }

  /**
   * Does what a peer asks for, who is allowed to; `data` fits the schema of `name`. Throws LecternError, as the
   * feature does whose request it is.
   */
  answer(name: string, call: Call, data: unknown): unknown {
    const handler = this.#features.handler(name);
    if (handler === undefined) throw new LecternError('bad-request', 'There is no such request.');
    return handler(call, data as never);
  }

  /** The link is gone: anyone who came by it is away, and may resume for a while. */
  lost(peerId: string, link: Link): void {
    for (const feature of this.#features.all()) feature.linkLost?.(peerId, link);
    this.lobby.leave(link);
    this.members.lost(peerId, link);
  }

  /** The ticket behind this link ran out. */
  expire(peerId: string, link: Link): void {
    const peer = this.members.get(peerId);
    if (peer?.link === link) this.members.dismiss(peer, 'ticket-expired');
  }

  /** The school's rules or links changed: every feature decides again on those whom it let in. */
  accessChanged(): void {
    for (const feature of this.#features.all()) feature.accessChanged?.();
  }

  /** Ends the class for everyone, and with it the broadcast. Closing twice is closing once. */
  close(): void {
    if (this.#state === 'closing' || this.#state === 'closed') return;
    this.#state = roomLifecycle.next(this.#state, 'close');
    for (const feature of this.#features.fromLast()) feature.close?.();
    for (const peer of this.members.all()) this.members.dismiss(peer, 'ended');
    this.lobby.end();
    this.events.append({ type: 'room:closed' });
    this.media.close();
    this.#state = roomLifecycle.next(this.#state, 'closed');
    this.released();
    this.deps.log.info({ lesson: this.lesson }, 'room closed');
  }

  /** Lets go of all that is in memory; its events stay, so that the room can be rebuilt. */
  free(): void {
    for (const feature of this.#features.fromLast()) feature.free?.();
    this.lobby.free();
    this.members.free();
    this.media.close();
    // Last: an encoder that leaves starts it again.
    clearTimeout(this.#emptyTimer);
  }

  /** The first peer, or program, opens the room. */
  opened(): void {
    if (this.#state !== 'opening') return;
    this.#state = roomLifecycle.next(this.#state, 'opened');
    if (this.#announced) return;
    this.#announced = true;
    this.events.append({ type: 'room:opened' });
    this.deps.log.info({ lesson: this.lesson }, 'room opened');
  }

  released(): void {
    clearTimeout(this.#emptyTimer);
    if (this.members.size > 0) return;
    this.#emptyTimer = setTimeout(() => {
      const isBusy = this.#features.all().some((feature) => feature.isBusy?.() === true);
      if (isBusy || this.members.size + this.lobby.size + this.#joining.size > 0) this.released();
      else this.#onEmpty(this);
    }, EMPTY_ROOM_MS);
  }

  readonly #requests: Omit<Handlers<typeof ROOM_REQUESTS>, 'room:join'> = {
    'room:close': () => {
      this.close();
      return {};
    },
    'room:leave': ({ peer }) => {
      this.members.dismiss(peer);
      return {};
    },
    /** Grants and revokes; what is published without its permission ends at once. */
    'peer:permit': ({ peer }, { peerId, permissions }) => {
      const target = this.members.manageable(peer, peerId);
      this.members.permit(target, permissions);
      for (const feature of this.#features.all()) feature.permitted?.(target);
      return {};
    },
    'peer:remove': ({ peer }, { peerId }) => {
      if (peerId === ENCODER_ID) this.get(broadcast).onAir.encoder.dismiss();
      else this.members.remove(this.members.manageable(peer, peerId));
      return {};
    },
  };

  async #joinAfresh(
    entrance: Entrance,
    data: RequestData<'room:join'>,
    opening: ReturnType<MediaSlot['open']>,
  ): Promise<Joined> {
    const { ticket, link } = entrance;
    let session: Session | undefined;
    const here = () => {
      const peer = this.members.get(ticket.sub);
      return session !== undefined && peer?.session === session ? peer : undefined;
    };
    const room = await opening;
    const media: PeerMedia = await room.openPeer(data.rtpCapabilities, {
      consumerClosed: (consumerId) => {
        session?.subscriptions.delete(consumerId);
        here()?.notify('consumer:closed', { consumerId });
      },
      layerChanged: (consumerId, spatialLayer) =>
        here()?.notify('consumer:layer', { consumerId, spatialLayer }),
      producerGone: (producerId) => {
        for (const feature of this.#features.all()) feature.producerGone?.(producerId);
      },
    });
    try {
      session = { id: crypto.randomUUID(), media, subscriptions: new Map(), offered: new Set() };
      for (const feature of this.#features.all()) await feature.prepare?.(ticket.sub, session);
      // From here to the return nothing is awaited: the snapshot and the facts that follow it fit.
      this.admit(ticket);
      this.get(door).door.pass(ticket, data.name, link);
      if (this.#joining.get(ticket.sub) !== entrance) throw new LecternError('session-replaced');
      if (!this.media.isCurrent(opening) || !link.open) throw new LecternError('service-unavailable');
    } catch (error) {
      media.close();
      throw error;
    }
    this.#title = ticket.title;
    clearTimeout(this.#emptyTimer);
    this.opened();
    const peer = this.members.enter(ticket, data.name, link, data.consents);
    peer.session = session;
    this.get(door).door.entered(peer.id);
    this.lobby.changed();
    return this.#snapshot(peer, session, false);
  }

  #snapshot(peer: Peer, session: Session, resumed: boolean): Joined {
    const own = {
      session: session.id,
      resumed,
      you: peer.view(),
      room: this.view(),
      peers: [...this.members.viewsBut(peer), ...this.get(broadcast).onAir.encoder.views()],
      serverTimeMs: this.deps.now(),
    };
    // Each feature gives the fields that it declares, and `Joined` is made of those declarations.
    return { ...own, ...this.#features.snapshot(peer, session) } as Joined;
  }

  /** The worker died: everyone joins again, on the same socket, into new media. */
  #restart(): void {
    for (const feature of this.#features.fromLast()) feature.mediaLost?.();
    for (const peer of this.members.all()) peer.endSession();
    this.deps.log.info({ lesson: this.lesson }, 'room restarts on another worker');
    this.members.notify('room:restarted', {});
  }
}
