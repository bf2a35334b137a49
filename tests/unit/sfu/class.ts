// A room for a unit test: media, links, memory and gateway are small stand-ins behind the room's own
// ports, so that what is tested is the room's rules.
import assert from 'node:assert/strict';
import { after } from 'node:test';
import { pino } from 'pino';
import { recordingOf, type RecordingMode } from '#shared/domain/recording.ts';
import { LecternError } from '#shared/contract/errors.ts';
import { RoomEvent } from '#shared/contract/events.ts';
import { BroadcastFeed, type BroadcastStatus } from '#shared/contract/internal.ts';
import {
  REQUESTS,
  type FactData,
  type FactName,
  type Joined,
  type RequestInput,
  type RequestName,
  type RequestResult,
} from '#shared/contract/signalling.ts';
import type { Ticket } from '#shared/contract/tickets.ts';
import { ROLE_PERMISSIONS } from '#shared/domain/permissions.ts';
import type { Role } from '#shared/domain/roles.ts';
import type { TabSource } from '#shared/domain/sources.ts';
import { SOURCES } from '#shared/domain/sources.ts';
import type { Peer } from '../../../sfu/room/peer.ts';
import type {
  AudienceMedia,
  FeedSource,
  EventLog,
  Gateway,
  Link,
  MediaPlane,
  PeerMedia,
  PeerMediaEvents,
  PlainIngress,
  RoomDeps,
  WhepViewer,
} from '../../../sfu/room/ports.ts';
import type { Offer } from '../../../sfu/sdp/offer.ts';
import { emptyRecord, isUnfinished, remember } from '../../../sfu/room/record.ts';
import type { Room } from '../../../sfu/room/room.ts';
import { Rooms } from '../../../sfu/room/rooms.ts';

export const ROOM = 'algebra1';

export class TestLink implements Link {
  open = true;
  readonly facts: { name: FactName; data: unknown }[] = [];

  send<N extends FactName>(name: N, data: FactData<N>): void {
    this.facts.push({ name, data });
  }

  close(): void {
    this.open = false;
  }

  names(): string {
    return this.facts.map(({ name }) => name).join(' ');
  }

  last<N extends FactName>(name: N): FactData<N> | undefined {
    return this.facts.findLast((fact) => fact.name === name)?.data as FactData<N> | undefined;
  }
}

/** An entrance for an encoder; `bytes` is what came by it. */
export class TestIngress implements PlainIngress {
  readonly to = { ip: '127.0.0.1', port: 7_000 };
  bytes = 0;
  open = true;
  readonly #nextId: () => string;
  readonly #producers: Set<string>;

  constructor(nextId: () => string, producers: Set<string>) {
    this.#nextId = nextId;
    this.#producers = producers;
  }

  received = async () => this.bytes;
  setProducerPaused = async () => {};
  closeProducer = (id: string) => void this.#producers.delete(id);
  close = () => void (this.open = false);

  async produce(): Promise<string> {
    const id = this.#nextId();
    this.#producers.add(id);
    return id;
  }
}

/** A way to players; `players` are those that watch, `programme` what they get. */
export class TestAudience implements AudienceMedia {
  programme: readonly string[] = [];
  readonly players = new Set<() => void>();
  /** Whether players that come now connect. */
  connects = true;

  get viewers(): number {
    return this.players.size;
  }

  select = async (sources: readonly FeedSource[]) => {
    this.programme = sources.map(({ source }) => source);
  };

  watch = async (_offer: Offer, onGone: () => void): Promise<WhepViewer> => {
    const close = () => {
      if (this.players.delete(close)) onGone();
    };
    this.players.add(close);
    return {
      answer: 'v=0',
      connected: this.connects,
      restartIce: async () => ({ ice: { ufrag: 'u', pwd: 'p' }, candidates: [], mid: '0' }),
      close,
    };
  };

  close = () => {
    for (const leave of [...this.players]) leave();
  };
}

/** Media that works at once. `lose()` is the death of the worker. */
export class TestMedia implements MediaPlane {
  lose: () => void = () => {};
  openPeers = 0;
  readonly ingresses: TestIngress[] = [];
  readonly audience = new TestAudience();
  feeds = 0;
  /** Calls that are held back until this resolves. */
  gate: Promise<void> = Promise.resolve();
  #ids = 0;
  readonly #events = new Set<PeerMediaEvents>();

