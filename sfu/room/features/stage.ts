// What is published in a room, and who receives it: everyone else who is in the room.
import type { ProducerView } from '#shared/contract/features/stage.ts';
import type { RequestData } from '#shared/contract/signalling.ts';
import { LecternError } from '#shared/contract/errors.ts';
import { stage as spec } from '#shared/contract/features/stage.ts';
import { SOURCES, type Source } from '#shared/domain/sources.ts';
import { consumerView, type Peer, type Session } from '../peer.ts';
import type { Members } from '../members.ts';
import type { PeerMedia } from '../ports.ts';
import { feature } from './feature.ts';
import { MANAGE, PAUSE, PUBLISH } from './rates.ts';

type CloseReason = 'closed' | 'muted' | 'revoked';

/** Who publishes: a peer, or the encoder. */
export interface Publisher {
  readonly id: string;
}

/** Where a producer lives. */
export type ProducerMedia = Pick<PeerMedia, 'setProducerPaused' | 'closeProducer'>;

interface Production {
  view: ProducerView;
  readonly owner: Publisher;
  readonly media: ProducerMedia;
}

export const stage = feature({
  spec,
  memory: () => null,
  rates: {
    'producer:create': PUBLISH,
    'producer:close': PUBLISH,
    'producer:pause': PAUSE,
    'producer:resume': PAUSE,
    'peer:mute': MANAGE,
  },
  open({ members }) {
    const open = new Stage(members);
    return {
      requests: {
        'producer:create': async ({ peer }, data) => ({ producerId: await open.produce(peer, data) }),
        'producer:pause': async ({ peer }, { producerId }) => {
          await open.setPaused(peer, producerId, true);
          return {};
        },
        'producer:resume': async ({ peer }, { producerId }) => {
          await open.setPaused(peer, producerId, false);
          return {};
        },
        'producer:close': ({ peer }, { producerId }) => {
          open.closeOwn(peer, producerId);
          return {};
        },
        'peer:mute': ({ peer }, { peerId, source }) => {
          open.mute(members.manageable(peer, peerId), source);
          return {};
        },
      },
      snapshot: () => ({ producers: open.views() }),
      prepare: (peerId, session) => open.offerAll(peerId, session),
      sessionEnded: (peer) => open.closeAll(peer),
      permitted: (peer) => open.revoke(peer),
      producerGone: (producerId) => open.close(producerId, 'closed'),
      mediaLost: () => open.clear(),
      stage: open,
    };
  },
});

export class Stage {
  readonly #productions = new Map<string, Production>();
  readonly #members: Members;
  /** Called whenever what is published changed. */
  onChange: () => void = () => undefined;

  constructor(members: Members) {
    this.#members = members;
  }

