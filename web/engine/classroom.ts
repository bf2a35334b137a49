// A person's membership of a class, from the green room to the end: it joins the signalling, the media
// and the room's state, and brings all of them back when something breaks.
import { codeOf } from '#shared/contract/errors.ts';
import type { FactData, Joined, Welcome } from '#shared/contract/signalling.ts';
import type { ProducerView } from '#shared/contract/features/stage.ts';
import type { Permission } from '#shared/domain/permissions.ts';
import { expected } from '#shared/expected.ts';
import { PresenceNotices } from './presence-notices.ts';
import type { Devices } from './devices.ts';
import { Emitter, together } from './emitter.ts';
import type { EncodedOptions } from './encoded/encoded-publications.ts';
import type { CreateFeature, FeatureHost } from './feature.ts';
import { MediaSession } from './media-session.ts';
import { Outgoing } from './outgoing.ts';
import { JOIN_RETRY_MS, JOIN_RETRYABLE, refusedPhase, type Notice, type Phase } from './phases.ts';
import type { NetworkPort } from './ports.ts';
import { Publishing } from './publishing.ts';
import { permissionChanges, RoomMirror } from './room-mirror.ts';
import { retryDelayMs, Signalling, type FactEvents, type SignalState } from './signalling.ts';
import { Subscriptions } from './subscriptions.ts';
import { UplinkMeter, type UplinkHealth } from './uplink.ts';

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
  /** What a room can do besides media and people. */
  readonly features: readonly CreateFeature[];
  /** Exchanges an expired ticket for a new one. */
  readonly renewTicket: () => Promise<string>;
}

/** Owns everything of one membership except the devices. `close()` is final and idempotent. */
export class Classroom extends Emitter<ClassroomEvents> {
  readonly room = new RoomMirror();
  readonly publishing: Publishing;
  readonly outgoing: Outgoing;
  readonly media: Subscriptions;
  readonly #signalling: Signalling;
  readonly #session: MediaSession;
  readonly #renewTicket: () => Promise<string>;
  readonly #offs: (() => void)[] = [];
  readonly #features = new Map<CreateFeature, unknown>();
  readonly #onJoined: ((joined: Joined) => void)[] = [];
  readonly #presenceNotices = new PresenceNotices<'peer-joined' | 'peer-left'>((type, names) =>
    this.emit('notice', { type, names }),
  );
  readonly #notices = new PresenceNotices<string>((key, names) =>
    this.emit('notice', { type: 'feature', key, names }),
  );
  readonly #changed = together(() => this.emit('changed'));
  #meter: UplinkMeter | undefined;
  #phase: Phase = { name: 'connecting' };
  #welcome: Welcome | undefined;
  /** The name to come in under; undefined until the person asked to. */
  #name: string | undefined;
  #consents = false;
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
    this.#offs.push(
      options.network.onChange(() => (this.#networkChanged = true)),
      this.#signalling.on('state', (state) => this.#signalState(state)),
      this.#session.on('failed', () => this.#mediaFailed()),
      this.#session.on('connection', () => {
        if (this.#session.connection === 'connected') this.#failures = 0;
        this.#changed();
      }),
      ...[this.publishing, this.media].map((part) =>
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
    const host = this.#host();
    for (const create of options.features) this.#features.set(create, create(host));
  }

  /** What `create` made; it is one of the features that the class was opened with. */
  feature<Part>(create: CreateFeature<Part>): Part {
    return this.#features.get(create) as Part;
  }

  /** Asks the room. Rejects with the server's refusal. */
  readonly request: Signalling['request'] = (name, input) => this.#signalling.request(name, input);

  get phase(): Phase {
    return this.#phase;
  }

  /** How well our own media leaves us; null while nothing is sent. */
  get uplink(): UplinkHealth | null {
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
  join(name: string, consents: boolean): void {
    this.#name = name;
    this.#consents = consents;
    if (this.#phase.name === 'lobby') void this.#enter();
    else if (this.#phase.name === 'connecting') this.#to({ name: 'joining' });
  }

  /** Leaves the room; the class goes on. */
  async leave(): Promise<void> {
    await this.#signalling
      .request('room:leave', {})
      .catch(expected('the room hears of it when the socket closes'));
    this.#end({ name: 'ended', reason: 'left' });
  }

  close(): void {
    clearTimeout(this.#again);
    this.#presenceNotices.close();
    this.#notices.close();
    this.#meter?.close();
    for (const off of this.#offs.splice(0)) off();
    this.#signalling.close();
    this.publishing.close();
    this.outgoing.close();
    this.media.close();
    this.#session.close();
  }

  /** Calls `handle` for each such fact, but not before the answer to a join that is under way. */
  readonly #on: FeatureHost['on'] = (name, handle) => {
    this.#offs.push(
      (this.#signalling as unknown as Emitter<FactEvents>).on(name, (fact) => {
        if (this.#early === undefined) handle(fact);
        else this.#early.push(() => handle(fact));
        this.#changed();
      }),
    );
  };

  #host(): FeatureHost {
    return {
      request: this.request,
      room: this.room,
      on: this.#on,
      onJoined: (handle) => this.#onJoined.push(handle),
      changed: () => this.#changed(),
      notice: (notice) => this.emit('notice', notice),
      noticeOf: (key, name) => this.#notices.add(key, name),
    };
  }

  #listen(): void {
    const on = this.#on;
    this.#offs.push(
      this.#signalling.on('room:welcomed', (welcome) => this.#welcomed(welcome)),
      this.#signalling.on('room:restarted', () => this.#rebuild()),
      this.#signalling.on('door:opened', () => void this.#enter()),
      this.#signalling.on('room:closed', ({ reason }) => this.#closedByRoom(reason)),
    );
    on('room:presence', ({ present }) => this.room.presence(present));
    on('peer:joined', (peer) => {
      if (this.room.peer(peer)) this.#presenceNotices.add('peer-joined', peer.name);
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
      if (peer !== undefined) this.#presenceNotices.add('peer-left', peer.name);
    });
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
    this.#session.load(welcome.routerRtpCapabilities).catch(expected('told on joining'));
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
        consents: this.#consents,
      });
      // A newer attempt, or a lost connection, took over.
      if (this.#early !== early) return;
      this.#early = undefined;
      this.#joined(joined);
      for (const handle of early) handle();
    } catch (error) {
      if (this.#early !== early) return;
      this.#early = undefined;
      const code = codeOf(error);
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
    if (canPublish && this.outgoing.way.name === 'webrtc')
      this.#session.send().catch(expected('shown when something is published'));
    if (kept && (this.#networkChanged || this.#session.connection !== 'connected')) {
      void this.#session.restartIce();
    }
    this.#networkChanged = false;
    for (const handle of this.#onJoined) handle(joined);
    this.#meter ??= new UplinkMeter(
      () => ({ sending: this.#session.sending, sendsVideo: this.outgoing.sendsVideo }),
      () => this.#changed(),
    );
    this.#to({ name: 'joined' });
  }

  /** The transports and what flowed on them are gone; devices, what is desired and last frames stay. */
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
      const code = codeOf(error);
      if (code === 'service-unavailable') this.#again = setTimeout(() => void this.#renew(), JOIN_RETRY_MS);
      else this.#end({ name: 'refused', code });
    }
  }

  #end(phase: Phase): void {
    if (this.#phase.name === 'ended' || this.#phase.name === 'refused') return;
    this.#to(phase);
    this.close();
  }

  #to(phase: Phase): void {
    this.#phase = phase;
    this.#changed();
  }
}
