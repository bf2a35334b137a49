// A socket as a room sees it.
import type { Socket } from 'socket.io';
import type { FactData, FactName } from '#shared/contract/signalling.ts';
import type { Link } from '../room/ports.ts';
import { MAX_UNSENT_BYTES, terminate } from './connection.ts';

/** How long what was sent before the end may take to go out, in ms. */
const CLOSING_MS = 3_000;

export class SocketLink implements Link {
  readonly #socket: Socket;
  /** Facts that wait for the acknowledgement of a join, which they come after. */
  #held: (() => void)[] | null = null;
  #heldBytes = 0;
  #closing = false;
  readonly #onOverflow: () => void;

  /** `onOverflow` is called when more is held than may wait; the connection is ended then. */
  constructor(socket: Socket, onOverflow: () => void) {
    this.#socket = socket;
    this.#onOverflow = onOverflow;
  }

  get open(): boolean {
    return this.#socket.connected && !this.#closing;
  }

  send<N extends FactName>(name: N, data: FactData<N>): void {
    const emit = () => void this.#socket.emit(name, data);
    if (this.#held === null) {
      emit();
      return;
    }
    this.#held.push(emit);
    this.#heldBytes += JSON.stringify(data).length;
    if (this.#heldBytes <= MAX_UNSENT_BYTES || this.#closing) return;
    this.#closing = true;
    this.#held = [];
    this.#onOverflow();
    terminate(this.#socket.conn);
  }

  /** Keeps facts back until `release`. */
  hold(): void {
    this.#held ??= [];
  }

  release(): void {
    const held = this.#held ?? [];
    this.#held = null;
    this.#heldBytes = 0;
    for (const emit of held) emit();
  }

  /** The answer to the request that led here goes out first. */
  close(): void {
    this.#closing = true;
    const { conn } = this.#socket;
    const late = setTimeout(() => terminate(conn), CLOSING_MS);
    conn.once('close', () => clearTimeout(late));
    setImmediate(() => {
      this.release();
      this.#socket.disconnect(true);
    });
  }
}
