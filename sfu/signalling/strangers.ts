// Connections that showed no ticket yet: anyone can open them, so they are few.
import type { Connection } from './connection.ts';

const MAX_STRANGERS = 2_000;
/** A school is one address, and after a restart all of it comes again at once. */
const MAX_STRANGERS_PER_ADDRESS = 500;

export class Strangers {
  readonly #addresses = new Map<Connection, string>();
  readonly #perAddress = new Map<string, number>();
  readonly #shown = new WeakSet<Connection>();

  /** True if one more of this address may wait. */
  fits(address: string): boolean {
    if (this.#addresses.size >= MAX_STRANGERS) return false;
    return (this.#perAddress.get(address) ?? 0) < MAX_STRANGERS_PER_ADDRESS;
  }

  enter(conn: Connection, address: string): void {
    this.#addresses.set(conn, address);
    this.#perAddress.set(address, (this.#perAddress.get(address) ?? 0) + 1);
  }

  /** True for the first ticket that this connection shows. */
  shows(conn: Connection): boolean {
    if (this.#shown.has(conn)) return false;
    this.#shown.add(conn);
    return true;
  }

  /** It has a good ticket, or is gone. */
  leave(conn: Connection): void {
    const address = this.#addresses.get(conn);
    if (address === undefined) return;
    this.#addresses.delete(conn);
    const left = (this.#perAddress.get(address) ?? 1) - 1;
    if (left > 0) this.#perAddress.set(address, left);
    else this.#perAddress.delete(address);
  }
}