  views(): ProducerView[] {
    return [...this.#productions.values()].map((production) => production.view);
  }

  isPaused(producerId: string): boolean {
    return this.#productions.get(producerId)?.view.paused ?? false;
  }

  /**
   * Publishes. A second producer of the same source takes the place of the first.
   * Throws LecternError; `forbidden` also if the permission was revoked meanwhile.
   */
  async produce(peer: Peer, data: RequestData<'producer:create'>): Promise<string> {
    const { kind, permission } = SOURCES[data.source];
    if (data.kind !== kind) throw new LecternError('bad-request', `${data.source} is not ${data.kind}.`);
    const session = peer.requireSession();
    const { media } = session;
    const id = await media.produce(data);
    if (peer.session !== session || !peer.may(permission)) {
      media.closeProducer(id);
      throw new LecternError(peer.session === session ? 'forbidden' : 'conflict');
    }
    peer.active = true;
    this.place({ id, peerId: peer.id, source: data.source, paused: data.paused }, peer, media, peer);
    return id;
  }

  /**
   * Publishes a producer that is there. A second one of the same source takes the place of the first.
   * Everyone but `except` hears of it.
   */
  place(view: ProducerView, owner: Publisher, media: ProducerMedia, except?: Peer): void {
    const older = this.#of(owner, view.source);
    if (older !== undefined) this.close(older.view.id, 'closed');
    const production = { view, owner, media };
    this.#productions.set(view.id, production);
    this.#members.notify('producer:created', view, except);
    this.onChange();
    for (const other of this.#members.all()) {
      if (other.session !== null) void this.#offer(other.id, other.session, production);
    }
  }

  /** Says that a producer has nothing to show for now, or has again; its media stay as they are. */
  setIdle(producerId: string, idle: boolean): void {
    const production = this.#productions.get(producerId);
    if (production !== undefined) this.#changePaused(production, idle);
  }

  /** Throws LecternError `not-found` unless the producer is this peer's. */
  async setPaused(peer: Peer, producerId: string, paused: boolean): Promise<void> {
    const production = this.#own(peer, producerId);
    await production.media.setProducerPaused(producerId, paused);
    if (this.#productions.get(producerId) === production) this.#changePaused(production, paused, peer);
  }

  /** Its owner closes it. Throws LecternError `not-found` unless it is this peer's. */
  closeOwn(peer: Peer, producerId: string): void {
    this.#own(peer, producerId);
    this.close(producerId, 'closed', peer);
  }

  /** Closes what the peer publishes from this source, if it does. */
  mute(peer: Peer, source: Source): void {
    const production = this.#of(peer, source);
    if (production !== undefined) this.close(production.view.id, 'muted');
  }

  /** Closes all of the peer that asks for a permission which it has no more. */
  revoke(peer: Peer): void {
    for (const { view } of this.#ofPublisher(peer)) {
      if (!peer.may(SOURCES[view.source].permission)) this.close(view.id, 'revoked');
    }
  }

  /** The peer is gone, or joins afresh: nobody but the others needs to hear of it. */
  closeAll(peer: Peer): void {
    for (const { view } of this.#ofPublisher(peer)) this.close(view.id, 'closed', peer);
  }

  close(producerId: string, reason: CloseReason, except?: Peer): void {
    const production = this.#productions.get(producerId);
    if (production === undefined) return;
    this.#productions.delete(producerId);
    production.media.closeProducer(producerId);
    this.#members.notify('producer:closed', { producerId, reason }, except);
    this.onChange();
  }

  /** The media is gone as a whole. */
  clear(): void {
    this.#productions.clear();
    this.onChange();
  }

  /** Lets a session receive all that is published. When it resolves, nothing is missing. */
  async offerAll(peerId: string, session: Session): Promise<void> {
    for (;;) {
      const missing = [...this.#productions.values()].filter(
        ({ view, owner }) => owner.id !== peerId && !session.offered.has(view.id),
      );
      if (missing.length === 0) return;
      await Promise.all(missing.map((production) => this.#offer(peerId, session, production)));
    }
  }

  async #offer(peerId: string, session: Session, { view, owner }: Production): Promise<void> {
    if (owner.id === peerId || session.offered.has(view.id)) return;
    session.offered.add(view.id);
    const stream = await session.media.consume(view.id);
    // A producer that closed meanwhile closes its consumers by itself.
    if (stream === null) return;
    const subscription = { ...stream, producerId: view.id, peerId: view.peerId, source: view.source };
    session.subscriptions.set(stream.id, subscription);
    // While a join is under way its acknowledgement carries the subscription.
    const peer = this.#members.get(peerId);
    if (peer?.session === session) {
      peer.notify('consumer:created', consumerView(subscription, this.isPaused(view.id)));
    }
  }

  #changePaused(production: Production, paused: boolean, except?: Peer): void {
    if (production.view.paused === paused) return;
    production.view = { ...production.view, paused };
    this.#members.notify('producer:updated', production.view, except);
    this.onChange();
  }

  #of(owner: Publisher, source: Source): Production | undefined {
    return this.#ofPublisher(owner).find(({ view }) => view.source === source);
  }

  #ofPublisher(publisher: Publisher): Production[] {
    return [...this.#productions.values()].filter(({ owner }) => owner === publisher);
  }

  #own(peer: Peer, producerId: string): Production {
    const production = this.#productions.get(producerId);
    if (production?.owner !== peer)
      throw new LecternError('not-found', 'There is no such producer of yours.');
    return production;
  }
}