  async openRoom(_room: string, onLost: () => void) {
    await this.gate;
    this.lose = onLost;
    const producers = new Set<string>();
    return {
      rtpCapabilities: {},
      openPeer: async (_capabilities: unknown, events: PeerMediaEvents) => {
        await this.gate;
        this.openPeers += 1;
        this.#events.add(events);
        return this.#peer(events, producers);
      },
      openFeed: async () => {
        this.feeds += 1;
        return {
          from: { ip: '127.0.0.1', port: 5_000 },
          flowing: [],
          select: async () => [],
          flow: async () => true,
          close: () => void (this.feeds -= 1),
        };
      },
      openIngress: async () => {
        await this.gate;
        const ingress = new TestIngress(() => `m${(this.#ids += 1)}`, producers);
        this.ingresses.push(ingress);
        return ingress;
      },
      openAudience: async () => this.audience,
      openWhip: async () => {
        const ingress = new TestIngress(() => `m${(this.#ids += 1)}`, producers);
        this.ingresses.push(ingress);
        const restartIce = async () => ({ ice: { ufrag: 'u', pwd: 'p' }, candidates: [], mid: '0' });
        return Object.assign(ingress, { answer: 'v=0', producers: [], restartIce });
      },
      close: () => {},
    };
  }

  #peer(events: PeerMediaEvents, producers: Set<string>): PeerMedia {
    const id = () => `m${(this.#ids += 1)}`;
    const mine = new Set<string>();
    const consumers = new Map<string, string>();
    let open = true;
    const view = { id: id(), iceParameters: {}, iceCandidates: [], dtlsParameters: {} };
    return {
      get intact() {
        return open;
      },
      recvTransport: view,
      createTransport: async () => ({ ...view, id: id() }),
      connectTransport: async () => {},
      restartIce: async () => ({}),
      produce: async () => {
        await this.gate;
        const producer = id();
        producers.add(producer);
        mine.add(producer);
        return producer;
      },
      setProducerPaused: async () => {},
      closeProducer: (producer) => {
        producers.delete(producer);
      },
      consume: async (producer) => {
        await this.gate;
        if (!producers.has(producer)) return null;
        const consumer = id();
        consumers.set(consumer, producer);
        return { id: consumer, kind: 'video', rtpParameters: {}, layers: 1 };
      },
      preferLayer: async () => {},
      setConsumerPaused: async () => {},
      close: () => {
        if (!open) return;
        open = false;
        this.openPeers -= 1;
        this.#events.delete(events);
      },
    };
  }
}

/** What is stored is what the school hears. */
export class TestEvents implements EventLog {
  readonly all: RoomEvent[] = [];

  load(room: string) {
    const record = emptyRecord();
    for (const event of this.all) if (event.room === room) remember(record, structuredClone(event));
    return record;
  }

  append(event: RoomEvent): void {
    this.all.push(RoomEvent.parse(event));
  }

  appendNow(event: RoomEvent): void {
    this.append(event);
  }

  unfinished(): string[] {
    const rooms = new Set(this.all.map(({ room }) => room));
    return [...rooms].filter((room) => isUnfinished(this.load(room)));
  }
}

export class TestGateway {
  readonly feeds: BroadcastFeed[] = [];
  readonly ended: string[] = [];
  state: BroadcastStatus['state'] = 'starting';
  accessEpoch = 0;
  diskTrouble: BroadcastStatus['diskTrouble'] = null;
  down = false;
  durationMs = 0;
  waitEndsAtMs: number | null = null;
  recordingMode: RecordingMode = 'automatic';

