// Who waits to be let into the class, for those who manage people.
import type { WaitingView } from '#shared/contract/signalling.ts';
import type { Signalling } from './signalling.ts';

export class Door {
  readonly #signalling: Signalling;
  #waiting: readonly WaitingView[] = [];

  constructor(signalling: Signalling) {
    this.#signalling = signalling;
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
    await this.#signalling.request('door:admit', { peerIds: [...peerIds] });
  }

  /** Sends them away. Rejects with the server's refusal. */
  async refuse(peerIds: readonly string[]): Promise<void> {
    await this.#signalling.request('door:refuse', { peerIds: [...peerIds] });
  }
}
