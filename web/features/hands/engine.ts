// Raised hands, as this tab knows them.
import type { RaisedHand } from '#shared/contract/features/hands.ts';
import type { FeatureHost } from '../../engine/feature.ts';

export class Hands {
  readonly #host: Pick<FeatureHost, 'request'>;
  #raised: readonly RaisedHand[] = [];

  constructor(host: Pick<FeatureHost, 'request'>) {
    this.#host = host;
  }

  /** In the order in which they went up. The same array until it changes. */
  get raised(): readonly RaisedHand[] {
    return this.#raised;
  }

  /** Takes over what the room says. */
  joined(hands: readonly RaisedHand[]): void {
    this.#raised = hands;
  }

  wentUp(hand: RaisedHand): void {
    this.wentDown(hand.peerId);
    this.#raised = [...this.#raised, hand];
  }

  wentDown(peerId: string): void {
    if (this.#raised.some((hand) => hand.peerId === peerId)) {
      this.#raised = this.#raised.filter((hand) => hand.peerId !== peerId);
    }
  }

  /** Raises our own. Rejects with the server's refusal. */
  async raise(): Promise<void> {
    await this.#host.request('hand:raise', {});
  }

  /** Lowers that of `peerId`, or our own. Rejects with the server's refusal. */
  async lower(peerId?: string): Promise<void> {
    await this.#host.request('hand:lower', { peerId });
  }
}

export function createHands(host: FeatureHost): Hands {
  const hands = new Hands(host);
  host.onJoined((joined) => hands.joined(joined.hands));
  host.on('hand:raised', (hand) => {
    hands.wentUp(hand);
    const { you, peers } = host.room;
    const who = peers.find(({ id }) => id === hand.peerId);
    // Those who call on people are told; everyone else sees the list.
    if (you?.permissions.includes('peer:manage') === true && who !== undefined) {
      host.noticeOf('hand-raised', who.name);
    }
  });
  host.on('hand:lowered', ({ peerId }) => hands.wentDown(peerId));
  host.on('peer:left', ({ peerId }) => hands.wentDown(peerId));
  return hands;
}