  async feedChannel({ body }: Parameters<Gateway['feedChannel']>[0]): Promise<BroadcastStatus> {
    if (this.down) throw new LecternError('service-unavailable');
    const feed = BroadcastFeed.parse(body);
    this.feeds.push(feed);
    return {
      broadcast: feed.broadcast,
      state: this.state,
      notice: null,
      diskTrouble: this.diskTrouble,
      recording: recordingOf(this.recordingMode, feed.recording?.choice),
      recordingMode: this.recordingMode,
      startedAtMs: null,
      durationMs: this.durationMs,
      recordedMs: this.durationMs,
      waitMs: 120_000,
      waitEndsAtMs: this.waitEndsAtMs,
      viewers: { flv: 0, hls: 0, rtmp: 0 },
      ingest: { ip: '127.0.0.1', port: 6_000 },
      accessEpoch: this.accessEpoch,
    };
  }

  async endBroadcast({ params }: Parameters<Gateway['endBroadcast']>[0]) {
    if (this.down) throw new LecternError('service-unavailable');
    this.ended.push(params.channel);
    return {};
  }
}

export interface Attendee {
  readonly link: TestLink;
  readonly ticket: Ticket;
  readonly joined: Joined;
  readonly peer: Peer;
}

const classes = new Set<TestClass>();
// Rooms wait for people who may come back, and so would the process.
after(() => {
  for (const { rooms } of classes) rooms.free();
});

/** One school day: rooms, and everything around them. */
export class TestClass {
  readonly media = new TestMedia();
  readonly events: TestEvents;
  readonly gateway = new TestGateway();
  readonly #before: number;
  readonly deps: RoomDeps;
  readonly rooms: Rooms;
  nowMs = 1_000_000;

  /** With the events of an earlier one, it is the same process after `kill -9`. */
  constructor(events = new TestEvents()) {
    this.events = events;
    this.#before = events.all.length;
    this.deps = {
      media: this.media,
      events,
      gateway: this.gateway,
      log: pino({ level: 'silent' }),
      now: () => (this.nowMs += 1),
    };
    this.rooms = new Rooms(this.deps);
    this.rooms.restore();
    classes.add(this);
  }

  room(): Room {
    return this.rooms.enter(ticketFor('somebody', 'teacher'));
  }

  async join(
    id: string,
    role: Role,
    options: { session?: string; link?: TestLink; invite?: string } = {},
  ): Promise<Attendee> {
    const ticket = { ...ticketFor(id, role), invite: options.invite };
    const link = options.link ?? new TestLink();
    const room = this.rooms.enter(ticket);
    const joined = await room.join(
      { ticket, link, session: options.session },
      { name: id, rtpCapabilities: {} },
    );
    return { link, ticket, joined, peer: room.peerBy(id, link) };
  }

  /** Resolves with the producer's id. */
  async publish({ peer }: Attendee, source: TabSource): Promise<string> {
    const { kind } = SOURCES[source];
    const producer = { transportId: 't', kind, source, rtpParameters: {} };
    return (await ask(this.room(), peer, 'producer:create', producer)).producerId;
  }

  /** What happened since this process started, of what attendance and the chat's archive are made of. */
  told(): string {
    return this.events.all
      .slice(this.#before)
      .map(({ type }) => type)
      .filter((type) => /^(room:|peer:(joined|left)|chat:)/.test(type))
      .join(' ');
  }
}

export function ticketFor(id: string, role: Role): Ticket {
  return {
    sub: id,
    room: ROOM,
    channel: 'channel1',
    title: 'Algebra I',
    role,
    permissions: [...ROLE_PERMISSIONS[role]],
    exp: 4_000_000_000,
  };
}

/** Asks what a page asks for, past the checks of `signalling/bind.ts`. What needs no waiting is done on return. */
export async function ask<N extends Exclude<RequestName, 'room:join'>>(
  room: Room,
  peer: Peer,
  name: N,
  data: RequestInput<N>,
): Promise<RequestResult<N>> {
  const call = { peer, ticket: ticketFor(peer.id, peer.role) };
  return (await room.answer(name, call, REQUESTS[name].in.parse(data))) as RequestResult<N>;
}

/** Lets everything that is ready happen, timers apart. */
export const settle = () => new Promise<void>((resolve) => setImmediate(resolve));

/** Passes if the call fails with this code. */
export const refuses = (code: string, call: () => unknown) =>
  assert.rejects(
    async () => {
      await call();
    },
    (error: { code?: string }) => error.code === code,
  );
