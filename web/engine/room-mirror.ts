// This tab's copy of what the room is: who is in it, who sends what, and the state of the broadcast.
import type { BroadcastView } from '#shared/contract/features/broadcast.ts';
import type { Joined, PeerView, RoomView, Welcome } from '#shared/contract/signalling.ts';
import type { ProducerView } from '#shared/contract/features/stage.ts';
import type { Permission } from '#shared/domain/permissions.ts';

export class RoomMirror {
  #room: RoomView | null = null;
  #you: PeerView | null = null;
  readonly #peers = new Map<string, PeerView>();
  readonly #producers = new Map<string, ProducerView>();
  #peerList: readonly PeerView[] | undefined;
  #present = 0;
  #clockOffsetMs = 0;

  get room(): RoomView | null {
    return this.#room;
  }

  get you(): PeerView | null {
    return this.#you;
  }

  /** Everyone, oneself included, in the order in which they came. The same array until it changes. */
  get peers(): readonly PeerView[] {
    this.#peerList ??= [...this.#peers.values()].sort((a, b) => a.joinedAtMs - b.joinedAtMs);
    return this.#peerList;
  }

  /** What the others send. */
  get producers(): readonly ProducerView[] {
    return [...this.#producers.values()].filter((producer) => producer.peerId !== this.#you?.id);
  }

  /** How many are in the room; before joining, what the welcome said. */
  get present(): number {
    return this.#you === null ? this.#present : this.#peers.size;
  }

  /** Add it to this machine's clock to get the server's, in ms. */
  get clockOffsetMs(): number {
    return this.#clockOffsetMs;
  }

  welcomed(welcome: Welcome, nowMs: number): void {
    this.#room = welcome.room;
    this.#present = welcome.present;
    this.#clockOffsetMs = welcome.serverTimeMs - nowMs;
  }

  /** How many others are in the room, said before we joined. */
  presence(present: number): void {
    this.#present = present;
  }

  joined(joined: Joined, nowMs: number): void {
    this.#room = joined.room;
    this.#you = joined.you;
    // An answer is late, never early: of the two of one connection the later clock is the better one.
    this.#clockOffsetMs = Math.max(this.#clockOffsetMs, joined.serverTimeMs - nowMs);
    this.#peers.clear();
    for (const peer of joined.peers) this.#peers.set(peer.id, peer);
    this.#peers.set(joined.you.id, joined.you);
    this.#peerList = undefined;
    this.#producers.clear();
    for (const producer of joined.producers) this.#producers.set(producer.id, producer);
  }

  /** Returns true if this person was not here before. */
  peer(peer: PeerView): boolean {
    const isNew = !this.#peers.has(peer.id);
    this.#peers.set(peer.id, peer);
    this.#peerList = undefined;
    if (peer.id === this.#you?.id) this.#you = peer;
    return isNew;
  }

  /** Returns who left, or undefined if nobody knew them. */
  peerLeft(peerId: string): PeerView | undefined {
    const peer = this.#peers.get(peerId);
    this.#peers.delete(peerId);
    this.#peerList = undefined;
    for (const producer of this.producers) {
      if (producer.peerId === peerId) this.#producers.delete(producer.id);
    }
    return peer;
  }

  producer(producer: ProducerView): void {
    this.#producers.set(producer.id, producer);
  }

  producerClosed(producerId: string): void {
    this.#producers.delete(producerId);
  }

  broadcast(broadcast: BroadcastView): void {
    if (this.#room !== null) this.#room = { ...this.#room, broadcast };
  }
}

/** What one person gained and lost between two views of them. */
export function permissionChanges(
  before: PeerView,
  after: PeerView,
): { granted: Permission[]; revoked: Permission[] } {
  return {
    granted: after.permissions.filter((permission) => !before.permissions.includes(permission)),
    revoked: before.permissions.filter((permission) => !after.permissions.includes(permission)),
  };
}
