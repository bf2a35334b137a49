// A person's membership of a class, from the green room to the end: it joins the signalling, the media
// and the room's state, and brings all of them back when something breaks.
import { LecternError } from '#shared/contract/errors.ts';
import type {
  BroadcastView,
  FactData,
  FactName,
  Joined,
  ProducerView,
  Welcome,
} from '#shared/contract/signalling.ts';
import type { Permission } from '#shared/domain/permissions.ts';
import type { Source } from '#shared/domain/sources.ts';
import { ChatLog } from './chat.ts';
import { Comings } from './comings.ts';
import { Door } from './door.ts';
import type { Devices } from './devices.ts';
import { Emitter, together } from './emitter.ts';
import type { EncodedOptions } from './encoded/encoded-publications.ts';
import { MediaSession } from './media-session.ts';
import { Outgoing } from './outgoing.ts';
import { JOIN_RETRY_MS, JOIN_RETRYABLE, refusedPhase, type Notice, type Phase } from './phases.ts';
import type { NetworkPort } from './ports.ts';
import { Publishing } from './publishing.ts';
import { permissionChanges, RoomMirror } from './room-mirror.ts';
import { retryDelayMs, Signalling, type FactEvents, type SignalState } from './signalling.ts';
import { Subscriptions } from './subscriptions.ts';
import { UplinkMeter, type Uplink } from './uplink.ts';

/** After so many media connections that failed in a row the network is said to block them. */
const BLOCKED_AFTER = 2;

export interface ClassroomEvents {
  /** Anything changed; told once for all that changed together. */
  changed: [];
  notice: [notice: Notice];
}

export interface ClassroomOptions extends EncodedOptions {
  readonly url?: string;
  readonly ticket: string;
  readonly devices: Devices;
  readonly network: NetworkPort;
  /** Exchanges an expired ticket for a new one. */
  readonly renewTicket: () => Promise<string>;
}

/** Owns everything of one membership except the devices. `close()` is final and idempotent. */
export class Classroom extends Emitter<ClassroomEvents> {
  readonly room = new RoomMirror();
  readonly chat: ChatLog;
  readonly door: Door;
  readonly publishing: Publishing;
  readonly outgoing: Outgoing;
  readonly media: Subscriptions;
  readonly #signalling: Signalling;
  readonly #session: MediaSession;
  readonly #renewTicket: () => Promise<string>;
  readonly #offs: (() => void)[] = [];
  readonly #comings = new Comings((type, names) => this.emit('notice', { type, names }));
  readonly #changed = together(() => this.emit('changed'));
  #meter: UplinkMeter | undefined;
  #phase: Phase = { name: 'connecting' };
  #welcome: Welcome | undefined;
  /** The name to come in under; undefined until the person asked to. */
  #name: string | undefined;
  /** Facts that arrive between asking to join and the answer wait for it here. */
  #early: (() => void)[] | undefined;
  #failures = 0;
  #networkChanged = false;
  #again: ReturnType<typeof setTimeout> | undefined;

