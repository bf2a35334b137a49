// A socket as a room sees it.
import type { Socket } from 'socket.io';
import type { FactData, FactName } from '#shared/contract/signalling.ts';
import type { Link } from '../room/ports.ts';

export class SocketLink implements Link {
  readonly #socket: Socket;
  /** Facts that wait for the acknowledgement of a join, which they come after. */
  #held: (() => void)[] | null = null;
  #closing = false;

  constructor(socket: Socket) {
    this.#socket = socket;
  }

  get open(): boolean {
    return this.#socket.connected && !this.#closing;
  }

  send<N extends FactName>(name: N, data: FactData<N>): void {
    const emit = () => void this.#socket.emit(name, data);
    if (this.#held === null) emit();
    else this.#held.push(emit);
  }

  /** Keeps facts back until `release`. */
  hold(): void {
    this.#held ??= [];
  }

  release(): void {
    const held = this.#held ?? [];
    this.#held = null;
    for (const emit of held) emit();
  }

  /** The answer to the request that led here goes out first. */
  close(): void {
    this.#closing = true;
    setImmediate(() => {
      this.release();
      this.#socket.disconnect(true);
    });
  }
}
