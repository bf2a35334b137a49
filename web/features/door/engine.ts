// Who waits to be let into the class, for those who manage people.
import type { WaitingView } from '#shared/contract/features/door.ts';
import type { FeatureHost } from '../../engine/feature.ts';

export class Door {
  readonly #host: Pick<FeatureHost, 'request'>;
  #waiting: readonly WaitingView[] = [];

  constructor(host: Pick<FeatureHost, 'request'>) {
    this.#host = host;
  }

  /** The first first. The same array until it changes. */
  get waiting(): readonly WaitingView[] {
    return this.#waiting;
  }

  /** Takes over what the room says. */
  joined(waiting: readonly WaitingView[]): void {
    this.#waiting = waiting;
  }

  knocked(guest: WaitingView): void {
    this.left([guest.id]);
    this.#waiting = [...this.#waiting, guest];
  }

  left(peerIds: readonly string[]): void {
    this.#waiting = this.#waiting.filter(({ id }) => !peerIds.includes(id));
  }

  /** Lets these people in. Rejects with the server's refusal. */
  async admit(peerIds: readonly string[]): Promise<void> {
    await this.#host.request('door:admit', { peerIds: [...peerIds] });
  }

  /** Sends them away. Rejects with the server's refusal. */
  async refuse(peerIds: readonly string[]): Promise<void> {
    await this.#host.request('door:refuse', { peerIds: [...peerIds] });
  }
}

export function createDoor(host: FeatureHost): Door {
  const door = new Door(host);
  host.onJoined(({ waiting }) => door.joined(waiting));
  host.on('door:knocked', (guest) => {
    door.knocked(guest);
    host.noticeOf('knocked', guest.name);
  });
  host.on('door:left', ({ peerIds }) => door.left(peerIds));
  return door;
}