  constructor(options: ClassroomOptions) {
    super();
    this.#renewTicket = options.renewTicket;
    this.#signalling = new Signalling(options);
    this.#session = new MediaSession(this.#signalling);
    this.outgoing = new Outgoing(this.#session, this.#signalling, options);
    this.publishing = new Publishing(options.devices, this.outgoing);
    this.media = new Subscriptions(this.#session, this.#signalling);
    this.chat = new ChatLog(this.#signalling);
    this.door = new Door(this.#signalling);
    this.#offs.push(
      options.network.onChange(() => (this.#networkChanged = true)),
      this.#signalling.on('state', (state) => this.#signalState(state)),
      this.#session.on('failed', () => this.#mediaFailed()),
      this.#session.on('connection', () => {
        if (this.#session.connection === 'connected') this.#failures = 0;
        this.#changed();
      }),
      ...[this.chat, this.publishing, this.media].map((part) =>
        (part as Emitter<{ changed: [] }>).on('changed', () => this.#changed()),
      ),
      this.publishing.on('blocked', (kind, problem) =>
        this.emit('notice', { type: 'blocked', kind, problem }),
      ),
      this.publishing.on('refused', (source, code) => this.emit('notice', { type: 'refused', source, code })),
      this.outgoing.on('advice', (about) => this.emit('notice', { type: 'advice', about })),
      this.outgoing.on('fellBack', (code) => this.emit('notice', { type: 'fell-back', code })),
    );
    this.#listen();
  }

  get phase(): Phase {
    return this.#phase;
  }

  /** How well our own media leaves us; null while nothing is sent. */
  get uplink(): Uplink | null {
    return this.outgoing.uplink ?? this.#meter?.uplink ?? null;
  }

  /** True if this network seems to let no media through, in either direction. */
  get mediaBlocked(): boolean {
    return this.#failures >= BLOCKED_AFTER;
  }

  /** All that is sent in the room, by others and by us. */
  get producers(): ProducerView[] {
    const you = this.room.you;
    return you === null ? [] : [...this.room.producers, ...this.outgoing.views(you.id)];
  }

  may(permission: Permission): boolean {
    return this.room.you?.permissions.includes(permission) ?? false;
  }

  /** Connects and prepares; joins only after {@link join}. */
  open(): void {
    this.#signalling.open();
  }

  /** Comes in under `name`, now or as soon as there is a connection. */
  join(name: string): void {
    this.#name = name;
    if (this.#phase.name === 'lobby') void this.#enter();
    else if (this.#phase.name === 'connecting') this.#to({ name: 'joining' });
  }

  /** Leaves the room; the class goes on. */
  async leave(): Promise<void> {
    await this.#signalling.request('room:leave', {}).catch(() => undefined);
    this.#end({ name: 'ended', reason: 'left' });
  }

  /** Ends the class for everyone. Rejects with the server's refusal. */
  async endClass(): Promise<void> {
    await this.#signalling.request('room:close', {});
  }

  /** Rejects with the server's refusal, e.g. `already-live`. */
  async startBroadcast(): Promise<void> {
    this.#broadcast((await this.#signalling.request('broadcast:start', {})).broadcast);
  }

  async stopBroadcast(): Promise<void> {
    this.#broadcast((await this.#signalling.request('broadcast:stop', {})).broadcast);
  }

  /** Sets what one person may do, out of `GRANTABLE`. */
  async permit(peerId: string, permissions: readonly Permission[]): Promise<void> {
    await this.#signalling.request('peer:permit', { peerId, permissions: [...permissions] });
  }

  async mute(peerId: string, source: Source): Promise<void> {
    await this.#signalling.request('peer:mute', { peerId, source });
  }

  async remove(peerId: string): Promise<void> {
    await this.#signalling.request('peer:remove', { peerId });
  }

  async deleteMessage(messageId: string): Promise<void> {
    await this.#signalling.request('chat:delete', { messageId });
  }

  close(): void {
    clearTimeout(this.#again);
    this.#comings.close();
    this.#meter?.close();
    for (const off of this.#offs.splice(0)) off();
    this.#signalling.close();
    this.publishing.close();
    this.outgoing.close();
    this.media.close();
    this.#session.close();
  }

  #listen(): void {
    const on = <Name extends FactName>(name: Name, handle: (fact: FactData<Name>) => void) => {
      this.#offs.push(
        (this.#signalling as unknown as Emitter<FactEvents>).on(name, (fact) => {
          if (this.#early === undefined) handle(fact);
          else this.#early.push(() => handle(fact));
          this.#changed();
        }),
      );
    };
    this.#offs.push(
      this.#signalling.on('room:welcomed', (welcome) => this.#welcomed(welcome)),
      this.#signalling.on('room:restarted', () => this.#rebuild()),
      this.#signalling.on('door:opened', () => void this.#enter()),
      this.#signalling.on('room:closed', ({ reason }) => this.#closedByRoom(reason)),
    );
    on('room:presence', ({ present }) => this.room.presence(present));
    on('peer:joined', (peer) => {
      if (this.room.peer(peer)) this.#comings.add('peer-joined', peer.name);
    });
    on('peer:updated', (peer) => {
      const before = this.room.you;
      this.room.peer(peer);
      if (before?.id !== peer.id) return;
      const { granted, revoked } = permissionChanges(before, peer);
      if (granted.length > 0) this.emit('notice', { type: 'granted', permissions: granted });
      if (revoked.length > 0) this.emit('notice', { type: 'revoked', permissions: revoked });
    });
    on('peer:left', ({ peerId }) => {
      const peer = this.room.peerLeft(peerId);
      if (peer !== undefined) this.#comings.add('peer-left', peer.name);
    });
    on('door:knocked', (guest) => {
      this.door.knocked(guest);
      this.#comings.add('knocked', guest.name);
    });
    on('door:left', ({ peerIds }) => this.door.left(peerIds));
    on('producer:created', (producer) => this.room.producer(producer));
    on('producer:updated', (producer) => {
      this.room.producer(producer);
      this.media.producerPaused(producer.id, producer.paused);
    });
    on('producer:closed', ({ producerId, reason }) => {
      this.room.producerClosed(producerId);
      if (reason === 'closed') {
        // Nobody wished that: the transport below it is dead on the other side.
        if (this.outgoing.has(producerId)) this.#mediaFailed();
        return;
      }
      const source = this.outgoing.closedByServer(producerId);
      if (source === undefined) return;
      this.publishing.closedByServer(source);
      if (reason === 'muted') this.emit('notice', { type: 'muted', source });
    });
    on('consumer:created', (consumer) => this.media.add(consumer));
    on('consumer:closed', ({ consumerId }) => this.media.remove(consumerId));
    on('consumer:layer', ({ consumerId, spatialLayer }) => this.media.layerChanged(consumerId, spatialLayer));
    on('chat:posted', (message) => this.chat.posted(message, message.peerId === this.room.you?.id));
    on('chat:deleted', ({ messageId }) => this.chat.deleted(messageId));
    on('chat:filled', () => this.emit('notice', { type: 'chat-filled' }));
    on('broadcast:changed', (broadcast) => this.room.broadcast(broadcast));
  }

  #signalState(state: SignalState): void {
    if (state.name === 'refused') {
      if (state.code === 'ticket-expired') void this.#renew();
      else this.#end(refusedPhase(state.code));
    } else if (state.name === 'reconnecting') {
      this.#early = undefined;
      this.outgoing.suspend();
      if (this.#phase.name === 'joined') this.#to({ name: 'reconnecting' });
    }
  }

  #welcomed(welcome: Welcome): void {
    this.#welcome = welcome;
    this.room.welcomed(welcome, Date.now());
    // Prepared before anybody presses Join; a browser without WebRTC is told on joining.
    this.#session.load(welcome.routerRtpCapabilities).catch(() => undefined);
    if (this.#name === undefined) this.#to({ name: 'lobby' });
    else void this.#enter();
  }

  async #enter(): Promise<void> {
    const welcome = this.#welcome;
    if (welcome === undefined || this.#name === undefined) return;
    clearTimeout(this.#again);
    const early: (() => void)[] = [];
    this.#early = early;
    if (!['reconnecting', 'waiting'].includes(this.#phase.name)) this.#to({ name: 'joining' });
    try {
      await this.#session.load(welcome.routerRtpCapabilities);
      const joined = await this.#signalling.request('room:join', {
        name: this.#name,
        rtpCapabilities: this.#session.recvCapabilities,
      });
      // A newer attempt, or a lost connection, took over.
      if (this.#early !== early) return;
      this.#early = undefined;
      this.#joined(joined);
      for (const handle of early) handle();
    } catch (error) {
      if (this.#early !== early) return;
      this.#early = undefined;
      const code = error instanceof LecternError ? error.code : 'internal-error';
      // `door:opened` follows, on this connection or on the next one.
      if (code === 'must-wait') this.#to({ name: 'waiting' });
      else if (JOIN_RETRYABLE.has(code)) {
        // Lost connections come back through a welcome; one that stands but did not answer is asked again.
        this.#again = setTimeout(() => {
          if (this.#signalling.state.name !== 'connected') return;
          // The room has this socket as joined: the answer was lost, and it gives none twice.
          if (code === 'conflict') this.#signalling.reconnect();
          else void this.#enter();
        }, JOIN_RETRY_MS);
      } else this.#end(refusedPhase(code));
    }
  }

  #joined(joined: Joined): void {
    this.#signalling.session = joined.session;
    this.room.joined(joined, Date.now());
    const kept = joined.resumed && this.#session.recvTransportId === joined.recvTransport.id;
    if (!kept) {
      this.#dropMedia();
      this.#session.openRecv(joined.recvTransport);
    }
    this.media.sync(joined.consumers);
    const { you } = joined;
    const mine = joined.producers.filter(({ peerId }) => peerId === you.id);
    this.outgoing.start(mine, you.name);
    const canPublish = joined.you.permissions.some((permission) => permission.startsWith('publish:'));
    // Ahead of the first press of a button; a failure shows when something is published.
    if (canPublish && this.outgoing.way.name === 'webrtc') this.#session.send().catch(() => undefined);
    if (kept && (this.#networkChanged || this.#session.connection !== 'connected')) {
      void this.#session.restartIce();
    }
    this.#networkChanged = false;
    this.chat.joined(joined.chat);
    this.door.joined(joined.waiting);
    this.#meter ??= new UplinkMeter(
      () => ({ sending: this.#session.sending, sendsVideo: this.outgoing.sendsVideo }),
      () => this.#changed(),
    );
    this.#to({ name: 'joined' });
  }

  /** The transports and what flowed on them are gone; devices, wishes and last frames stay. */
  #dropMedia(): void {
    this.outgoing.reset();
    this.media.reset();
    this.#session.reset();
  }

  #rebuild(): void {
    this.#signalling.session = undefined;
    this.#dropMedia();
    if (this.#phase.name !== 'joined' && this.#phase.name !== 'reconnecting') return;
    this.#to({ name: 'reconnecting' });
    void this.#enter();
  }

  /** Beyond repair: come as new, on a fresh connection, so that the server drops its side too. */
  #mediaFailed(): void {
    this.#failures += 1;
    this.#signalling.session = undefined;
    this.#dropMedia();
    this.#changed();
    clearTimeout(this.#again);
    // What is sent another way goes on; to come as new again and again would only disturb the others.
    if (this.outgoing.way.name === 'webcodecs') return;
    this.#again = setTimeout(
      () => {
        if (this.#phase.name === 'joined') this.#signalling.reconnect();
      },
      retryDelayMs(this.#failures, Math.random),
    );
  }

  #closedByRoom(reason: FactData<'room:closed'>['reason']): void {
    // The next handshake is refused for it, and that is where a new ticket is fetched.
    if (reason === 'ticket-expired') this.#signalling.reconnect();
    else this.#end(reason === 'link-replaced' ? refusedPhase(reason) : { name: 'ended', reason });
  }

  async #renew(): Promise<void> {
    try {
      this.#signalling.renew(await this.#renewTicket());
    } catch (error) {
      const code = error instanceof LecternError ? error.code : 'internal-error';
      if (code === 'service-unavailable') this.#again = setTimeout(() => void this.#renew(), JOIN_RETRY_MS);
      else this.#end({ name: 'refused', code });
    }
  }

  #end(phase: Phase): void {
    if (this.#phase.name === 'ended' || this.#phase.name === 'refused') return;
    this.#to(phase);
    this.close();
  }

  #broadcast(broadcast: BroadcastView): void {
    this.room.broadcast(broadcast);
    this.#changed();
  }

  #to(phase: Phase): void {
    this.#phase = phase;
    this.#changed();
  }
}
